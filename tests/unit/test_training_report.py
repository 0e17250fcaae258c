"""Progress of a run where stderr is no terminal: a line when a stage begins and one a minute."""

from __future__ import annotations

import io

from ruie.console import Console
from ruie.exporter.training.report import StageProgress


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_line_a_minute_says_how_far_how_fast_and_how_long() -> None:
    log, clock = io.StringIO(), Clock()
    with StageProgress(Console(file=log), clock) as progress:
        progress("reward", 0)
        for step in range(200, 701, 100):  # resumed at step 200
            clock.now += 30
            progress("reward", step, 3100, "steps", "loss 0.4121")
        clock.now += 3600
        progress("encode demonstrations", 0)
        clock.now += 90
        progress("encode demonstrations", 0.25)
        clock.now += 60
        progress("encode demonstrations", 0.5)
    assert log.getvalue().splitlines() == [
        "reward",
        "reward: 300 of 3,100 steps, loss 0.4121, 3.3 steps/s, 14 min left",
        "reward: 500 of 3,100 steps, loss 0.4121, 3.3 steps/s, 13 min left",
        "reward: 700 of 3,100 steps, loss 0.4121, 3.3 steps/s, 12 min left",
        "encode demonstrations",
        "encode demonstrations: 25%",
        "encode demonstrations: 50%, 2 min left",
    ]


def test_slow_steps_and_long_waits() -> None:
    log, clock = io.StringIO(), Clock()
    with StageProgress(Console(file=log), clock) as progress:
        for step in (1, 2, 3):
            clock.now += 75
            progress("distillation", step, 6000, "steps")
    assert log.getvalue().splitlines()[-1] == (
        "distillation: 3 of 6,000 steps, 0.013 steps/s, 125 h left"
    )
