"""Annotated rows and their schema as files of the project's own layout, written whole or not at
all."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import yaml

from ruie.errors import UsageError
from ruie.formats.detection import JSON_LINES
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

    Each file is written beside its place and then renamed; if anything fails before, there is no
    trace of it. Raises `UsageError` for a path that may not be written.
    """
    files: dict[Path, Iterable[str]] = {path: (f"{to_line(row)}\n" for row in rows)}
    if schema:
        files[schema_path(path)] = [schema_text(schema)]
    check_target(path, schema=schema is not None, overwrite=overwrite)
    try:
        with ExitStack() as stack:
            # renamed in the opposite order: where there are rows, there is their schema
            for file, pieces in files.items():
                stack.enter_context(_in_place_of(file, pieces))
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror or error}.", "Choose another --to."
        ) from None


def check_target(path: Path, *, schema: bool, overwrite: bool) -> None:
    """Raise `UsageError` unless rows, and a schema beside them, may be written."""
    if Path(path.name.removesuffix(".gz")).suffix not in JSON_LINES:
        raise UsageError(
            f"{path} is no name for JSONL.", "Write --to NAME.jsonl, or NAME.jsonl.gz for gzip."
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
    """All types and roles of several schemas, in their order; of two descriptions the first."""
    entities: dict[str, str] = {}
    relations: dict[str, str] = {}
    events: dict[str, dict[str, None]] = {}
    for schema in schemas:
        _add(entities, schema.entities)
        _add(relations, schema.relations)
        for event, roles in schema.events.items():
            events.setdefault(event, {}).update(dict.fromkeys(roles))
    return Schema(name, entities, relations, {event: tuple(r) for event, r in events.items()})


def distinct(rows: Iterable[AnnotatedRow]) -> Iterator[AnnotatedRow]:
    """The rows, each with an id of its own: one that comes again gets `-2`, `-3` and so on."""
    seen: set[str] = set()
    times: dict[str, int] = {}
    for row in rows:
        name = row.id
        while name in seen:
            times[row.id] = times.get(row.id, 1) + 1
            name = f"{row.id}-{times[row.id]}"
        seen.add(name)
        yield row if name == row.id else replace(row, id=name)


def _add(types: dict[str, str], more: Mapping[str, str]) -> None:
    for name, description in more.items():
        types[name] = types.get(name) or description


@contextmanager
def _in_place_of(path: Path, pieces: Iterable[str]) -> Iterator[None]:
    """Write the pieces beside `path`; they take its place if the block ends well."""
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        with partial.open("wb") as stream:
            if path.suffix == ".gz":
                # no name and no time in it: the same rows give the same bytes
                with gzip.GzipFile("", "wb", fileobj=stream, mtime=0) as packed:
                    packed.writelines(piece.encode() for piece in pieces)
            else:
                stream.writelines(piece.encode() for piece in pieces)
            stream.flush()
            os.fsync(stream.fileno())
        yield
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
