"""The README, the layouts of data, the architecture and the tables are those of the code."""

from __future__ import annotations

import ast
import inspect
import io
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from support.commands import ROOT
from support.documents import (
    DECISIONS,
    DOCUMENTS,
    blocks,
    name_of,
    sections,
    table_rows,
    tables_page,
    text_of,
)

from ruie import Extractor, Result
from ruie.annotations import read_rows
from ruie.db import migrate
from ruie.db.engine import open_engine
from ruie.db.jobs import NewInputError
from ruie.db.models import ITEM_STATES, JOB_STATES, metadata
from ruie.db.query import run_readonly
from ruie.db.queue import NewDocument
from ruie.db.views import VIEWS
from ruie.schema import Schema
from ruie.schema_file import KEYS
from ruie.worker.ingest.documents import read_jsonl, to_document
from ruie.worker.ingest.sources import find_sources
from ruie.worker.ingest.sources import read_sources as read_files
from ruie.worker.ingest.sources.find import SUFFIXES

# README.md


def test_the_readme_links_every_document() -> None:
    readme = text_of("README.md")
    for path in DOCUMENTS[1:]:
        if path.parent != DECISIONS.parent or path == DECISIONS:
            assert f"({name_of(path)})" in readme, name_of(path)


def test_the_two_commands_of_the_readme_are_targets_of_the_makefile() -> None:
    targets = re.findall(r"^(\w+):", text_of("Makefile"), flags=re.MULTILINE)
    said = set(re.findall(r"^`?make (\w+)", text_of("README.md"), flags=re.MULTILINE))
    assert {"demo", "test"} <= said <= set(targets)


def test_the_python_of_the_readme_fits_the_library() -> None:
    found = [block.text for block in blocks(text_of("README.md")) if block.language == "python"]
    assert found
    tree = ast.parse(found[0])
    assert len([line for line in found[0].splitlines() if line.strip()]) <= 10
    calls = {ast.unparse(n.func): n for n in ast.walk(tree) if isinstance(n, ast.Call)}
    for name, function in (
        ("Extractor.open", Extractor.open),
        ("extractor.extract", Extractor.extract),
        ("Schema.load", Schema.load),
    ):
        call = calls[name]
        before = [None] if name == "extractor.extract" else []
        named = {keyword.arg or "": None for keyword in call.keywords}
        inspect.signature(function).bind(*before, *call.args, **named)
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "result"
    }
    assert used
    assert used <= {field.name for field in fields(Result)}


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_schema_file_that_is_shown_can_be_read(path: Path) -> None:
    for block in blocks(path.read_text(encoding="utf-8")):
        if block.language == "yaml":
            source = re.sub(r"^demonstrations:.*$", "", block.text, flags=re.MULTILINE)
            assert Schema.parse(source).tasks


# docs/data.md


def data_blocks(title: str, language: str) -> list[str]:
    body = sections(text_of("docs/data.md"))[title]
    found = [block.text for block in blocks(body) if block.language == language]
    assert found, title
    return found


def test_the_documents_that_are_shown_are_taken() -> None:
    for shown_lines in data_blocks("Documents", "json"):
        read = list(read_jsonl(io.BytesIO(shown_lines.encode()), "news.jsonl", 1000))
        assert read
        assert all(isinstance(row, NewDocument) for row in read), read


def test_the_annotated_rows_that_are_shown_are_taken(tmp_path: Path) -> None:
    for shown_lines in data_blocks("Annotated rows", "json"):
        file = tmp_path / "gold.jsonl"
        file.write_text(shown_lines, encoding="utf-8")
        rows = list(read_rows(file))
        assert len(rows) == len(shown_lines.splitlines())
        assert all(row.gold for row in rows)


REFUSED: list[tuple[bytes, str]] = [
    (b"\n", "is empty"),
    (b'{"text": "\xff"}', "is not UTF-8 (byte 11)"),
    (b"{text}", "is not JSON ("),
    (b'{"text": NaN}', "is not JSON ("),
    (b"[1]", "is not a JSON object"),
    (b'{"id": 1}', "lacks 'text'"),
    (b'{"text": 1}', "'text' is not a string"),
    (b'{"text": " "}', "'text' is empty"),
    (b'{"text": "a", "id": [1]}', "'id' is neither a string nor a number"),
    (b'{"text": "a", "by": 1, "by": 2}', "repeats the key"),
    (b'{"text": "a", "x": ' + b"[" * 201 + b"]" * 201 + b"}", "is nested too deeply"),
    (b'{"text": "' + b"a" * 101 + b'"}', "has 101 characters, more than 100"),
    (b'{"text": "' + b"a" * 70_000 + b'"}', "has 70012 bytes, too many for 100 characters"),
]


@pytest.mark.parametrize(("line", "reason"), REFUSED, ids=[reason for _, reason in REFUSED])
def test_every_reason_is_listed(line: bytes, reason: str) -> None:
    (read,) = read_jsonl(io.BytesIO(line), "news.jsonl", 100)
    assert isinstance(read, NewInputError)
    assert read.reason.startswith(reason)
    assert general(reason) in listed_reasons()


def test_no_reason_is_listed_that_nothing_gives() -> None:
    # these are of a whole file, of other formats and of a whole job: test_sources_formats.py; of
    # links: test_sources_links.py
    others = {"cannot be read", "breaks off after record N", "is not CSV",
              "has N columns, the header N", "has a value that JSON has not",
              "has at least N characters, more than N", "repeats the id", "is not UTF-16",
              "is not E, which it declares", "declares an encoding", "is no text",
              "'id' has more than N digits",
              "has a number of more than N digits", "'id' has N bytes, more than N",
              "a link leads out of", "a link to a folder leads out of"}  # fmt: skip  # a list
    given = {general(reason) for _, reason in REFUSED} | others
    assert set(listed_reasons()) == given


def test_a_file_that_cannot_be_read_is_reported_and_not_raised(tmp_path: Path) -> None:
    (tmp_path / "gone.jsonl").touch()
    found = find_sources([tmp_path / "gone.jsonl"])
    (tmp_path / "gone.jsonl").unlink()
    (read,) = read_files(found)
    assert isinstance(read, NewInputError)
    assert general(read.reason) == "cannot be read"


def test_the_kinds_of_files_are_those_of_the_code(tmp_path: Path) -> None:
    kinds = re.findall(r"`(\.\w+)`", sections(text_of("docs/data.md"))["Documents"])
    assert set(kinds) == {*SUFFIXES, ".gz", ".zst", ".zip"}
    for kind in SUFFIXES:
        (tmp_path / f"a{kind}").touch()
    (tmp_path / "a.pdf").touch()
    assert len(find_sources([tmp_path])) == len(SUFFIXES)


def listed_reasons() -> list[str]:
    rows = table_rows(sections(text_of("docs/data.md"))["What is refused"])
    return [row[0].strip("`") for row in rows]


def general(reason: str) -> str:
    """A reason without what differs from line to line."""
    told = re.split(r" \(|: |(?<=id) '", reason)[0]
    return re.sub(r"(?<![-\d])\d+", "N", told)


def test_the_keys_of_a_schema_file_are_those_of_the_code() -> None:
    rows = table_rows(sections(text_of("docs/data.md"))["Schema files"])
    assert [row[0].strip("`") for row in rows] == list(KEYS)


def test_a_document_of_a_python_call_is_held_to_the_same_rules() -> None:
    row: dict[str, Any] = {"id": "1", "text": ""}
    assert isinstance(to_document(row, None, 1, 100), NewInputError)


# docs/architecture.md and docs/sql.md


def first_cells(name: str, title: str) -> list[str]:
    return [row[0].strip("`") for row in table_rows(sections(text_of(name))[title])]


def test_the_tables_and_views_are_those_of_the_code() -> None:
    assert sorted(first_cells("docs/architecture.md", "Tables")) == sorted(metadata.tables)
    assert sorted(first_cells("docs/architecture.md", "Views")) == sorted(VIEWS)


def test_the_states_are_those_of_the_code() -> None:
    for title, states in (("Jobs", JOB_STATES), ("Work items", ITEM_STATES)):
        assert first_cells("docs/architecture.md", title) == list(states)


def test_every_column_of_every_table_is_listed() -> None:
    every = sections(tables_page())
    for name, table in metadata.tables.items():
        listed = [row[0].strip("`") for row in table_rows(every[f"`{name}`"])]
        assert listed == [column.name for column in table.columns], name


def test_every_column_of_every_view_is_listed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ruie.db"
    engine = open_engine(url)
    migrate.upgrade(engine)
    engine.dispose()
    every = sections(tables_page())
    for name in VIEWS:
        listed = [row[0].strip("`") for row in table_rows(every[f"`{name}`"])]
        assert listed == list(run_readonly(url, f"SELECT * FROM {name}").columns), name
    titles = {title.strip("`") for title in every if title.startswith("`")}
    assert titles == {*metadata.tables, *VIEWS}


# docs/security.md


def test_every_promise_names_a_test_that_is_there() -> None:
    promises = table_rows(sections(text_of("docs/security.md"))["Promises"])
    assert len(promises) > 10
    for promise, held_by in promises:
        named = re.findall(r"`(tests/\w+/test_\w+\.py)`", held_by)
        assert named, promise
        assert all((ROOT / name).exists() for name in named), promise


def test_the_headings_that_others_lead_to_are_there() -> None:
    there = sections(text_of("docs/security.md"))
    assert {"Secrets", "TLS", "Deleting a document", "SQL by others", "Fuzzing"} <= set(there)
