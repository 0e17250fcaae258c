"""The one door through which rows come from sources: names and ids that a database can index."""

from __future__ import annotations

from collections.abc import Iterator

from ruie.db.jobs import NewInputError
from ruie.db.queue import NewDocument
from ruie.lengths import LONGEST_BYTES, is_too_long, shortened, size_of
from ruie.worker.ingest.documents import EXCERPT_CHARS, DocumentOrError
from ruie.worker.ingest.sources.source import Source


def read_bounded(
    source: Source, start: int = 0, corpus: str | None = None
) -> Iterator[DocumentOrError]:
    """What a source has after its first `start` records. A source whose name is too long is one
    refusal, and none of it is read; a row whose id is too long, with the corpus' name, is one."""
    if is_too_long(source.name):
        reason = f"its name has {size_of(source.name)} bytes, more than {LONGEST_BYTES}"
        yield NewInputError(shortened(source.name), None, f"cannot be read: {reason}")
        return
    room = LONGEST_BYTES - size_of(corpus or "")
    for row in source.read(start):
        if isinstance(row, NewDocument) and is_too_long(row.external_id, room):
            yield _refusal(row, room, corpus)
        else:
            yield row


def _refusal(row: NewDocument, room: int, corpus: str | None) -> NewInputError:
    beside = " beside the name of its corpus" if corpus else ""
    reason = f"'id' has {size_of(row.external_id)} bytes, more than {room}{beside}"
    return NewInputError(row.source, row.line, reason, row.external_id[:EXCERPT_CHARS])
