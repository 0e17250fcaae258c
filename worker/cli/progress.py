"""How far an enqueueing is: a bar on a terminal, now and then a line in a log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from ruie.worker.ingest.enqueue import Reached
from ruie.worker.terminal import errors

LINE_S = 30.0
"""Seconds between two lines of a log."""


class Telling:
    """Called with each step. `job_id`: of the job, once there is one; `documents`: read so far."""

    def __init__(self, doing: str, bar: Progress | None) -> None:
        self.job_id = ""
        self.documents = 0
        self._doing = doing
        self._bar = bar
        self._task = bar.add_task(doing, total=None, said="") if bar else None
        self._started = self._told = time.monotonic()

    def __call__(self, reached: Reached) -> None:
        self.job_id, self.documents = reached.job_id, reached.documents
        now = time.monotonic()
        said = _said(reached, now - self._started)
        if self._bar is not None and self._task is not None:
            done, total = reached.bytes_read, reached.total_bytes or None
            self._bar.update(self._task, completed=done, total=total, said=said)
        elif now - self._told >= LINE_S:
            self._told = now
            errors.print(f"{self._doing}: {said}", soft_wrap=True)


@contextmanager
def telling(doing: str) -> Iterator[Telling]:
    """What to call with each step."""
    if not errors.is_terminal:
        yield Telling(doing, None)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(30),
               TextColumn("{task.fields[said]}"))  # fmt: skip  # one bar's parts
    with Progress(*columns, console=errors, transient=True) as bar:
        yield Telling(doing, bar)


def _said(reached: Reached, seconds: float) -> str:
    rate = reached.documents / seconds if seconds > 0 else 0.0
    said = f"{reached.documents:,} documents, {rate:,.0f} a second"
    if reached.total_bytes and reached.bytes_read:
        left = seconds * (reached.total_bytes - reached.bytes_read) / reached.bytes_read
        said += f", {_duration(left)} left"
    return said


def _duration(seconds: float) -> str:
    """`45 s`, `3 min 5 s`, `2 h 10 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
