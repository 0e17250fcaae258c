"""The coordinators and workers of the fleet, as the page of the fleet lists them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sqlalchemy import Connection

from ruie.db import processes
from ruie.db.holders import Holding, holdings
from ruie.db.jobs import Priority

SHOWN = 100
"""Worker processes that are listed: those that are silent first, then those that have work."""
CLASSES = {int(each): each.name.lower() for each in Priority}


@dataclass(frozen=True, slots=True)
class Listed:
    """seen: None of a process that has leases and has not said that it is there. leads: of a
    coordinator. odd: its version is not that of most. holdings: a worker's items, by job."""

    name: str
    seen: processes.Seen | None
    leads: bool = False
    odd: bool = False
    holdings: tuple[Holding, ...] = ()

    @property
    def shown(self) -> str:
        """Host and process id."""
        return self.name.rpartition(":")[0] or self.name

    @property
    def job_class(self) -> str:
        """Of the jobs whose batch it has."""
        priority = self.seen.doing.priority if self.seen else None
        return "" if priority is None else CLASSES.get(priority, str(priority))


@dataclass(frozen=True, slots=True)
class Processes:
    """workers: the first of them; others: how many more there are. hosts: that they run on. busy:
    how many have items. versions: how many processes have each, the most frequent first."""

    coordinators: tuple[Listed, ...]
    workers: tuple[Listed, ...]
    others: int
    hosts: int
    alive: int
    busy: int
    versions: tuple[tuple[str, int], ...]


def read_processes(conn: Connection, leader: str | None) -> Processes:
    """leader: the name of the coordinator that leads."""
    held: dict[str, list[Holding]] = {}
    for holding in holdings(conn):
        held.setdefault(holding.owner, []).append(holding)
    seen = processes.seen(conn)
    known = {each.identity.name for each in seen}
    versions = Counter(each.identity.version for each in seen if not each.silent).most_common()
    usual = versions[0][0] if versions else ""
    listed = [
        Listed(
            each.identity.name,
            each,
            each.identity.name == leader,
            each.identity.version != usual,
            tuple(held.get(each.identity.name, ())),
        )
        for each in seen
    ]
    coordinators = [each for each in listed if each.seen and _kind(each.seen) == "coordinator"]
    if leader and leader not in known:
        coordinators.insert(0, Listed(leader, None, leads=True))
    workers = [each for each in listed if each.seen and _kind(each.seen) == "worker"]
    workers += [Listed(name, None, holdings=tuple(held[name])) for name in held.keys() - known]
    return Processes(
        tuple(coordinators),
        tuple(sorted(workers, key=_by_interest)[:SHOWN]),
        max(0, len(workers) - SHOWN),
        len({each.seen.identity.host for each in workers if each.seen}),
        sum(1 for each in workers if not (each.seen and each.seen.silent)),
        len(held),
        tuple(versions),
    )


def _kind(seen: processes.Seen) -> processes.Kind:
    return seen.identity.kind


def _by_interest(listed: Listed) -> tuple[bool, bool, str, int]:
    seen = listed.seen
    place = (seen.identity.host, seen.identity.pid) if seen else (listed.name, 0)
    return (not (seen and seen.silent), not listed.holdings, *place)
