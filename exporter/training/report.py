"""What a user sees of a run: the progress of each stage, and a table at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Self

from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn
from rich.progress import TimeElapsedColumn as Elapsed
from rich.table import Table

from ruie.console import Console

LOG_S = 60.0
"""Seconds between two lines about the progress of a stage."""


class StageProgress:
    """Shows the progress of each stage: a bar on a terminal; elsewhere a line when it begins and
    one about every minute."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds."""
        self._console, self._clock = console, clock
        self._bars = Progress(
            TextColumn("{task.description:<24}"),
            BarColumn(),
            TaskProgressColumn(),
            Elapsed(),
            TextColumn("{task.fields[note]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._logged_at = 0.0
        self._measured_from: tuple[float, float] | None = None

    def __call__(
        self, stage: str, done: float, total: float = 1, unit: str = "", note: str = "", /
    ) -> None:
        """`done` of `total` in `unit` (plural; "": a share). note: figures, such as a loss."""
        if stage not in self._tasks:
            for task in self._tasks.values():
                self._bars.update(task, completed=1.0)
            self._tasks[stage] = self._bars.add_task(stage, total=1.0, note="")
            self._logged_at, self._measured_from = self._clock(), None
            if not self._console.is_terminal:
                self._console.print(stage)
        self._bars.update(self._tasks[stage], completed=done / total, note=note)
        if not self._console.is_terminal:
            self._log(stage, done, total, unit, note)

    def _log(self, stage: str, done: float, total: float, unit: str, note: str) -> None:
        now = self._clock()
        if self._measured_from is None and done:  # a resumed stage does not begin at 0
            self._measured_from = now, done
        if now - self._logged_at < LOG_S:
            return
        self._logged_at = now
        amount = f"{done:,.0f} of {total:,.0f} {unit}" if unit else f"{done / total:.0%}"
        facts = [amount, *([note] if note else [])]
        began, before = self._measured_from or (now, done)
        if now > began and done > before:
            rate = (done - before) / (now - began)
            facts += [f"{_rounded(rate)} {unit}/s"] if unit else []
            facts.append(f"{_duration((total - done) / rate)} left")
        self._console.print(
            f"{stage}: {', '.join(facts)}", markup=False, highlight=False, soft_wrap=True
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()


def _duration(seconds: float) -> str:
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 1.5 * size:
            return f"{_rounded(seconds / size)} {unit}"
    return f"{seconds:.0f} s"


def _rounded(number: float) -> str:
    """To two digits or to an integer."""
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def summary(figures: Mapping[str, Any]) -> Table:
    """One row a stage."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, stage in figures.items():
        facts = {k: v for k, v in stage.items() if not isinstance(v, list | dict) and v is not None}
        measurements = [entry for entry in stage.get("history", ()) if "mrr" in entry]
        if measurements:
            first, last = measurements[0], measurements[-1]
            facts["MRR"] = f"{first['mrr']:.3f} → {last['mrr']:.3f}"
            facts["accuracy@1"] = f"{first['accuracy_at_1']:.3f} → {last['accuracy_at_1']:.3f}"
        for kind in ("agreement", "mentions"):
            for task, weight in stage.get(kind, {}).items():
                facts[f"{kind} {task}"] = weight
        table.add_row(name, ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in facts.items()))
    return table
