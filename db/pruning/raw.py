"""Raw outputs: those go that nothing needs any more; their rows stay.

An answer is found again by the key of its question, with its records, or by the key of its prompt,
and is then read anew from its raw output (db/kept_answers.py). Of equal prompts the oldest answer
is the one that is found: of the others, the raw output is not needed. The key of a prompt goes with
the raw output, so that no answer is found without one.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, Text, and_, cast, func, or_, select, update

from ruie.db.models import attempts, extractions, jobs, quarantine
from ruie.db.pruning.attempts import FailedCalls
from ruie.db.pruning.parts import JOB_ENDED, Cutoff, Found, IdRows, Kind, reasons
from ruie.db.sql import in_ids
from ruie.db.usage_columns import FROM_MODEL

_OLDER = extractions.alias("older")
_SAME_PROMPT = (
    select(_OLDER.c.id)
    .where(_OLDER.c.prompt_key == extractions.c.prompt_key, _OLDER.c.id < extractions.c.id)
    .exists()
)


class Answers(IdRows):
    """Of calls that were answered."""

    kind = Kind.RAW
    table = extractions
    what = "raw answers"

    def old(self, cutoff: Cutoff) -> ColumnElement[bool]:
        return and_(
            extractions.c.created_at < cutoff.before, extractions.c.raw_output != "", FROM_MODEL
        )

    def why_kept(self, cutoff: Cutoff) -> ColumnElement[str]:
        needed = and_(extractions.c.prompt_key.is_not(None), ~_SAME_PROMPT)
        return reasons((needed, "the same prompt is answered with them, unpaid"))

    def size(self, cutoff: Cutoff) -> ColumnElement[int]:
        return func.length(extractions.c.raw_output)

    def remove(self, conn: Connection, cutoff: Cutoff, chosen: Sequence[int]) -> Found:
        still = self.still(conn, cutoff, chosen)
        thinned = update(extractions).where(in_ids(conn, extractions.c.id, list(still)))
        conn.execute(thinned.values(raw_output="", prompt_key=None))
        return _gone(self.what, still)


class FailedAnswers(IdRows):
    """Of calls that failed. with_calls: those calls go that may, with their answers."""

    kind = Kind.RAW
    table = attempts
    what = "raw answers of failed calls"

    def __init__(self, *, with_calls: bool) -> None:
        self._with_calls = with_calls

    def old(self, cutoff: Cutoff) -> ColumnElement[bool]:
        old = and_(attempts.c.created_at < cutoff.before, attempts.c.raw_output.is_not(None))
        return and_(old, FailedCalls().why_kept(cutoff) != "") if self._with_calls else old

    def why_kept(self, cutoff: Cutoff) -> ColumnElement[str]:
        return reasons()

    def size(self, cutoff: Cutoff) -> ColumnElement[int]:
        return func.length(attempts.c.raw_output)

    def remove(self, conn: Connection, cutoff: Cutoff, chosen: Sequence[int]) -> Found:
        still = self.still(conn, cutoff, chosen)
        thinned = update(attempts).where(in_ids(conn, attempts.c.id, list(still)))
        conn.execute(thinned.values(raw_output=None))
        return _gone(self.what, still)


class QuarantinedPrompts(IdRows):
    """With the answers to them, which could not be used. The items stay in quarantine, and can be
    retried."""

    kind = Kind.RAW
    table = quarantine
    what = "prompts in quarantine"

    def old(self, cutoff: Cutoff) -> ColumnElement[bool]:
        kept = or_(quarantine.c.prompt.is_not(None), quarantine.c.raw_output.is_not(None))
        return and_(quarantine.c.created_at < cutoff.before, kept)

    def why_kept(self, cutoff: Cutoff) -> ColumnElement[str]:
        ended = select(jobs.c.id).where(jobs.c.id == quarantine.c.job_id, JOB_ENDED).exists()
        return reasons((~ended, "of jobs that are not over"))

    def size(self, cutoff: Cutoff) -> ColumnElement[int]:
        prompt = func.coalesce(func.length(cast(quarantine.c.prompt, Text)), 0)
        return prompt + func.coalesce(func.length(quarantine.c.raw_output), 0)

    def remove(self, conn: Connection, cutoff: Cutoff, chosen: Sequence[int]) -> Found:
        still = self.still(conn, cutoff, chosen)
        thinned = update(quarantine).where(in_ids(conn, quarantine.c.id, list(still)))
        conn.execute(thinned.values(prompt=None, raw_output=None))
        return _gone(self.what, still)


def _gone(what: str, sizes: dict[int, int]) -> Found:
    found = Found()
    found.going(what, len(sizes), sum(sizes.values()))
    return found
