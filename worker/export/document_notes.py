"""What to know of a document before its records: what has no answer, who reviewed it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from ruie.db.record_pages import DocumentRecords
from ruie.records import Task

ERROR_CHARS = 200


def notes(document: DocumentRecords, tasks: Sequence[Task]) -> str:
    """A paragraph for each, or nothing. tasks: those of the schema."""
    return "".join(
        [
            *(f'<p class="note bad">{escape(line)}</p>' for line in _without(document, tasks)),
            *(f'<p class="note">{escape(line)}</p>' for line in _pruned(document)),
            *(f'<p class="note">{escape(line)}</p>' for line in _reviewed(document)),
        ]
    )


def _without(document: DocumentRecords, tasks: Sequence[Task]) -> Iterator[str]:
    """Tasks that were given up, and those that are not answered for another reason."""
    given_up: set[Task] = set()
    for one in document.given_up:
        given_up.add(Task.ED if one.task is Task.EAE else one.task)
        times = "1 attempt" if one.attempts == 1 else f"{one.attempts} attempts"
        error = " ".join(one.error.split())[:ERROR_CHARS]
        yield f"⚠ {one.task} given up after {times} ({one.error_class}): {error}"
    for task in tasks:
        if task not in document.answered and task not in given_up and not document.pruned:
            yield f"⚠ {task} is not answered"


def _pruned(document: DocumentRecords) -> Iterator[str]:
    if document.pruned:
        yield "Pruned: what was found in it is no longer kept"


def _reviewed(document: DocumentRecords) -> Iterator[str]:
    if document.review is not None:
        review = document.review
        by = f" by {review.reviewer}" if review.reviewer else ""
        yield (
            f"✓ Reviewed{by} on {review.created_at:%Y-%m-%d} ({', '.join(review.tasks)}):"
            " these records are the review's"
        )
