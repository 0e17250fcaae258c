"""A job's records out as gold data and corrected gold back in, on both databases."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from support.house import House

from ruie.annotations import load_corpus
from ruie.db import jobs
from ruie.formats import Format, FormatOptions, collect
from ruie.records import Item, Span, Task
from ruie.worker.export import write
from ruie.worker.reviewing import import_reviews, score

MakeRecord = Callable[..., Item]
TEXT = "Crude <script> fell 2 % as OPEC met."


def filled(house: House, record: MakeRecord) -> jobs.Job:
    name = house.job()
    house.enqueue(name, {"a/1": TEXT}, Task.NER, Task.ED)
    for item in house.take():
        lost = Item("COMMODITY", (Span("gas"),))
        entities = [record(TEXT, "COMMODITY", "Crude"), lost]
        house.save(item, entities if item.task is Task.NER else [record(TEXT, "Movement", "fell")])
    for item in house.take():
        house.save(item, [record(TEXT, "Item", "Crude")])
    with house.engine.begin() as conn:
        return jobs.get_job(conn, name)


def test_jsonl_and_brat_are_read_again(house: House, record: MakeRecord, tmp_path: Path) -> None:
    job = filled(house, record)
    path = tmp_path / "gold.jsonl"
    counts = write.export(house.engine, job, "jsonl", path)
    assert (counts.documents, counts.ungrounded) == (1, 1)
    corpus = load_corpus(path)
    assert corpus.problems == ()
    assert corpus.schema.body() == job.schema_body | {"relations": {}}
    (row,) = corpus.rows
    assert [i.spans[0].text for i in row.gold[Task.NER]] == ["Crude"]
    assert [i.type for i in row.arguments[0]] == ["Item"]
    write.export(house.engine, job, "brat", tmp_path / "brat")
    again = collect(tmp_path / "brat", Format.BRAT, FormatOptions(whole_documents=True))
    assert again.problems == ()
    assert again.rows[0].gold == row.gold
    assert again.rows[0].arguments == row.arguments


def test_parquet_and_html_keep_what_has_no_place(
    house: House, record: MakeRecord, tmp_path: Path
) -> None:
    import pyarrow.parquet as pq

    job = filled(house, record)
    write.export(house.engine, job, "parquet", tmp_path / "p")
    assert pq.read_table(tmp_path / "p" / "entities.parquet")["start"].to_pylist().count(None) == 1
    write.export(house.engine, job, "html", tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text()
    assert "&lt;script&gt; " in page
    assert page.count("<script>") == 1
    assert "not in the text" in page


def test_a_correction_is_stored_once_and_replaced(
    house: House, record: MakeRecord, tmp_path: Path
) -> None:
    job = filled(house, record)
    path = tmp_path / "gold.jsonl"
    write.export(house.engine, job, "jsonl", path)
    row = json.loads(path.read_text())
    row["entities"].append({"type": "ORGANISATION", "text": "OPEC", "start": 27, "end": 31})
    path.write_text(json.dumps(row) + "\n" + json.dumps(row | {"text": f"{TEXT} x"}) + "\n")
    first = import_reviews(house.engine, job, path, "Ada")
    assert (first.stored, first.unchanged) == (1, 0)
    assert [(p.place.line, "not that of" in p.what) for p in first.problems] == [(2, True)]
    assert import_reviews(house.engine, job, path, "Ada").unchanged == 1
    scores, documents = score(house.engine, job)
    assert documents == 1
    assert (scores[Task.NER].matched, scores[Task.NER].gold) == (1, 2)
    path.write_text(json.dumps(row | {"entities": []}))
    assert import_reviews(house.engine, job, path, "Bo").stored == 1
    assert house.one("SELECT COUNT(*) FROM reviews") == 2
    assert house.one("SELECT COUNT(*) FROM reviews WHERE replaced_at IS NULL") == 1
