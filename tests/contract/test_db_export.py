"""A job's records out as gold data and corrected gold back in, on both databases."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from support.job_database import JobDatabase

from ruie.annotations import load_corpus
from ruie.db import jobs
from ruie.formats import Format, FormatOptions, collect
from ruie.records import Item, Span, Task
from ruie.worker.export import write
from ruie.worker.reviewing import import_reviews, score

MakeRecord = Callable[..., Item]
TEXT = "Crude <script> fell 2 % as OPEC met."


def filled(database: JobDatabase, record: MakeRecord) -> jobs.Job:
    name = database.job()
    database.enqueue(name, {"a/1": TEXT}, Task.NER, Task.ED)
    for item in database.take():
        lost = Item("COMMODITY", (Span("gas"),))
        entities = [record(TEXT, "COMMODITY", "Crude"), lost]
        database.save(
            item, entities if item.task is Task.NER else [record(TEXT, "Movement", "fell")]
        )
    for item in database.take():
        database.save(item, [record(TEXT, "Item", "Crude")])
    with database.engine.begin() as conn:
        return jobs.get_job(conn, name)


def test_jsonl_and_brat_are_read_again(
    database: JobDatabase, record: MakeRecord, tmp_path: Path
) -> None:
    job = filled(database, record)
    path = tmp_path / "gold.jsonl"
    counts = write.export(database.engine, job, "jsonl", path)
    assert (counts.documents, counts.ungrounded) == (1, 1)
    corpus = load_corpus(path)
    assert corpus.problems == ()
    assert corpus.schema.body() == job.schema_body | {"relations": {}}
    (row,) = corpus.rows
    assert [i.spans[0].text for i in row.gold[Task.NER]] == ["Crude"]
    assert [i.type for i in row.arguments[0]] == ["Item"]
    write.export(database.engine, job, "brat", tmp_path / "brat")
    again = collect(tmp_path / "brat", Format.BRAT, FormatOptions(whole_documents=True))
    assert again.problems == ()
    assert again.rows[0].gold == row.gold
    assert again.rows[0].arguments == row.arguments


def test_parquet_and_html_keep_what_has_no_place(
    database: JobDatabase, record: MakeRecord, tmp_path: Path
) -> None:
    import pyarrow.parquet as pq

    job = filled(database, record)
    write.export(database.engine, job, "parquet", tmp_path / "p")
    assert pq.read_table(tmp_path / "p" / "entities.parquet")["start"].to_pylist().count(None) == 1
    write.export(database.engine, job, "html", tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text()
    assert "&lt;script&gt; " in page
    assert page.count("<script>") == 1
    assert "not in the text" in page


def test_a_correction_is_stored_once_and_replaced(
    database: JobDatabase, record: MakeRecord, tmp_path: Path
) -> None:
    job = filled(database, record)
    path = tmp_path / "gold.jsonl"
    write.export(database.engine, job, "jsonl", path)
    row = json.loads(path.read_text())
    row["entities"].append({"type": "ORGANISATION", "text": "OPEC", "start": 27, "end": 31})
    path.write_text(json.dumps(row) + "\n" + json.dumps(row | {"text": f"{TEXT} x"}) + "\n")
    first = import_reviews(database.engine, job, path, "Ada")
    assert (first.stored, first.unchanged) == (1, 0)
    assert [(p.place.line, "not that of" in p.what) for p in first.problems] == [(2, True)]
    assert import_reviews(database.engine, job, path, "Ada").unchanged == 1
    scores = score(database.engine, job)
    assert scores.coverage.documents == 1
    assert (scores.tasks[Task.NER].matched, scores.tasks[Task.NER].gold) == (1, 2)
    path.write_text(json.dumps(row | {"entities": []}))
    assert import_reviews(database.engine, job, path, "Bo").stored == 1
    assert database.one("SELECT COUNT(*) FROM reviews") == 2
    assert database.one("SELECT COUNT(*) FROM reviews WHERE replaced_at IS NULL") == 1
