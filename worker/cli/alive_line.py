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
    processes = _processes(alive.processes)
    items = counted(alive.held, "item")
    if alive.coordinator is None:
        if alive.processes:
            return (
                f"No coordinator is alive; {processes} will end {items}, and then nothing follows."
                " Start `ruie coordinator`.",
                True,
            )
        start = " `ruie up` starts both on this machine." if work else ""
        return f"No coordinator is alive, and no worker is: none holds an item.{start}", work
    # host, process id, a random part
    coordinator = f"a coordinator ({alive.coordinator.rpartition(':')[0] or alive.coordinator})"
    if alive.processes:
        return f"Alive: {coordinator} and {processes} with {items}.", False
    if here is not None:
        return f"Alive: {coordinator} and the worker of `{here.command}` (pid {here.pid}).", False
    if work and alive.sent:
        sent = counted(alive.sent, "item")
        return (
            f"Alive: {coordinator}. No worker is: none has taken any of {sent} sent."
            " Start `ruie worker`.",
            True,
        )
    return f"Alive: {coordinator}. No worker holds an item.", False


def _processes(number: int) -> str:
    return "1 worker process" if number == 1 else f"{number:,} worker processes"
