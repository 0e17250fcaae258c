"""Answers that were paid for: by the key of their question, and by that of their prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select

from ruie.db.models import chunks, extractions


@dataclass(frozen=True, slots=True)
class PaidExtraction:
    """An extraction that exists: its key needs no further call."""

    id: int
    key: str
    chunk_id: int
    chunk_start: int
    event_id: int | None


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What was answered to a prompt. id: of the extraction."""

    id: int
    text: str
    finish_reason: str
    endpoint: str


_PAID = (
    select(
        extractions.c.id,
        extractions.c.key,
        extractions.c.chunk_id,
        chunks.c.char_start,
        extractions.c.event_id,
    )
    .join(chunks, chunks.c.id == extractions.c.chunk_id)
    .where(extractions.c.key.in_(bindparam("keys", expanding=True)))
    .order_by(extractions.c.id.desc())  # the oldest comes last and stays in the mapping
)
_KEPT = (
    select(
        extractions.c.id,
        extractions.c.prompt_key,
        extractions.c.raw_output,
        extractions.c.finish_reason,
        extractions.c.endpoint,
    )
    .where(extractions.c.prompt_key.in_(bindparam("keys", expanding=True)))
    .order_by(extractions.c.id.desc())  # as above
)


def find_paid(conn: Connection, keys: Sequence[str]) -> dict[str, PaidExtraction]:
    """The extractions that exist for these keys, in any job; the oldest of each."""
    if not keys:
        return {}
    return {
        row.key: PaidExtraction(row.id, row.key, row.chunk_id, row.char_start, row.event_id)
        for row in conn.execute(_PAID, {"keys": list(keys)})
    }


def find_kept(conn: Connection, prompt_keys: Sequence[str]) -> dict[str, KeptAnswer]:
    """What was answered to prompts with these keys, in any job; the oldest answer of each."""
    if not prompt_keys:
        return {}
    return {
        row.prompt_key: KeptAnswer(row.id, row.raw_output, row.finish_reason, row.endpoint)
        for row in conn.execute(_KEPT, {"keys": list(prompt_keys)})
    }
