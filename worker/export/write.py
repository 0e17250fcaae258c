"""Writing a job in one of the formats: to a temporary name, then renamed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TextIO

from sqlalchemy import Engine

from ruie.db.jobs import Job
from ruie.db.record_order import documents_in_source_order
from ruie.db.record_pages import DocumentRecords, document_records
from ruie.errors import UsageError
from ruie.files import replacing
from ruie.formats.writing import schema_path, schema_text
from ruie.schema import Schema
from ruie.worker.export.confident import confident
from ruie.worker.export.rows import Counts, to_line

Form = Literal["jsonl", "parquet", "brat", "html"]
FOLDERS = ("parquet", "brat")
PAGE_DOCUMENTS = 500
"""The default limit of a page: browsers scroll one of so many easily."""


def default_path(job: str, form: Form) -> Path:
    """The path of an export if none is given."""
    return Path(f"{job}-{form}" if form in FOLDERS else f"{job}.{form}")


def export(
    engine: Engine,
    job: Job,
    form: Form,
    path: Path,
    *,
    limit: int | None = None,
    document: int | None = None,
    overwrite: bool = False,
    unanswered: bool = False,
    min_confidence: float | None = None,
) -> Counts:
    """Write the records of `job`. limit: of documents; None: all, or `PAGE_DOCUMENTS` for a page.
    unanswered: as JSONL, also the documents without an answer; the other formats have them anyway.
    min_confidence: without the records of the model that are less confident (`confident`).
    Raises `UsageError` for a path that may not be written; an export that fails leaves nothing."""
    check(path, form, overwrite=overwrite)
    counts = Counts()
    try:
        with replacing(path) as partial:
            if form == "html":
                at_most = PAGE_DOCUMENTS if limit is None else limit
                read = documents_in_source_order(engine, job.id, limit=at_most, document=document)
                documents = confident(read, min_confidence, counts)
                _page(documents, job, partial, at_most, counts, min_confidence)
                return counts
            read = document_records(engine, job.id, limit=limit, document=document)
            documents = confident(read, min_confidence, counts)
            if form == "jsonl":
                with partial.open("w", encoding="utf-8", newline="\n") as stream:
                    write_lines(stream, documents, job, counts, unanswered=unanswered)
            else:
                partial.mkdir()
                _folder(partial, form, documents, job.id, counts)
        if form == "jsonl":
            _write_schema(path, schema_text(Schema.from_body(job.schema_body)))
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror or error}.", "Choose another --output."
        ) from None
    return counts


def export_template(
    engine: Engine, job: Job, documents: Sequence[int], path: Path, *, overwrite: bool = False
) -> None:
    """Write some documents, in this order, for a person to annotate: with the model's records, and
    null for each task without an answer. Raises as `export`."""
    check(path, "jsonl", overwrite=overwrite)
    read = (document_records(engine, job.id, document=number) for number in documents)
    try:
        with (
            replacing(path) as partial,
            partial.open("w", encoding="utf-8", newline="\n") as stream,
        ):
            write_lines(stream, chain.from_iterable(read), job, Counts(), unanswered=True)
        _write_schema(path, schema_text(Schema.from_body(job.schema_body)))
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror or error}.", "Choose another --output."
        ) from None


def write_lines(
    stream: TextIO,
    documents: Iterable[DocumentRecords],
    job: Job,
    counts: Counts,
    *,
    unanswered: bool = False,
) -> None:
    """Write JSONL, each line as soon as its document is read. unanswered: null for what the job has
    no answer to."""
    tasks = Schema.from_body(job.schema_body).tasks if unanswered else ()
    for document in documents:
        if line := to_line(document, job.id, counts, tasks):
            stream.write(f"{line}\n")


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]], schema: str) -> None:
    """Write gold rows as JSONL, and their schema (YAML) beside them."""
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
    _write_schema(path, schema)


def _write_schema(rows: Path, schema: str) -> None:
    with replacing(schema_path(rows)) as partial:
        partial.write_text(schema, encoding="utf-8")


def _folder(
    folder: Path, form: Form, documents: Iterable[DocumentRecords], job: str, counts: Counts
) -> None:
    if form == "parquet":
        from ruie.worker.export.parquet import write_tables

        write_tables(folder, documents, job, counts)
        return
    from ruie.worker.export.standoff import write_document

    for document in documents:
        write_document(folder, document, counts)


def _page(
    documents: Iterable[DocumentRecords],
    job: Job,
    path: Path,
    at_most: int,
    counts: Counts,
    least: float | None,
) -> None:
    from ruie.worker.export import page

    more = f"This page has at most {at_most:,} documents of the job (--limit)."
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        title = f"{job.name} · {job.id}" if job.name else job.id
        schema = Schema.from_body(job.schema_body)
        stream.writelines(page.page(documents, schema, title, more, counts, least))


def check(path: Path, form: Form, *, overwrite: bool) -> None:
    """Raise `UsageError` unless the export may be written to `path`."""
    if not path.absolute().parent.is_dir():
        raise UsageError(f"There is no folder {path.parent}.", "Create it first.")
    for file in (path, schema_path(path)) if form == "jsonl" else (path,):
        if file.exists() and not overwrite:
            raise UsageError(
                f"{file} exists.", "Choose another --output, or replace it with --overwrite."
            )
    if path.exists() and path.is_dir() != (form in FOLDERS):
        raise UsageError(
            f"{path} is not a {'folder' if form in FOLDERS else 'file'}.",
            "Choose another --output.",
        )
    if path.is_dir() and any(path.iterdir()) and not _ours(path, form):
        raise UsageError(f"{path} holds other files.", "Choose another --output.")


def _ours(folder: Path, form: Form) -> bool:
    """Whether a folder holds only an export: no other folder is ever replaced."""
    suffixes = (".parquet",) if form == "parquet" else (".ann", ".txt")
    return all(file.suffix in suffixes for file in folder.rglob("*") if file.is_file())
