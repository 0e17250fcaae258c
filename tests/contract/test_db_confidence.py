"""How sure records are: stored, copied, filtered, and what is asked of people first."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.job_database import SCHEMA, JobDatabase

from ruie.db import jobs, kept_answers, reused_results
from ruie.db.engine import reading
from ruie.db.record_pages import document_records
from ruie.errors import UsageError
from ruie.records import Item, Task
from ruie.worker import sampling
from ruie.worker.export import write
from ruie.worker.export.confident import confident
from ruie.worker.export.rows import Counts
from ruie.worker.reviewing import import_reviews

MakeRecord = Callable[..., Item]
TEXT = "Crude fell 2 % as OPEC met."


@pytest.fixture
def sure(record: MakeRecord) -> Callable[..., Item]:
    """As `record`, with a confidence first."""
    return lambda confidence, *what: replace(record(*what), confidence=confidence)


@pytest.fixture
def job(database: JobDatabase, sure: Callable[..., Item]) -> str:
    """With a record of each kind."""
    name = database.job()
    database.enqueue(name, {"a": TEXT}, Task.NER, Task.RE, Task.ED)
    found = {
        Task.NER: [sure(0.9, TEXT, "COMMODITY", "Crude"), sure(0.4, TEXT, "ORGANISATION", "OPEC")],
        Task.RE: [sure(0.25, TEXT, "moved_by", "Crude", "OPEC")],
        Task.ED: [sure(0.7, TEXT, "Movement", "fell")],
    }
    for item in database.take():
        database.save(item, found[item.task])
    for item in database.take():
        arguments = [sure(0.8, TEXT, "Item", "Crude"), sure(0.3, TEXT, "Difference", "2 %")]
        database.save(item, arguments)
    return name


@pytest.fixture(autouse=True, params=["one", "many"])
def saver(database: JobDatabase, request: pytest.FixtureRequest) -> None:
    """Saving one result and saving many do the same."""
    database.saves_many = request.param == "many"


def test_views_say_it(database: JobDatabase, job: str) -> None:
    assert database.rows("SELECT text, confidence FROM entity_mentions ORDER BY entity_id") == [
        ("Crude", 0.9), ("OPEC", 0.4),
    ]  # fmt: skip  # a line
    assert database.rows("SELECT confidence FROM relation_mentions") == [(0.25,)]
    events = "SELECT role, confidence, argument_confidence FROM event_mentions ORDER BY role"
    assert database.rows(events) == [("Difference", 0.7, 0.3), ("Item", 0.7, 0.8)]
    arguments = database.one("SELECT arguments FROM events_json")
    listed = json.loads(arguments) if isinstance(arguments, str) else arguments
    assert [(each["role"], each["confidence"]) for each in listed] == [
        ("Item", 0.8), ("Difference", 0.3),
    ]  # fmt: skip  # a line


def test_a_copy_is_as_sure(database: JobDatabase, sure: Callable[..., Item]) -> None:
    first = database.job()
    database.enqueue(first, {"a": TEXT})
    (item,) = database.take()
    database.save(item, [sure(0.6, TEXT, "COMMODITY", "Crude")], key="k")
    database.enqueue(first, {"b": f"{TEXT} "})
    (other,) = database.take()
    with database.engine.begin() as conn:
        (paid,) = kept_answers.find_paid(conn, ["k"]).values()
        assert reused_results.copy_result(conn, other, paid)
    assert database.rows("SELECT confidence FROM entity_mentions") == [(0.6,), (0.6,)]


def test_what_is_not_sure_enough_is_left_out_and_counted(database: JobDatabase, job: str) -> None:
    counts = Counts()
    (document,) = confident(document_records(database.engine, job), 0.5, counts)
    assert [each.span.text for each in document.entities] == ["Crude"]
    assert document.relations == ()
    assert [[a.span.text for a in v.arguments] for v in document.events] == [["Crude"]]
    assert (counts.doubtful, counts.unrated) == (3, 0)
    (document,) = confident(document_records(database.engine, job), 0.75, counts := Counts())
    assert document.events == ()
    assert counts.doubtful == 3  # the event's arguments are not counted beside it
    (document,) = confident(document_records(database.engine, job), None, counts := Counts())
    assert (len(document.entities), counts.doubtful) == (2, 0)


@pytest.mark.parametrize("least", [-0.1, 1.5, 80, float("nan")])
def test_a_bound_is_between_0_and_1(database: JobDatabase, job: str, least: float) -> None:
    with pytest.raises(UsageError, match="It is between 0 and 1"):
        confident(document_records(database.engine, job), least, Counts())


def test_what_people_said_is_kept(database: JobDatabase, job: str, tmp_path: Path) -> None:
    with database.engine.begin() as conn:
        known = jobs.get_job(conn, job)
    path = tmp_path / "gold.jsonl"
    write.export(database.engine, known, "jsonl", path)
    row = json.loads(path.read_text())
    assert [each["confidence"] for each in row["entities"]] == [0.9, 0.4]
    row = {name: row[name] for name in ("id", "text", "entities")}
    path.write_text(json.dumps(row))
    assert import_reviews(database.engine, known, path, "Ada").stored == 1
    assert database.rows("SELECT confidence FROM entity_mentions") == [(None,), (None,)]
    (document,) = confident(document_records(database.engine, job), 0.99, counts := Counts())
    assert (len(document.entities), len(document.relations)) == (2, 0)
    assert (counts.doubtful, counts.unrated) == (2, 0)


def test_of_earlier_versions_nothing_is_known(database: JobDatabase, job: str) -> None:
    with database.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE entities SET confidence = NULL")
    (document,) = confident(document_records(database.engine, job), 0.1, counts := Counts())
    assert (document.entities, counts.doubtful, counts.unrated) == ((), 2, 2)


@pytest.mark.parametrize("form", ["jsonl", "parquet", "brat", "html"])
def test_every_format_is_filtered(
    database: JobDatabase, job: str, form: write.Form, tmp_path: Path
) -> None:
    with database.engine.begin() as conn:
        known = jobs.get_job(conn, job)
    counts = write.export(database.engine, known, form, tmp_path / "x", min_confidence=0.5)
    assert (counts.documents, counts.doubtful) == (1, 3)
    if form == "jsonl":
        assert json.loads((tmp_path / "x").read_text())["provenance"]["min_confidence"] == 0.5
    if form == "html":
        page = (tmp_path / "x").read_text()
        assert "<p>confidence 0.5 or more</p>" in page
        write.export(database.engine, known, form, tmp_path / "y", min_confidence=1.0)
        assert "Nothing of confidence 1 or more." in (tmp_path / "y").read_text()


class _Alike:
    """An encoder to which all texts are equally alike."""

    def encode(self, texts: list[str]) -> np.ndarray:
        return np.eye(len(texts), dtype=np.float32)


def test_doubtful_documents_are_asked_of_people_first(
    database: JobDatabase, sure: Callable[..., Item]
) -> None:
    name = database.job()
    texts = {f"d{number}": f"Crude {number} fell." for number in range(6)}
    database.enqueue(name, texts)
    confidences = [0.9, 0.6, 0.95, 0.1, 0.8, 0.99]
    for item, confidence in zip(database.take(), confidences, strict=True):
        database.save(item, [sure(confidence, item.text, "COMMODITY", "Crude")])
    with reading(database.engine) as conn:
        encoder: object = _Alike()
        chosen = sampling.sample(conn, name, SCHEMA["name"], encoder, "", 3)  # type: ignore[arg-type]  # what it uses of one
    named = dict(database.rows("SELECT document_id, external_id FROM origins"))
    assert [named[number] for number in chosen] == ["d3", "d1", "d4"]
