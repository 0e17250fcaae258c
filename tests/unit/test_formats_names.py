"""Names of annotated files in any case, and readers that meet what they do not expect."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from ruie.annotations import load_corpus
from ruie.errors import AnnotationError, SchemaError
from ruie.formats import Format, collect, detect
from ruie.formats.writing import check_target

CONLL = b"OPEC\tB-ORG\ncut\tO\n"


@pytest.mark.parametrize("name", ["a.conll.gz", "a.CONLL.GZ", "a.Conll.gz", "a.BIO.GZ"])
def test_a_suffix_in_any_case(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(CONLL))
    reading = collect(tmp_path / name).check()
    assert (reading.format, len(reading.rows)) == (Format.CONLL, 1)


@pytest.mark.parametrize("name", ["a.JSONL", "a.JSONL.GZ"])
def test_jsonl_in_any_case(tmp_path: Path, name: str) -> None:
    raw = b'{"text": "OPEC cut.", "entities": []}\n'
    (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith("GZ") else raw)
    assert len(collect(tmp_path / name).check().rows) == 1
    check_target(tmp_path / f"b{name[1:]}", schema=False, overwrite=False)


@pytest.mark.parametrize(
    ("ann", "txt"), [("A.ANN", "A.TXT"), ("A.ann", "A.TXT"), ("A.ANN", "A.txt")]
)
def test_brat_in_any_case(tmp_path: Path, ann: str, txt: str) -> None:
    (tmp_path / ann).write_text("T1\tOrg 0 4\tOPEC\n")
    (tmp_path / txt).write_text("OPEC cut.\n")
    for named in (tmp_path, tmp_path / ann, tmp_path / txt):
        assert detect(named) is Format.BRAT
        assert [row.text for row in collect(named).check().rows] == ["OPEC cut."]


def test_a_reader_that_fails_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.conll").write_bytes(CONLL)

    def failing(*_: object) -> None:
        raise ZeroDivisionError("a mistake")

    monkeypatch.setattr("ruie.formats.reading.read_conll", failing)
    with pytest.raises(AnnotationError, match="cannot be read: ZeroDivisionError: a mistake"):
        collect(tmp_path / "a.conll")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("schema.json", r'{"dataset": "x", "task": "NER", "labels": ["A\ud800"]}'),
        ("schema.json", "[" * 100_000),
        ("schema.json", r'{"dataset": "x", "task": "EE", "labels": {"A\ud800": []}}'),
    ],
)
def test_a_schema_beside_the_rows_that_is_damaged(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    (tmp_path / "a.conll").write_bytes(CONLL)
    with pytest.raises(SchemaError):
        load_corpus(tmp_path / "a.conll")


def test_a_file_whose_name_is_no_utf_8(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path / "caf") + b"\xe9.conll"))
    path.write_bytes(CONLL)
    corpus = load_corpus(path)
    assert corpus.schema.name == r"caf\udce9"
    assert corpus.schema.digest
