"""Who works now, as `ruie status` says it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ruie.worker.terminal import counted

if TYPE_CHECKING:
    from ruie.db.activity import Alive
    from ruie.worker.embedded.only_one import Running


def alive_line(alive: Alive, here: Running | None, *, work: bool) -> tuple[str, bool]:
    """A sentence on who works, and whether somebody has to do something. here: the `ruie up` of
    this folder. work: whether a running job has open items."""
    items = counted(alive.held, "item")
    if alive.coordinator is None:
        if alive.processes:
            return (
                f"No coordinator is alive; {_processes(alive.processes)} will end {items}, and then"
                " nothing follows. Start `ruie coordinator`.",
                True,
            )
        if alive.workers:
            wait = "waits" if alive.workers == 1 else "wait"
            return (
                f"No coordinator is alive; {_processes(alive.workers)} {wait}."
                " Start `ruie coordinator`.",
                work,
            )
        start = " `ruie up` starts both on this machine." if work else ""
        return f"No coordinator is alive, and no worker is.{start}", work
    coordinator = _coordinator(alive.coordinator, alive.standing_by)
    if alive.workers:
        return f"Alive: {coordinator} and {_workers(alive, items)}.", False
    if here is not None:
        return f"Alive: {coordinator} and the worker of `{here.command}` (pid {here.pid}).", False
    start = ""
    if alive.sent:
        start = f" None has taken any of {counted(alive.sent, 'item')} sent."
    return f"Alive: {coordinator}. No worker is alive.{start}{' Start `ruie worker`.' * work}", work


def _coordinator(name: str, standing_by: int) -> str:
    """name: host, process id, a random part."""
    shown = name.rpartition(":")[0] or name
    if standing_by:
        shown += f"; {standing_by} {'stands' if standing_by == 1 else 'stand'} by"
    return f"a coordinator ({shown})"


def _workers(alive: Alive, items: str) -> str:
    if not alive.processes:
        holds = "without" if alive.workers == 1 else "none of which has"
        return f"{_processes(alive.workers)}, {holds} an item"
    if alive.processes < alive.workers:
        return f"{_processes(alive.workers)}, of which {alive.processes:,} with {items}"
    return f"{_processes(alive.workers)} with {items}"


def _processes(number: int) -> str:
    return "1 worker process" if number == 1 else f"{number:,} worker processes"
