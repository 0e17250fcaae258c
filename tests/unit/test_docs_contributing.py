"""CONTRIBUTING.md, the records of decisions and the glossary: what they name is there."""

from __future__ import annotations

import datetime
import re
import shlex

import pytest
from support.commands import PYPROJECT, ROOT
from support.documents import DECISIONS, blocks, name_of, sections, table_rows, text_of

from ruie import __version__

CONTRIBUTING = text_of("CONTRIBUTING.md")
RECORDS = sorted(DECISIONS.parent.glob("0*.md"))
PYTEST = PYPROJECT["tool"]["pytest"]["ini_options"]


def command_lines() -> list[list[str]]:
    """The commands of all shell blocks, also of those inside a list."""
    text = re.sub(r"^ +", "", CONTRIBUTING, flags=re.MULTILINE)
    lines = [line for b in blocks(text) if b.language == "sh" for line in b.text.splitlines()]
    spans = re.findall(r"`((?:\.venv/|make |git )[^`]+)`", CONTRIBUTING)
    return [shlex.split(line) for line in (*lines, *spans)]


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^(\w+):", text_of("Makefile"), flags=re.MULTILINE))
    named = {words[1] for words in command_lines() if words[0] == "make"}
    assert {"test", "check", "lint", "types", "contracts", "dist"} <= named <= targets


def test_every_test_that_is_run_exists() -> None:
    runs = [words[1:] for words in command_lines() if words[0].endswith("/pytest")]
    assert len(runs) >= 7
    markers = {marker.partition(":")[0] for marker in PYTEST["markers"]}
    for words in runs:
        if "-m" in words:
            expression = words[words.index("-m") + 1]
            assert set(expression.split()) - {"and", "not"} <= markers
        for path, _, name in (w.partition("::") for w in words if w.startswith("tests/")):
            assert (ROOT / path).exists(), path
            assert not name or f"def {name}(" in text_of(path), name


def test_every_file_that_is_named_exists() -> None:
    for record in (ROOT / "CONTRIBUTING.md", *RECORDS):
        text = record.read_text(encoding="utf-8")
        for path in re.findall(r"`([\w./-]+(?:/|\.(?:py|md|toml|txt|lua)))`", text):
            assert (ROOT / path).exists(), f"{record.name}: {path}"


def test_every_folder_of_tests_is_described() -> None:
    rows = table_rows(sections(CONTRIBUTING)["Tests"])
    folders = {file.parent.relative_to(ROOT).parts[1] for file in ROOT.glob("tests/*/*.py")}
    assert {row[0].strip("`") for row in rows} == {f"tests/{name}/" for name in folders}


def test_the_hooks_run_what_the_gate_runs() -> None:
    hooks = re.findall(r"entry: make (\w+)$", text_of(".pre-commit-config.yaml"), re.MULTILINE)
    calls = re.findall(r"^make ([a-z ]+)", text_of(".ci/run"), re.MULTILINE)
    assert {"test", *hooks} == {target for call in calls for target in call.split()}


def test_the_version_has_its_section_in_the_changelog() -> None:
    assert re.search(rf"^## \[{re.escape(__version__)}\]", text_of("CHANGELOG.md"), re.MULTILINE)


# docs/decisions/


@pytest.mark.parametrize("number", range(1, len(RECORDS) + 1))
def test_a_record_has_its_number_its_date_and_its_parts(number: int) -> None:
    record = RECORDS[number - 1]
    assert record.name.startswith(f"{number:04}-")
    title, date, *_ = (line for line in record.read_text(encoding="utf-8").splitlines() if line)
    assert title.startswith(f"# {number}. ")
    datetime.date.fromisoformat(date)
    assert list(sections(text_of(name_of(record)))) == ["Context", "Decision", "Consequences"]
    assert f"- [{title.removeprefix('# ')}]({record.name})" in text_of(name_of(DECISIONS))


# docs/glossary.md


def test_the_terms_of_the_glossary_are_sorted_and_there_once() -> None:
    terms = [row[0] for row in table_rows(text_of("docs/glossary.md"))]
    assert terms == sorted(set(terms), key=str.lower)
