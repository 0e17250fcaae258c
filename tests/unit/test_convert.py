"""`ruie convert`: what is written, how, and that nothing is half-written."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from ruie.annotations import load_corpus
from ruie.errors import AnnotationError, RuieError, SchemaError, UsageError
from ruie.formats import TOLERANCE, AnnotatedRow, Format
from ruie.formats.checks import label
from ruie.formats.row import RowError
from ruie.formats.writing import schema_text, union, with_unique_ids, write_corpus
from ruie.records import Task
from ruie.schema import Schema
from ruie.worker.cli.convert import FORMATS, convert
from ruie.worker.cli.options import share

CONLL = "OPEC B-ORG\ncut O\n\nIran B-PLACE\nsold O\n"
EVENTS = {
    "id": "1",
    "text": "Brent rose.",
    "events": [{"type": "Rise", "trigger": {"start": 6, "end": 10},
                "arguments": [{"role": "Item", "start": 0, "end": 5}]}],
}  # fmt: skip  # as in docs/data.md


@pytest.fixture
def sources(tmp_path: Path) -> list[str]:
    (tmp_path / "news.conll").write_text(CONLL)
    (tmp_path / "oil.jsonl").write_text(json.dumps(EVENTS))
    return [str(tmp_path / "news.conll"), str(tmp_path / "oil.jsonl")]


def run(*arguments: object) -> Any:
    return CliRunner().invoke(convert, [str(a) for a in arguments], catch_exceptions=True)


def test_rows_and_schema_are_written_and_read_back(sources: list[str], tmp_path: Path) -> None:
    output = tmp_path / "all.jsonl.gz"
    done = run(*sources, "--to", output)
    assert done.exit_code == 0, done.output
    corpus = load_corpus(output)
    assert corpus.schema == Schema("all", {"ORG": "", "PLACE": ""}, {}, {"Rise": ("Item",)})
    assert [(row.id, row.text) for row in corpus.rows] == [
        ("1", "OPEC cut"), ("4", "Iran sold"), ("1-2", "Brent rose."),
    ]  # fmt: skip  # one row each
    assert [list(row.gold) for row in corpus.rows] == [[Task.NER], [Task.NER], [Task.ED]]
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[1][1:] == ["conll", "2", "2", "0", "0", "0", "0"]
    assert lines[2][1:] == ["jsonl", "1", "0", "0", "1", "0", "0"]
    assert lines[3] == ["all", "3", "2", "0", "1", "0", "0"]
    assert str(output) in done.stdout


def test_for_programs(sources: list[str], tmp_path: Path) -> None:
    bad = tmp_path / "news.conll"
    bad.write_text("broken\n\n" + CONLL)
    done = run(*sources, "--to", tmp_path / "all.jsonl", "--tolerance", "50%", "--json")
    report = json.loads(done.stdout)
    assert (report["output"], report["schema"]) == (
        str(tmp_path / "all.jsonl"), str(tmp_path / "all.yaml"),
    )  # fmt: skip
    first = report["sources"][0]
    assert (first["rows"], first["left_out"]) == (2, 1)
    assert first["problems"][0]["place"] == {"file": str(bad), "line": 1, "part": ""}


def test_with_a_schema_none_is_written_and_its_types_hold(
    sources: list[str], tmp_path: Path
) -> None:
    schema = tmp_path / "mine.yaml"
    schema.write_text("name: mine\nentities: [ORG]\nevents: [Rise]\n")
    output = tmp_path / "all.jsonl"
    assert isinstance(run(*sources, "--to", output, "--schema", schema).exception, AnnotationError)
    done = run(*sources, "--to", output, "--schema", schema, "--tolerance", "0.5")
    assert done.exit_code == 0
    assert not (tmp_path / "all.yaml").exists()
    assert len(load_corpus(output, schema).rows) == 2  # PLACE is not in the schema


def test_the_options_of_the_formats(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("B-ORG x OPEC\n")
    columns = ("--token-column", 3, "--tag-column", 1)
    assert run(tmp_path / "a", "--to", tmp_path / "a.jsonl", *columns).exit_code == 0
    (tmp_path / "b.txt").write_text("OPEC met.\nIran came.")
    (tmp_path / "b.ann").write_text("T1\tORG 0 4\tOPEC\n")
    whole = ("--whole-documents", "--format", "brat")
    assert run(tmp_path / "b.ann", "--to", tmp_path / "b.jsonl", *whole).exit_code == 0
    assert [row.text for row in load_corpus(tmp_path / "b.jsonl").rows] == ["OPEC met.\nIran came."]


REFUSED = [
    ("out.conll", False, "is not a name for JSONL"),
    ("none/out.jsonl", False, "There is no folder"),
    ("there.jsonl", False, "there.jsonl exists"),
    ("beside.jsonl", False, "beside.yaml exists"),
    ("folder.jsonl", True, "folder.jsonl exists"),
]


@pytest.mark.parametrize(("name", "overwrite", "message"), REFUSED)
def test_what_may_not_be_written(
    sources: list[str], tmp_path: Path, name: str, overwrite: bool, message: str
) -> None:
    (tmp_path / "there.jsonl").write_text("kept")
    (tmp_path / "beside.yaml").write_text("name: kept")
    (tmp_path / "folder.jsonl").mkdir()
    before = {p: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()}
    done = run(*sources, "--to", tmp_path / name, *["--overwrite"] * overwrite)
    assert isinstance(done.exception, UsageError)
    assert message in str(done.exception)
    assert {p: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()} == before


def test_overwriting(sources: list[str], tmp_path: Path) -> None:
    output = tmp_path / "all.jsonl"
    assert run(*sources, "--to", output).exit_code == 0
    assert run(sources[0], "--to", output, "--overwrite").exit_code == 0
    assert len(load_corpus(output).rows) == 2
    assert load_corpus(output).schema.events == {}


def test_a_source_may_be_written_over(sources: list[str]) -> None:
    assert run(*sources, "--to", sources[1], "--overwrite").exit_code == 0
    assert len(load_corpus(Path(sources[1])).rows) == 3


def test_nothing_is_left_where_writing_fails(tmp_path: Path) -> None:
    output = tmp_path / "a.jsonl"
    output.write_text("kept")

    def failing() -> Any:
        yield AnnotatedRow("1", "a", {Task.NER: ()})
        raise AnnotationError("The rows end here.")

    with pytest.raises(AnnotationError, match="end here"):
        write_corpus(output, failing(), Schema("a", {"X": ""}), overwrite=True)
    assert output.read_text() == "kept"
    assert list(tmp_path.iterdir()) == [output]


def test_rows_without_annotations_make_no_schema(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("Nobody O\ncame O\n")
    done = run(tmp_path / "a.conll", "--to", tmp_path / "a.jsonl")
    assert isinstance(done.exception, AnnotationError)
    assert "--schema" in done.exception.hint


@pytest.mark.parametrize(
    ("written", "number"), [("5%", 0.05), ("5 %", 0.05), ("0.05", 0.05), ("0", 0), ("100%", 1)]
)
def test_a_share(written: str, number: float) -> None:
    assert share(click.Context(convert), convert.params[0], written) == pytest.approx(number)


@pytest.mark.parametrize("written", ["5", "-1%", "101%", "much", "", "%", "nan", "5%%x"])
def test_what_is_no_share(written: str, sources: list[str], tmp_path: Path) -> None:
    done = run(*sources, "--to", tmp_path / "a.jsonl", "--tolerance", written)
    assert done.exit_code == 2
    assert "is not a share" in done.stderr


def test_what_the_options_say_is_what_the_library_has() -> None:
    assert sorted(Format) == sorted(FORMATS)
    (option,) = [p for p in convert.params if p.name == "tolerance"]
    assert share(click.Context(convert), option, str(option.default)) == TOLERANCE


def test_problems_go_to_standard_error_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("broken\n\n" + CONLL)
    words = ["convert", "a.conll", "--to", "a.jsonl", "--tolerance"]
    script = [sys.executable, "-m", "ruie.worker.cli", *words]
    done = subprocess.run([*script, "40%"], cwd=tmp_path, capture_output=True, text=True)
    assert done.stderr.splitlines() == [
        "left out  a.conll, line 1: the line has 1 column, most lines have 2",
        "a.conll: 2 rows used, 1 left out, 0 repaired",
    ]
    done = subprocess.run([*script, "5%"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 2


LABELS = st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20
).map(lambda label: " ".join(label.split()).strip("; "))
TYPES = st.dictionaries(LABELS.filter(bool), st.just(""), max_size=4)


@given(
    TYPES, TYPES, st.dictionaries(LABELS.filter(bool), st.lists(LABELS.filter(bool), unique=True))
)
def test_any_schema_is_read_back(
    entities: dict[str, str], relations: dict[str, str], events: dict[str, list[str]]
) -> None:
    schema = Schema("s", entities, relations, {k: tuple(v) for k, v in events.items()})
    if schema.tasks:
        assert Schema.parse(schema_text(schema)) == schema


def test_descriptions_are_kept() -> None:
    schema = Schema("s", {"ORG": "", "PLACE": "towns: and countries"})
    assert Schema.parse(schema_text(schema)) == schema
    other = Schema("t", {"ORG": "companies", "PLACE": "x"}, events={"Rise": ("A",)})
    joined = union("u", [schema, other, Schema("v", events={"Rise": ("B", "A")})])
    assert joined == Schema(
        "u", {"ORG": "companies", "PLACE": "towns: and countries"}, {}, {"Rise": ("A", "B")}
    )


@given(st.lists(st.sampled_from(["1", "1-2", "1-3", "2"]), max_size=8))
def test_ids_are_distinct(names: list[str]) -> None:
    rows = [AnnotatedRow(name, "a", {Task.NER: ()}) for name in names]
    given_ = [row.id for row in with_unique_ids(rows)]
    assert len(set(given_)) == len(names)
    for name in set(names):
        assert given_[names.index(name)] == name or name in given_


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    rows = [AnnotatedRow("1", "Größe\u2028🛢", {Task.NER: ()})]
    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        write_corpus(tmp_path / name, rows, None)
    packed = (tmp_path / "a.jsonl.gz").read_bytes()
    assert packed == (tmp_path / "b.jsonl.gz").read_bytes()
    assert len(gzip.decompress(packed).splitlines()) == 1


def test_a_missing_source_is_one_sentence(tmp_path: Path) -> None:
    done = run(tmp_path / "none.jsonl", "--to", tmp_path / "a.jsonl")
    assert isinstance(done.exception, RuieError)
    assert "There is no file" in str(done.exception)


@pytest.mark.parametrize("name", ["A;", "; A", ";", "A\0B"])
def test_a_type_that_a_schema_may_not_have_is_left_out(name: str) -> None:
    with pytest.raises(RowError, match=r"begins or ends with ';'|has NUL"):
        label(name, "type")
    with pytest.raises(SchemaError, match=r"begins or ends with ';'|has NUL"):
        Schema.parse(schema_text(Schema("s", {name: ""})))
