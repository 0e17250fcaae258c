"""Writing annotated rows and their schema in the project's own layout."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import yaml

from ruie.errors import UsageError
from ruie.files import replacing
from ruie.formats.detection import JSON_LINES
from ruie.formats.files import gzipped
from ruie.formats.jsonl import to_line
from ruie.formats.row import AnnotatedRow
from ruie.schema import Schema


def schema_path(rows: Path) -> Path:
    """The schema file that belongs to a file of rows: `oil.yaml` for `oil.train.jsonl.gz`."""
    return rows.with_name(f"{rows.name.split('.')[0]}.yaml")


def write_corpus(
    path: Path, rows: Iterable[AnnotatedRow], schema: Schema | None, *, overwrite: bool = False
) -> None:
    """Write rows (`.jsonl`, or `.jsonl.gz` for gzip), and their schema beside them unless None.

    If anything fails, the files are as they were. Raises `UsageError` for a path that may not be
    written.
    """
    files: dict[Path, Iterable[str]] = {path: (f"{to_line(row)}\n" for row in rows)}
    if schema:
        files[schema_path(path)] = [schema_text(schema)]
    check_target(path, schema=schema is not None, overwrite=overwrite)
    try:
        with ExitStack() as stack:
            # renamed in the opposite order, so that rows never lie there without their schema
            for file, lines in files.items():
                partial = stack.enter_context(replacing(file))
                _write(partial, lines, compress=gzipped(file))
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror or error}.", "Choose another --to."
        ) from None


def check_target(path: Path, *, schema: bool, overwrite: bool) -> None:
    """Raise `UsageError` unless the file of rows, and the schema beside it, may be written."""
    if (Path(path.stem) if gzipped(path) else path).suffix.lower() not in JSON_LINES:
        raise UsageError(
            f"{path} is not a name for JSONL.", "Write --to NAME.jsonl, or NAME.jsonl.gz for gzip."
        )
    if not path.parent.is_dir():
        raise UsageError(f"There is no folder {path.parent}.", "Make it first.")
    for file in (path, schema_path(path)) if schema else (path,):
        if file.is_dir() or (file.exists() and not overwrite):
            raise UsageError(f"{file} exists.", "Choose another --to, or replace with --overwrite.")


def schema_text(schema: Schema) -> str:
    """A schema as the YAML that `Schema.load` reads."""
    body = {key: value for key, value in schema.body().items() if value}
    for key in ("entities", "relations"):
        if isinstance(types := body.get(key), dict) and not any(types.values()):
            body[key] = list(types)
    return yaml.safe_dump(body, allow_unicode=True, sort_keys=False, width=100)


def union(name: str, schemas: Iterable[Schema]) -> Schema:
    """All types and roles of several schemas, in their order, each with its first description."""
    entities: dict[str, str] = {}
    relations: dict[str, str] = {}
    events: dict[str, dict[str, None]] = {}
    for schema in schemas:
        _add(entities, schema.entities)
        _add(relations, schema.relations)
        for event, roles in schema.events.items():
            events.setdefault(event, {}).update(dict.fromkeys(roles))
    return Schema(name, entities, relations, {event: tuple(r) for event, r in events.items()})


def with_unique_ids(rows: Iterable[AnnotatedRow]) -> Iterator[AnnotatedRow]:
    """The rows with unique ids: one that occurs again gets `-2`, `-3` and so on."""
    seen: set[str] = set()
    counts: dict[str, int] = {}
    for row in rows:
        name = row.id
        while name in seen:
            counts[row.id] = counts.get(row.id, 1) + 1
            name = f"{row.id}-{counts[row.id]}"
        seen.add(name)
        yield row if name == row.id else replace(row, id=name)


def _add(types: dict[str, str], more: Mapping[str, str]) -> None:
    for name, description in more.items():
        types[name] = types.get(name) or description


def _write(path: Path, lines: Iterable[str], *, compress: bool) -> None:
    with path.open("wb") as stream:
        if compress:
            # without name and time: equal rows become equal bytes
            with gzip.GzipFile("", "wb", fileobj=stream, mtime=0) as compressed:
                compressed.writelines(line.encode() for line in lines)
        else:
            stream.writelines(line.encode() for line in lines)
