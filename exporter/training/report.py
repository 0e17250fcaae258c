"""What a person sees of a run: a bar for the stage at work, and a table at the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn
from rich.progress import TimeElapsedColumn as Elapsed
from rich.table import Table


class Stages:
    """Progress of each stage: bars on a terminal, elsewhere a line when a stage begins."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn("{task.description:<24}"),
            BarColumn(),
            TaskProgressColumn(),
            Elapsed(),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, stage: str, share: float) -> None:
        if stage not in self._tasks:
            for task in self._tasks.values():
                self._bars.update(task, completed=1.0)
            self._tasks[stage] = self._bars.add_task(stage, total=1.0)
            if not self._console.is_terminal:
                self._console.print(stage)
        self._bars.update(self._tasks[stage], completed=share)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()


def summary(figures: Mapping[str, Any]) -> Table:
    """One row a stage."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, told in figures.items():
        facts = {k: v for k, v in told.items() if not isinstance(v, list | dict) and v is not None}
        if history := told.get("history"):
            measured = [entry for entry in history if "mrr" in entry]
            if measured:
                first, last = measured[0], measured[-1]
                facts["MRR"] = f"{first['mrr']:.3f} → {last['mrr']:.3f}"
                facts["accuracy@1"] = f"{first['accuracy_at_1']:.3f} → {last['accuracy_at_1']:.3f}"
        for kind in ("agreement", "mentions"):
            for task, weight in told.get(kind, {}).items():
                facts[f"{kind} {task}"] = weight
        table.add_row(name, ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in facts.items()))
    return table
