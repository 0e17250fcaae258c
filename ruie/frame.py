"""Results as a pandas frame: a row for each span."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ruie.errors import UnavailableError
from ruie.records import Span
from ruie.result import Result

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("document", "record", "kind", "type", "role", "text", "start", "end", "grounding",
           "confidence", "failed_calls", "error")  # fmt: skip  # a list
_WHOLE = ("document", "record", "start", "end", "failed_calls")


def to_frame(results: Iterable[Result]) -> pd.DataFrame:
    """The spans of all records, a row each, and a row for each failed call.

    document: the number of the text, from 0. record: of its record, likewise; a relation has a row
    for its head and one for its tail, an event one for its trigger and one for each argument. kind:
    entity, relation, event (a trigger), argument, or failed. type: of an argument that of its
    event, of a failed call its task. role: head, tail, or the argument's. start, end: missing where
    the span is not in the text. confidence: of the record, or the argument. failed_calls: of the
    whole text; where it is not 0, records are missing. error: why the call
    failed. Raises `UnavailableError` where pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise UnavailableError("pandas is not installed.", "Run: pip install pandas") from None
    rows = [row for number, result in enumerate(results) for row in _rows(number, result)]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype(dict.fromkeys(_WHOLE, "Int64"))


def _rows(number: int, result: Result) -> Iterator[dict[str, Any]]:
    common = {"document": number, "failed_calls": len(result.errors)}
    record = 0

    def row(
        kind: str, type_: str, span: Span, confidence: float | None, role: str | None = None
    ) -> dict[str, Any]:
        start, end = (span.start, span.end) if span.grounded else (None, None)
        return {**common, "record": record, "kind": kind, "type": type_, "role": role,
                "text": span.text, "start": start, "end": end,
                "grounding": str(span.grounding), "confidence": confidence}  # fmt: skip  # a row

    for entity in result.entities:
        yield row("entity", entity.type, entity.span, entity.confidence)
        record += 1
    for relation in result.relations:
        yield row("relation", relation.type, relation.head, relation.confidence, "head")
        yield row("relation", relation.type, relation.tail, relation.confidence, "tail")
        record += 1
    for event in result.events:
        yield row("event", event.type, event.trigger, event.confidence)
        for argument in event.arguments:
            yield row("argument", event.type, argument.span, argument.confidence, argument.role)
        record += 1
    for task, error in result.failures():
        yield {**common, "kind": "failed", "type": task, "error": str(error)}
