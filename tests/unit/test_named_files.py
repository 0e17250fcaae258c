"""A pipe that nobody writes to, a device and a file without end are refused wherever named."""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ruie import Schema, named_files
from ruie.annotations import load_corpus, load_schema
from ruie.errors import AnnotationError, RuieError, SchemaError, UsageError
from ruie.formats import Format
from ruie.llm import keys
from ruie.secret_settings import _text
from ruie.worker.cli.canonical import import_

ROW = '{"id": "1", "text": "OPEC met.", "entities": []}\n'
READERS: dict[str, Callable[[Path], object]] = {
    "schema": Schema.load,
    "described schema": load_schema,
    "rows": load_corpus,
    "names": lambda path: import_.callback and import_.callback(path),
    "key": lambda path: keys._from_file(str(path)),
    "setting": lambda path: _text("RUIE_DATABASE_URL_FILE", str(path)),
}


@pytest.mark.parametrize("kind", READERS)
def test_a_pipe_without_a_writer_is_refused(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(named_files, "WAIT_S", 0.05)
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    with pytest.raises((RuieError, ValueError), match="pipe"):
        READERS[kind](pipe)


@pytest.mark.parametrize("kind", READERS)
def test_a_device_is_refused(kind: str) -> None:
    with pytest.raises((RuieError, ValueError), match="device"):
        READERS[kind](Path("/dev/zero"))


def test_a_path_with_nul_is_no_file() -> None:
    with pytest.raises(SchemaError, match="There is no schema file"):
        Schema.load("a\0b")


def test_a_schema_is_read_from_a_shell_s_pipe() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"name: oil\nentities: [PLACE]\n")
    os.close(writing)
    assert Schema.load(f"/dev/fd/{reading}").name == "oil"
    os.close(reading)


def test_rows_of_a_pipe_are_read_whole_or_not_at_all() -> None:
    reading, writing = os.pipe()
    os.write(writing, 20 * ROW.encode())
    os.close(writing)
    with pytest.raises(AnnotationError, match="is a pipe, whose format is not known"):
        load_corpus(Path(f"/dev/fd/{reading}"))
    corpus = load_corpus(Path(f"/dev/fd/{reading}"), format=Format.JSONL)
    assert len(corpus.rows) == 20
    os.close(reading)


def test_rows_that_expand_without_end_are_refused(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.jsonl.gz"
    zeros = gzip.compress(bytes(1 << 20))
    bomb.write_bytes(100 * zeros)
    with pytest.raises(AnnotationError, match=r"it has more than|expands to more than"):
        load_corpus(bomb)


def test_a_cell_of_any_length_is_a_mistake_and_no_crash(tmp_path: Path) -> None:
    csv.field_size_limit(131_072)  # as it is where nothing else was read
    file = tmp_path / "names.csv"
    file.write_text(f"{'x' * 200_000},y\n")
    with pytest.raises(UsageError, match="field larger than field limit"):
        READERS["names"](file)


@pytest.mark.parametrize("entry", ['["A\\0B"]', '{A: "a\\0b"}'])
def test_names_that_no_database_holds_are_mistakes(entry: str) -> None:
    with pytest.raises(SchemaError, match=r"line 2: .* has NUL"):
        Schema.parse(f"name: x\nentities: {entry}")
