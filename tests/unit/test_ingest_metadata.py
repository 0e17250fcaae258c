"""Metadata and ids of every source pass one door, and then both databases hold them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ruie.db.jobs import NewInputError
from ruie.db.queue import NewDocument
from ruie.errors import UsageError
from ruie.worker.ingest.documents import DocumentOrError, read_jsonl
from ruie.worker.ingest.sources import find_sources
from ruie.worker.ingest.sources.row_source import RowSource


def of_line(line: str) -> DocumentOrError:
    (row,) = read_jsonl(io.BytesIO(line.encode()), "in.jsonl", 1000)
    return row


def of_rows(rows: Any) -> list[DocumentOrError]:
    return list(RowSource(rows, 1000).read())


def of_table(folder: Path, **columns: Any) -> list[DocumentOrError]:
    pq.write_table(pa.table(columns), folder / "a.parquet")
    (source,) = find_sources([folder / "a.parquet"])
    found = list(source.read())
    assert not source.unreadable
    return found


KEPT: dict[str, tuple[str, dict[str, Any]]] = {
    "NUL": (r'"author": "Bob\u0000"', {"author": "Bob\ufffd"}),
    "half a pair": (r'"author": "\ud83d"', {"author": "\ufffd"}),
    "in a key": (r'"a\u0000": 1', {"a\ufffd": 1}),
    "deep inside": (r'"a": [{"b\ud83d": ["\u0000"]}]', {"a": [{"b\ufffd": ["\ufffd"]}]}),
    "too large": ('"score": 1e999', {"score": None}),
    "too large, inside": ('"s": [-1e999, 1]', {"s": [None, 1]}),
    "a huge whole number": (f'"n": {"9" * 4300}', {"n": int("9" * 4300)}),
    "types": ('"a": true, "b": null, "c": 1.5', {"a": True, "b": None, "c": 1.5}),
}


@pytest.mark.parametrize(("pairs", "metadata"), KEPT.values(), ids=list(KEPT))
def test_metadata_is_what_a_database_holds(pairs: str, metadata: dict[str, Any]) -> None:
    row = of_line(f'{{"text": "Gas.", {pairs}}}')
    assert isinstance(row, NewDocument)
    assert row.metadata == metadata
    json.dumps(row.metadata, allow_nan=False, ensure_ascii=False).encode()


REFUSED = {
    "a key twice": ('"a": 1, "a": 2', "repeats the key 'a'"),
    "the text twice": ('"text": "Oil."', "repeats the key 'text'"),
    "a key twice, inside": ('"x": [{"a": 1, "a": 1}]', "repeats the key 'a'"),
    "keys that become one": (r'"a\u0000": 1, "a\ud83d": 2', "repeats the key 'a\ufffd'"),
    "too deep": ('"x": ' + "[" * 201 + "]" * 201, "is nested too deeply (more than 200 levels)"),
    "NaN": ('"score": NaN', "is not JSON (NaN is no JSON number"),
    "true": ('"id": true', "'id' is neither a string nor a number"),
    "false": ('"id": false', "'id' is neither a string nor a number"),
    "a list": ('"id": []', "'id' is neither a string nor a number"),
}


@pytest.mark.parametrize(("pairs", "reason"), REFUSED.values(), ids=list(REFUSED))
def test_what_has_no_one_meaning_is_refused(pairs: str, reason: str) -> None:
    row = of_line(f'{{"text": "Gas.", {pairs}}}')
    assert isinstance(row, NewInputError)
    assert row.reason.startswith(reason)


@pytest.mark.parametrize(
    ("written", "id_"),
    [
        ("1", "1"),
        ("1.0", "1"),
        ("2.5", "2.5"),
        ("-0.0", "0"),
        ("1e3", "1000"),
        ("1e300", "1e+300"),
        ("9007199254740993", "9007199254740993"),
        ('"1.0"', "1.0"),
        ("null", "in.jsonl:1"),
        ("1e999", "in.jsonl:1"),
    ],
)
def test_an_id_is_written_in_one_way(written: str, id_: str) -> None:
    row = of_line(f'{{"text": "Gas.", "id": {written}}}')
    assert isinstance(row, NewDocument)
    assert row.external_id == id_


UUID_ = UUID("12345678-1234-5678-1234-567812345678")


def ids(rows: list[DocumentOrError]) -> list[str]:
    return [row.external_id for row in rows if isinstance(row, NewDocument)]


def test_typed_ids_of_parquet(tmp_path: Path) -> None:
    text = ["a", "b", "c"]
    place = str(tmp_path / "a.parquet")
    assert ids(of_table(tmp_path, text=text, id=[1.0, 2.5, None])) == ["1", "2.5", f"{place}:3"]
    days = [date(2026, 3, day) for day in (1, 2, 3)]
    assert ids(of_table(tmp_path, text=text, id=days)) == ["2026-03-01", "2026-03-02", "2026-03-03"]
    numbers = [Decimal("12345678901234567890.5"), Decimal("7.0"), Decimal("0.1")]
    assert ids(of_table(tmp_path, text=text, id=numbers)) == ["12345678901234567890.5", "7", "0.1"]
    times = [datetime(2026, 3, 1, 12, minute) for minute in (1, 2, 3)]
    assert ids(of_table(tmp_path, text=text, id=times))[0] == "2026-03-01T12:01:00"
    uuids = pa.array([UUID_.bytes] * 1, pa.uuid())
    assert ids(of_table(tmp_path, text=["a"], id=uuids)) == [str(UUID_)]
    refused = of_table(tmp_path, text=["a"], id=[True])
    assert not ids(refused)


def test_typed_ids_of_frames_and_programs() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"text": ["a", "b", "c"], "id": [1.0, 2.0, None]})
    assert ids(of_rows(frame)) == ["1", "2", "row:3"]
    rows = [{"text": "a", "id": UUID_}, {"text": "b", "id": date(2026, 3, 2)}]
    assert ids(of_rows(rows)) == [str(UUID_), "2026-03-02"]


def test_a_row_of_a_program_costs_no_other() -> None:
    class Hostile:
        def tolist(self) -> None:
            raise ZeroDivisionError("never")

    circle: list[Any] = []
    circle.append(circle)
    bad: list[dict[str, Any]] = [
        {"text": "a", "x": Hostile()},
        {"text": "a", "x": circle},
        {"text": "a", "x": {1: "a", "1": "b"}},
        {"text": "a", "x": 10**5000},
        {"text": "a", "id": 10**5000},
        {"text": "a", "x": Decimal("1e999999"), "y": {1, 2}},
    ]
    *refused, last = of_rows([*bad, {"text": "good", "n": Decimal("1e999999"), 1: "x"}])
    assert all(isinstance(row, NewInputError) for row in refused)
    assert len(refused) == len(bad)
    assert isinstance(last, NewDocument)
    assert last.metadata == {"n": None, "1": "x"}


def test_metadata_of_csv_and_parquet(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"text,by\nGas.,Bob\0\n")
    (source,) = find_sources([tmp_path / "a.csv"])
    (row,) = source.read()
    assert isinstance(row, NewDocument)
    assert row.metadata == {"by": "Bob\ufffd"}
    (row,) = of_table(tmp_path, text=["Gas."], by=["Bob\0"], x=[float("inf")], y=[float("nan")])
    assert isinstance(row, NewDocument)
    assert row.metadata == {"by": "Bob\ufffd", "x": None, "y": None}


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    table = pa.table([["a"], [1], [2]], names=["text", "n", "n"])
    pq.write_table(table, tmp_path / "a.parquet")
    (source,) = find_sources([tmp_path / "a.parquet"])
    (error,) = source.read()
    assert isinstance(error, NewInputError)
    assert error.reason == "cannot be read: it has two columns 'n'"
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame([["a", 1, 2]], columns=["text", "n", "n"])
    for given in (table, frame, iter_reader(table)):
        with pytest.raises(UsageError, match="Two columns are named 'n'"):
            of_rows(given)


def iter_reader(table: Any) -> Any:
    return pa.RecordBatchReader.from_batches(table.schema, batches(table))


def batches(table: Any) -> Iterator[Any]:
    yield from table.to_batches()
