"""How far enqueueing is: a progress bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from ruie.worker.ingest.enqueue import EnqueueProgress
from ruie.worker.terminal import duration, error_console

LINE_S = 30.0
"""Seconds between two lines of a log."""


class ProgressBar:
    """A callback for `Client.enqueue_files`. `job_id` and `documents` are the last reported."""

    def __init__(self, label: str, bar: Progress | None) -> None:
        self.job_id = ""
        self.documents = 0
        self._label = label
        self._bar = bar
        self._task = bar.add_task(label, total=None, status="") if bar else None
        self._started = self._printed = time.monotonic()

    def __call__(self, reached: EnqueueProgress) -> None:
        self.job_id, self.documents = reached.job_id, reached.documents
        now = time.monotonic()
        status = _status(reached, now - self._started)
        if self._bar is not None and self._task is not None:
            done, total = reached.bytes_read, reached.total_bytes or None
            self._bar.update(self._task, completed=done, total=total, status=status)
        elif now - self._printed >= LINE_S:
            self._printed = now
            error_console.print(f"{self._label}: {status}", soft_wrap=True)


@contextmanager
def progress_bar(label: str) -> Iterator[ProgressBar]:
    """The callback, and the bar for as long as this lasts."""
    if not error_console.is_terminal:
        yield ProgressBar(label, None)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(30),
               TextColumn("{task.fields[status]}"))  # fmt: skip  # one bar's parts
    with Progress(*columns, console=error_console, transient=True) as bar:
        yield ProgressBar(label, bar)


def _status(reached: EnqueueProgress, seconds: float) -> str:
    rate = reached.documents / seconds if seconds > 0 else 0.0
    status = f"{reached.documents:,} documents, {rate:,.0f} a second"
    if reached.total_bytes and reached.bytes_read:
        left = seconds * (reached.total_bytes - reached.bytes_read) / reached.bytes_read
        status += f", {duration(left)} left"
    return status
