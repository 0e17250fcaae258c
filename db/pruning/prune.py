"""Pruning a database: first what would go, then, if it is to, little by little.

Nothing is remembered between two runs: what has gone is not found again, so pruning that was killed
is continued by pruning again. A transaction takes some hundredths of a second, and as long a pause
follows: what workers write waits for no longer than that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from itertools import accumulate, takewhile
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, select

from ruie.db.engine import reading
from ruie.db.fold import folded_to
from ruie.db.models import attempts
from ruie.db.outage import Outage, retry_during_outage
from ruie.db.pruning.attempts import FailedCalls
from ruie.db.pruning.ended_jobs import EmptyJobs, Runs, Sources
from ruie.db.pruning.items import CancelledItems
from ruie.db.pruning.parts import Cutoff, Found, Kind, Part, row_bytes
from ruie.db.pruning.raw import Answers, FailedAnswers, QuarantinedPrompts
from ruie.db.pruning.records import SupersededRecords
from ruie.db.types import utcnow

T = TypeVar("T")

LEAST, MOST = 64, 2000
"""Rows that a transaction takes: at first, and even where it takes long, since its statements take
their time for one row too; and the most."""
LONG_S, SHORT_S = 0.1, 0.05
"""Where a transaction takes longer, the next has half as many rows; where it is shorter, twice."""
LONGEST_PAUSE_S = 2.0
PATIENCE_S = 600.0
"""How long the database may be away."""

Report = Callable[[Kind, Found], object]
"""Called with what was found, or has gone, since the last call."""


def cutoff(engine: Engine, age_s: float) -> Cutoff:
    """What is older than so many seconds, by the database's clock."""
    with reading(engine) as conn:
        before: datetime = conn.execute(select(utcnow(-age_s))).scalar_one()
        return Cutoff(before, folded_to(conn, attempts), row_bytes(conn))


def survey(
    engine: Engine, until: Cutoff, kinds: Sequence[Kind], report: Report
) -> dict[Kind, Found]:
    """What would go, and what stays; changes nothing."""
    found = {kind: Found() for kind in kinds}
    for part in _parts(kinds):
        for span in part.spans(engine):
            here = _read(engine, partial(part.find, cutoff=until, span=span))
            found[part.kind].add(here)
            report(part.kind, here)
    return found


def prune(
    engine: Engine, until: Cutoff, kinds: Sequence[Kind], report: Report
) -> dict[Kind, Found]:
    """Remove it; returns what has gone. Safe to repeat, and to run while a fleet works."""
    gone = {kind: Found() for kind in kinds}
    for part in _parts(kinds):
        size = LEAST
        for span in part.spans(engine):
            chosen = _read(engine, partial(part.choose, cutoff=until, span=span))
            while chosen:
                begun = time.monotonic()
                some = _first(part, chosen, size)
                removed = _write(engine, partial(part.remove, cutoff=until, chosen=some))
                took_s = time.monotonic() - begun
                chosen, size = chosen[len(some) :], _next_size(size, took_s)
                gone[part.kind].add(removed)
                report(part.kind, removed)
                time.sleep(min(took_s, LONGEST_PAUSE_S))
    return gone


def _read(engine: Engine, action: Callable[[Connection], T]) -> T:
    def transaction() -> T:
        with reading(engine) as conn:
            return action(conn)

    return retry_during_outage(transaction, _outage())


def _write(engine: Engine, action: Callable[[Connection], T]) -> T:
    def transaction() -> T:
        with engine.begin() as conn:
            return action(conn)

    return retry_during_outage(transaction, _outage())


def _outage() -> Outage:
    hint = "Prune again: what has gone stays gone, and the rest follows."
    return Outage(PATIENCE_S, longest_pause_s=15.0, hint=hint)


def _parts(kinds: Sequence[Kind]) -> list[Part]:
    """In the order in which they are pruned: what refers to others goes before them."""
    parts: tuple[Part, ...] = (
        FailedCalls(),
        Answers(),
        FailedAnswers(with_calls=Kind.ATTEMPTS in kinds),
        QuarantinedPrompts(),
        SupersededRecords(),
        CancelledItems(),
        Sources(),
        Runs(),
        EmptyJobs(),
    )
    return [part for part in parts if part.kind in kinds]


def _first(part: Part, chosen: Sequence[Any], size: int) -> Sequence[Any]:
    """The first of them, as many as have so many rows; one in any case."""
    rows = accumulate(map(part.weight, chosen))
    return chosen[: max(1, sum(1 for _ in takewhile(lambda so_far: so_far <= size, rows)))]


def _next_size(size: int, took_s: float) -> int:
    if took_s > LONG_S:
        return max(LEAST, size // 2)
    return min(MOST, 2 * size) if took_s < SHORT_S else size
