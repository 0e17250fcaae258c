"""Frames of pandas and polars, and Arrow tables, as documents of a job in a real database."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import text

from ruie.db import migrate
from ruie.db.engine import open_engine
from ruie.errors import UsageError
from ruie.schema import Schema
from ruie.settings import load
from ruie.worker.client import Client
from ruie.worker.ingest.enqueue import Enqueued

SCHEMA = Schema("news", entities={"person": ""})
AT = datetime.datetime(2026, 3, 2, 10, tzinfo=datetime.UTC)
ROWS = {
    "id": ["a", "b"],
    "text": ["Ada went to Rome .", "Bo went to Oslo ."],
    "n": [1, 2],
    "score": [0.5, float("nan")],
    "at": [AT, None],
    "tags": [["x"], ["y", "z"]],
}
STORED = [
    ("a", {"n": 1, "score": 0.5, "at": "2026-03-02T10:00:00+00:00", "tags": ["x"]}),
    ("b", {"n": 2, "score": None, "at": None, "tags": ["y", "z"]}),
]


@pytest.fixture
def client(tmp_path: Path) -> Client:
    config = load(database_url=f"sqlite:///{tmp_path / 'ruie.db'}")
    migrate.upgrade(open_engine(config.database_url))
    return Client(config)


def stored(client: Client, done: Enqueued) -> list[tuple[str, Any]]:
    query = text("SELECT external_id, metadata FROM origins WHERE job_id = :job ORDER BY id")
    with client.engine.connect() as conn:
        return [
            (name, json.loads(stored)) for name, stored in conn.execute(query, {"job": done.job_id})
        ]


def pandas_frames() -> Iterable[Any]:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(ROWS)
    yield frame
    yield frame.set_index("id")
    yield frame.set_axis(["one", "two"])  # an index without a name is no column
    yield frame.convert_dtypes()
    yield frame.astype({"id": "category"})


def polars_frames() -> Iterable[Any]:
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame(ROWS)
    yield frame
    yield frame.lazy()
    yield frame.with_columns(pl.col("id").cast(pl.Categorical))
    yield pl.concat([frame[:1], frame[1:]], rechunk=False)


def arrow_tables() -> Iterable[Any]:
    table = pa.table(ROWS)
    yield table
    yield table.to_batches()[0]
    yield table.to_reader(max_chunksize=1)
    yield pa.concat_tables([table[:1], table[1:]])
    yield table.to_pylist()


@pytest.mark.parametrize("made", [pandas_frames, polars_frames, arrow_tables])
def test_a_frame_is_enqueued_row_by_row(client: Client, made: Callable[[], Iterable[Any]]) -> None:
    frames = list(made())
    for frame in frames:
        done = client.enqueue(frame, SCHEMA)
        assert (done.documents, done.errors) == (2, ())
        assert stored(client, done) == STORED, type(frame)
    assert len(frames) >= 4


def test_a_frame_of_mixed_values_costs_the_rows_alone_that_are_wrong(client: Client) -> None:
    pd = pytest.importorskip("pandas")
    np = pytest.importorskip("numpy")
    frame = pd.DataFrame(
        {
            "text": ["Ada left .", 5, None, "Bo left .", "Cy left ."],
            "more": [np.int64(3), "x", 1, np.array([1, 2]), pd.Timedelta("1h")],
        }
    )
    done = client.enqueue(frame, SCHEMA)
    assert stored(client, done) == [("row:1", {"more": 3}), ("row:4", {"more": [1, 2]})]
    assert [(e.line, e.reason) for e in done.errors] == [
        (2, "'text' is not a string"),
        (3, "'text' is not a string"),
        (5, "has a value that JSON has not (Timedelta)"),
    ]


def test_what_has_no_rows_is_refused(client: Client) -> None:
    with pytest.raises(UsageError, match="Row 1 is a str"):
        client.enqueue(["Ada left ."], SCHEMA)
