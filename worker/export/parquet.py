"""Parquet: a folder with a file for each table, joined by `document_id` and `event_id`.

Flat tables rather than one nested file: every engine reads them, and `entities.parquet` can be
scanned without the texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ruie.db.record_pages import (
    PAGE,
    DocumentRecords,
    EntityRecord,
    EventRecord,
    RelationRecord,
    SpanRecord,
)
from ruie.worker.export.rows import Counts, RecordTable


def _offsets(part: str = "") -> list[tuple[str, Any]]:
    return [
        (f"{part}text", pa.string()),
        (f"{part}start", pa.int32()),
        (f"{part}end", pa.int32()),
        (f"{part}grounding", pa.string()),
    ]


_IDS = [("job_id", pa.string()), ("document_id", pa.int64())]
_MADE_BY = [("extraction_id", pa.int64()), ("model", pa.string()), ("source", pa.string()),
            ("confidence", pa.float64())]  # fmt: skip  # one list
TABLES: dict[str, Any] = {
    "documents": pa.schema(
        [*_IDS, ("external_id", pa.string()), ("digest", pa.string()), ("text", pa.string()),
         ("answered", pa.list_(pa.string()))]
    ),
    "entities": pa.schema(
        [*_IDS, ("entity_id", pa.int64()), ("type", pa.string()), *_offsets(), *_MADE_BY]
    ),
    "relations": pa.schema(
        [*_IDS, ("relation_id", pa.int64()), ("type", pa.string()), *_offsets("head_"),
         *_offsets("tail_"), *_MADE_BY]
    ),
    "events": pa.schema(
        [*_IDS, ("event_id", pa.int64()), ("type", pa.string()), *_offsets("trigger_"), *_MADE_BY]
    ),
    "event_arguments": pa.schema(
        [*_IDS, ("event_id", pa.int64()), ("role", pa.string()), *_offsets(),
         ("extraction_id", pa.int64()), ("confidence", pa.float64())]
    ),
}  # fmt: skip  # the columns of each table


def write_tables(
    folder: Path, documents: Iterable[DocumentRecords], job: str, counts: Counts
) -> None:
    """Write every table, a row group for each `PAGE` documents."""
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(
                pq.ParquetWriter(folder / f"{name}.parquet", schema, compression="zstd")
            )
            for name, schema in TABLES.items()
        }
        for page in _pages(documents, job):
            counts.documents += len(page["documents"])
            for name, schema in TABLES.items():
                if page[name]:
                    writers[name].write_table(pa.Table.from_pylist(page[name], schema=schema))


def record_table(documents: Iterable[DocumentRecords], job: str, name: RecordTable) -> Any:
    """One of the tables, a `pyarrow.Table`."""
    schema = TABLES[name]
    pages = _pages(documents, job)
    return pa.Table.from_batches(
        (pa.RecordBatch.from_pylist(page[name], schema=schema) for page in pages), schema
    )


def _pages(
    documents: Iterable[DocumentRecords], job: str
) -> Iterator[dict[str, list[dict[str, Any]]]]:
    """The rows of each table, for `PAGE` documents at a time."""
    remaining = iter(documents)
    while page := list(islice(remaining, PAGE)):
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
        for document in page:
            for name, row in _rows(document):
                rows[name].append({"job_id": job, "document_id": document.id, **row})
        yield rows


def _rows(document: DocumentRecords) -> Iterator[tuple[str, dict[str, Any]]]:
    yield (
        "documents",
        {
            "external_id": document.external_id,
            "digest": document.digest,
            "text": document.text,
            "answered": sorted(document.answered),
        },
    )
    for e in document.entities:
        row = {"entity_id": e.id, "type": e.type, **_span(e.span)}
        yield "entities", row | _made_by(e)
    for r in document.relations:
        row = {"relation_id": r.id, "type": r.type, **_span(r.head, "head_")}
        yield "relations", row | _span(r.tail, "tail_") | _made_by(r)
    for v in document.events:
        row = {"event_id": v.id, "type": v.type, **_span(v.trigger, "trigger_")}
        yield "events", row | _made_by(v)
        for a in v.arguments:
            row = {"event_id": v.id, "role": a.role, **_span(a.span)}
            yield (
                "event_arguments",
                {**row, "extraction_id": a.extraction, "confidence": a.confidence},
            )


def _made_by(record: EntityRecord | RelationRecord | EventRecord) -> dict[str, Any]:
    return {
        "extraction_id": record.extraction,
        "model": record.model or None,
        "source": record.source,
        "confidence": record.confidence,
    }


def _span(span: SpanRecord, part: str = "") -> dict[str, Any]:
    return {
        f"{part}text": span.text,
        f"{part}start": span.start,
        f"{part}end": span.end,
        f"{part}grounding": span.grounding,
    }
