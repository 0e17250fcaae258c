"""Reading any format: which one it is, how much may be wrong, and what is reported about it."""

from __future__ import annotations

import gzip
import json
import logging
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruie.annotations import MAX_LOGGED, load_corpus, read_rows
from ruie.errors import RuieError
from ruie.formats import TOLERANCE, AnnotatedRow, Format, FormatOptions, detect, read
from ruie.formats.detection import SUFFIXES
from ruie.schema import Schema

OWN = '{"text": "OPEC cut.", "entities": [{"type": "ORG", "start": 0, "end": 4}]}\n'
THEIRS = '{"sentence": "OPEC cut.", "entities": [{"type": "ORG", "name": "OPEC"}]}\n'
COLUMNS = "# a corpus\n-DOCSTART- O\n\nOPEC B-ORG\ncut O\n"

BEGINNINGS = [
    ("a.jsonl", OWN, Format.JSONL),
    ("a.json", OWN, Format.JSONL),
    ("a", f"\ufeff\n {OWN}", Format.JSONL),
    ("a.ndjson", f"{{broken\n{OWN}", Format.JSONL),
    ("a.jsonl", f"[1]\n{OWN}", Format.JSONL),
    ("a.jsonl", "", Format.JSONL),
    ("a.jsonl", THEIRS, Format.INSTRUCTIONS),
    ("a.json", f"[{THEIRS}]", Format.INSTRUCTIONS),
    ("a.json", "[]", Format.INSTRUCTIONS),
    ("a.json", '[\n  {"id": 1}]', Format.INSTRUCTIONS),
    ("a.txt", COLUMNS, Format.CONLL),
    ("a.tsv", COLUMNS.replace(" ", "\t").replace("\n", "\r\n"), Format.CONLL),
    ("a", "[ O\nOPEC B-ORG\n", Format.CONLL),
    ("a.data", 'said O\n"text": O\nOPEC B-ORG\n', Format.CONLL),
    *((f"a{suffix}", "anything", form) for suffix, form in SUFFIXES.items()),
]


@pytest.mark.parametrize(("name", "content", "form"), BEGINNINGS)
def test_a_format_is_told_by_name_and_by_content(
    tmp_path: Path, name: str, content: str, form: Format
) -> None:
    (tmp_path / name).write_text(content)
    assert detect(tmp_path / name) is form
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content.encode()))
    if name != "a.ann":
        assert detect(tmp_path / f"{name}.gz") is form


def test_folders_and_texts_with_annotations_are_brats(tmp_path: Path) -> None:
    assert detect(tmp_path) is Format.BRAT
    (tmp_path / "a.txt").write_text("A text of no known format.")
    with pytest.raises(RuieError, match=r"a\.txt has no known format.*jsonl, conll"):
        detect(tmp_path / "a.txt")
    (tmp_path / "a.ann").touch()
    assert detect(tmp_path / "a.txt") is Format.BRAT


def test_the_tag_column_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("B-ORG 1 OPEC\nO 2 cut\n")
    with pytest.raises(RuieError, match="no known format"):
        detect(tmp_path / "a")
    (row,) = read(tmp_path / "a", options=FormatOptions(token_column=3, tag_column=1)).rows
    assert row.text == "OPEC cut"


def rows(right: int, wrong: int) -> str:
    return (
        OWN * right + '{"text": "a", "entities": [{"type": "X", "start": 5, "end": 9}]}\n' * wrong
    )


def test_the_share_that_may_be_wrong() -> None:
    assert TOLERANCE == 0.05


@pytest.mark.parametrize(
    ("right", "wrong", "tolerance", "enough"),
    [(95, 5, 0.05, True), (94, 6, 0.05, False), (19, 1, 0.05, True), (18, 1, 0.05, False),
     (71, 29, 0.29, True), (1, 9, 0.9, True), (100, 1, 0, False), (5, 0, 0, True),
     (0, 5, 1, False)],
)  # fmt: skip  # a table
def test_more_than_a_share_is_an_error(
    tmp_path: Path, right: int, wrong: int, tolerance: float, enough: bool
) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(rows(right, wrong))
    if enough:
        reading = read(file, tolerance=tolerance)
        assert (len(reading.rows), reading.left_out) == (right, wrong)
        return
    with pytest.raises(RuieError) as caught:
        read(file, tolerance=tolerance)
    counts = f"; {wrong} of {right + wrong} rows {'is' if wrong == 1 else 'are'} wrong"
    assert caught.value.message.startswith(f"{file}, line {right + 1}: offsets 5:9 are outside")
    assert counts in caught.value.message


@pytest.mark.parametrize("name", ["a.jsonl", "a.conll", "a.jsonl.gz"])
@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_an_empty_file_is_an_error(tmp_path: Path, name: str, content: bytes) -> None:
    packed = gzip.compress(content) if name.endswith(".gz") else content
    (tmp_path / name).write_bytes(packed)
    with pytest.raises(RuieError, match="is empty: it has no annotated row"):
        read(tmp_path / name)


EVENT = {
    "text": "OPEC cut.",
    "entities": [{"type": "ORG", "start": 0, "end": 4}],
    "relations": [{"type": "r", "head": {"start": 0, "end": 4}, "tail": {"start": 5, "end": 8}}],
    "events": [{"type": "Cut", "trigger": {"start": 5, "end": 8},
                "arguments": [{"role": "Who", "start": 0, "end": 4}]}],
}  # fmt: skip  # as in docs/data.md


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (Schema("s", {"ORG": ""}, {"r": ""}, {"Cut": ("Who",)}), ""),
        (Schema("s", {"ORG": ""}), ""),  # the schema has no relations and events
        (Schema("s", events={"Cut": ()}), ""),  # nor are its roles
        (Schema("s", {"PLACE": ""}), "the type 'ORG' (NER) is not in the schema s"),
        (Schema("s", {}, {"owns": ""}), "the type 'r' (RE) is not in the schema s"),
        (Schema("s", events={"Rise": ()}), "the type 'Cut' (ED) is not in the schema s"),
        (Schema("s", events={"Cut": ("What",)}), "the role 'Who' of 'Cut' is not in the schema s"),
    ],
)
def test_labels_that_a_schema_lacks_are_reported(
    tmp_path: Path, schema: Schema, message: str
) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"text": "Nobody came.", "entities": []}\n' + json.dumps(EVENT) + "\n")
    reading = read(file, schema=schema, tolerance=0.5)
    assert [str(problem) for problem in reading.problems] == (
        [f"{file}, line 2: {message}"] * bool(message)
    )


def test_problems_are_told_few_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(rows(300, 12))
    assert len(load_corpus(file).problems) == 12
    messages = [record.getMessage() for record in caplog.records]
    assert messages[0] == f"left out  {file}, line 301: offsets 5:9 are outside the text"
    assert messages[-1] == f"{file}: 300 rows used, 12 left out, 0 repaired"
    assert len(messages) == MAX_LOGGED + 1
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    assert len(list(read_rows(file))) == 300


def test_nothing_is_said_where_nothing_is_wrong(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.jsonl").write_text(OWN)
    assert load_corpus(tmp_path / "a.jsonl").problems == ()
    assert not caplog.records


def test_where_too_much_is_wrong_the_next_mistakes_are_told_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.jsonl").write_text(rows(1, 3))
    with pytest.raises(RuieError, match="line 2"):
        load_corpus(tmp_path / "a.jsonl")
    messages = [record.getMessage() for record in caplog.records]
    assert ["line 3" in messages[0], "line 4" in messages[1], len(messages)] == [True, True, 2]


@pytest.mark.parametrize("form", [f for f in Format if f is not Format.DOCBIN])
@given(content=st.binary(max_size=120))
def test_any_bytes_give_rows_or_one_sentence(form: Format, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.ann"
        file.write_bytes(content)
        file.with_suffix(".txt").write_bytes(content)
        with suppress(RuieError):
            found = read(file, form, tolerance=1)
            assert all(isinstance(row, AnnotatedRow) for row in found.rows)
