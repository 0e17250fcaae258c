"""docs/data.md on other formats: what it names is what the code has, what it shows can be read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.commands import PYPROJECT, parse
from support.documents import blocks, sections, table_rows, text_of

from ruie.annotations import load_corpus
from ruie.formats import TOLERANCE, Format, read
from ruie.formats.detection import SUFFIXES
from ruie.records import Task

SECTIONS = sections(text_of("docs/data.md"))


def example(title: str, language: str = "text") -> str:
    (found,) = [block.text for block in blocks(SECTIONS[title]) if block.language == language]
    return found


def test_the_formats_are_those_of_the_code() -> None:
    assert [row[0].strip("`") for row in table_rows(SECTIONS["Other formats"])] == list(Format)


def test_the_suffixes_are_those_of_the_code() -> None:
    _, detection = SECTIONS["Other formats"].split("detected by the file's name")
    suffixes = re.findall(r"`(\.\w+)`", detection)
    assert set(suffixes) - {".txt", ".gz"} == set(SUFFIXES)


def test_the_tolerance_is_that_of_the_code() -> None:
    assert f"more than {100 * TOLERANCE:g} %" in SECTIONS["Mistakes in annotated rows"]


def test_the_extra_is_that_of_the_project() -> None:
    assert 'pip install "ruie[spacy]"' in SECTIONS["spaCy DocBin"]
    assert "spacy" in PYPROJECT["project"]["optional-dependencies"]


def test_the_columns_that_are_shown(tmp_path: Path) -> None:
    (tmp_path / "oil.txt").write_text(example("CoNLL columns"))
    reading = read(tmp_path / "oil.txt")
    (row,) = reading.rows
    assert reading.format is Format.CONLL
    assert [i.spans[0].text for i in row.gold[Task.NER]] == ["OPEC", "Saudi Arabia"]


def test_the_standoff_that_is_shown(tmp_path: Path) -> None:
    (tmp_path / "oil.ann").write_text(example("brat"))
    (tmp_path / "oil.txt").write_text("OPEC cut output.")
    reading = read(tmp_path)
    assert reading.problems == ()
    (row,) = reading.rows
    assert [len(items) for items in row.gold.values()] == [2, 1, 1]
    assert [argument.type for argument in row.arguments[0]] == ["Who", "What"]


def test_the_instructions_that_are_shown(tmp_path: Path) -> None:
    (tmp_path / "oil.json").write_text(example("IE INSTRUCTIONS", "json"))
    reading = read(tmp_path / "oil.json")
    assert reading.problems == ()
    assert [len(items) for items in reading.rows[0].gold.values()] == [1, 1, 1]


def test_the_messages_that_are_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "oil.conll"
    file.write_text("OPEC B-ORG\n\n" * 405 + "cut\n" + "\nOPEC B-ORG\n" * 2005)
    load_corpus(file)
    told = [record.getMessage().replace(f"{tmp_path}/", "") for record in caplog.records]
    shown = example("Mistakes in annotated rows").splitlines()
    assert told == shown


@pytest.mark.parametrize(
    "words",
    ["evaluate FOLDER", "bundle build --encoder e --demonstrations FOLDER --output o",
     "convert FOLDER --to a.jsonl"],
)  # fmt: skip  # one command a line
def test_a_folder_is_taken_wherever_rows_are(tmp_path: Path, words: str) -> None:
    assert parse(words.replace("FOLDER", str(tmp_path)).split())
