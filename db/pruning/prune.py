"""Pruning a database: first what would go, then, if it is to, little by little.

Nothing is remembered between two runs: what has gone is not found again, so pruning that was killed
is continued by pruning again. A transaction takes about a tenth of a second, and as long a pause
follows: what workers write waits for no longer than that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import Engine, select

from ruie.db.engine import reading
from ruie.db.fold import folded_to
from ruie.db.models import attempts
from ruie.db.pruning.attempts import FailedCalls
from ruie.db.pruning.ended_jobs import EmptyJobs, Runs, Sources
from ruie.db.pruning.items import CancelledItems
from ruie.db.pruning.parts import Cutoff, Found, Kind, Part
from ruie.db.pruning.raw import Answers, FailedAnswers, QuarantinedPrompts
from ruie.db.pruning.records import SupersededRecords
from ruie.db.types import utcnow

MOST = 500
"""Rows that one transaction takes at most, and at first."""
LONG_S, SHORT_S = 0.1, 0.03
"""Where a transaction takes longer, the next has half as many rows; where it is shorter, twice."""
LONGEST_PAUSE_S = 2.0

Report = Callable[[Kind, Found], object]
"""Called with what has gone since the last call."""


def cutoff(engine: Engine, age_s: float) -> Cutoff:
    """What is older than so many seconds, by the database's clock."""
    with reading(engine) as conn:
        before: datetime = conn.execute(select(utcnow(-age_s))).scalar_one()
        return Cutoff(before, folded_to(conn, attempts))


def survey(
    engine: Engine, until: Cutoff, kinds: Sequence[Kind], report: Callable[[Kind], object]
) -> dict[Kind, Found]:
    """What would go, and what stays; changes nothing."""
    found = {kind: Found() for kind in kinds}
    for part in _parts(kinds):
        for span in part.spans(engine):
            with reading(engine) as conn:
                found[part.kind].add(part.find(conn, until, span))
            report(part.kind)
    return found


def prune(
    engine: Engine, until: Cutoff, kinds: Sequence[Kind], report: Report
) -> dict[Kind, Found]:
    """Remove it; returns what has gone. Safe to repeat, and to run while a fleet works."""
    gone = {kind: Found() for kind in kinds}
    for part in _parts(kinds):
        size = MOST
        for span in part.spans(engine):
            with reading(engine) as conn:
                chosen = part.choose(conn, until, span)
            done = 0
            while done < len(chosen):
                begun = time.monotonic()
                with engine.begin() as conn:
                    removed = part.remove(conn, until, chosen[done : done + size])
                took = time.monotonic() - begun
                done += size
                size = _next_size(size, took)
                gone[part.kind].add(removed)
                report(part.kind, removed)
                time.sleep(min(took, LONGEST_PAUSE_S))
    return gone


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


def _next_size(size: int, took_s: float) -> int:
    if took_s > LONG_S:
        return max(1, size // 2)
    return min(MOST, 2 * size) if took_s < SHORT_S else size
