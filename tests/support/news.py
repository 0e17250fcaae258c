"""The small database that docs/sql.md asks: eight news, three jobs, a person's reviews.

Everything goes in by the functions that the workers use. The clock alone is set afterwards: calls
were made on two days of February 2026, reviews on the third.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zlib import crc32

from sqlalchemy import Engine, text

from ruie.db import job_states, jobs, kept_answers, queue, results, reused_results
from ruie.db.canonical import map_names
from ruie.db.job_settings import JobSettings
from ruie.decoding import Decoding
from ruie.errors import OutputError
from ruie.records import Grounding, Item, Span, Task
from ruie.schema import Schema
from ruie.usage import Usage
from ruie.worker.export import write
from ruie.worker.reviewing import import_reviews

SCHEMA: dict[str, Any] = {
    "name": "oil-news",
    "entities": {"COMMODITY": "", "COUNTRY": "", "ORGANISATION": ""},
    "relations": {"exports": "", "member_of": ""},
    "events": {"Cut": ["Who", "What"], "Movement": ["Item", "Difference"]},
}
DIGEST = Schema.from_body(SCHEMA).digest
ROLES = SCHEMA["events"]
ENDPOINT = "http://127.0.0.1:8000/v1"
TASKS = (Task.NER, Task.RE, Task.ED)


@dataclass(frozen=True)
class News:
    """A document and what there is to find in it. events: type, trigger and arguments by role."""

    date: str
    text: str
    entities: tuple[tuple[str, str], ...] = ()
    relations: tuple[tuple[str, str, str], ...] = ()
    events: tuple[tuple[str, str, Mapping[str, str]], ...] = field(default=())


NEWS = {
    "news-1": News(
        "2025-11-03",
        "Crude oil rose 2 % after OPEC cut output.",
        (("COMMODITY", "Crude oil"), ("ORGANISATION", "OPEC")),
        (),
        (
            ("Movement", "rose", {"Item": "Crude oil", "Difference": "2 %"}),
            ("Cut", "cut", {"Who": "OPEC", "What": "output"}),
        ),
    ),
    "news-2": News(
        "2025-11-17",
        "Saudi Arabia, a member of OPEC, exports crude oils to Japan.",
        (("COUNTRY", "Saudi Arabia"), ("ORGANISATION", "OPEC"), ("COMMODITY", "crude oils"),
         ("COUNTRY", "Japan")),
        (("member_of", "Saudi Arabia", "OPEC"), ("exports", "Saudi Arabia", "crude oils")),
    ),
    "news-3": News(
        "2025-12-01",
        "Crude oil fell 3 %, the O.P.E.C. secretariat said.",
        (("COMMODITY", "Crude oil"), ("ORGANISATION", "O.P.E.C.")),
        (),
        (("Movement", "fell", {"Item": "Crude oil", "Difference": "3 %"}),),
    ),
    "news-4": News(
        "2025-12-08",
        "Iraq, in the Organization of the Petroleum Exporting Countries since 1960, cut exports of"
        " crude oil.",
        (("COUNTRY", "Iraq"), ("ORGANISATION", "Organization of the Petroleum Exporting Countries"),
         ("COMMODITY", "crude oil")),
        (("member_of", "Iraq", "Organization of the Petroleum Exporting Countries"),
         ("exports", "Iraq", "crude oil")),
        (("Cut", "cut", {"Who": "Iraq", "What": "exports"}),),
    ),
    "news-5": News(
        "2026-01-12",
        "Copper rose as Chile cut exports.",
        (("COMMODITY", "Copper"), ("COUNTRY", "Chile")),
        (),
        (
            ("Movement", "rose", {"Item": "Copper"}),
            ("Cut", "cut", {"Who": "Chile", "What": "exports"}),
        ),
    ),
    "news-6": News("2026-01-19", "The weather was fine."),
    "news-7": News("2026-01-26", "OPEC <table> 1 | 2 | 3 </table>"),
    "news-8": News(
        "2026-01-30",
        "Crude exports of Iraq fell.",
        (("COMMODITY", "Crude"), ("COUNTRY", "Iraq")),
        (),
        (("Movement", "fell", {"Item": "Crude exports"}),),
    ),
}  # fmt: skip  # a list a line


def build(engine: Engine, folder: Path) -> str:
    """Fill an empty database; returns the id of the job that was reviewed."""
    oil = _job(engine, "oil", "small")
    _work(engine, oil, NEWS, "small")
    large = _job(engine, "oil large", "large")
    _work(engine, large, ("news-2", "news-8"), "large")
    again = _job(engine, "oil again", "small")
    _reuse(engine, again, "news-1", oil)
    with engine.begin() as conn:
        map_names(conn, {"Organization of the Petroleum Exporting Countries": "OPEC"})
        jobs.add_input_errors(conn, oil, [jobs.NewInputError("news.jsonl", 9, "is empty", "")])
        for job in (oil, large, again):
            jobs.finish_enqueueing(conn, job)
        job_states.close_jobs(conn)
    _review(engine, oil, folder)
    with engine.begin() as conn:
        for table, column, day, where in DAYS:
            conn.execute(
                text(f"UPDATE {table} SET {column} = :day WHERE {where}"),
                {"day": f"{day} 08:00:00.000000"},
            )
    return oil


DAYS = (
    ("extractions", "created_at", "2026-02-01", "model = 'small'"),
    ("extractions", "created_at", "2026-02-02", "model = 'large'"),
    ("attempts", "created_at", "2026-02-01", "true"),
    ("reviews", "created_at", "2026-02-03", "true"),
    ("reviews", "replaced_at", "2026-02-03", "replaced_at IS NOT NULL"),
)


def _job(engine: Engine, name: str, model: str) -> str:
    new = jobs.NewJob(
        name=name,
        schema_name="oil-news",
        schema_body=SCHEMA,
        schema_digest=DIGEST,
        model=model,
        endpoint=ENDPOINT,
        prompt_version="1",
        settings=JobSettings(Decoding()),
    )
    with engine.begin() as conn:
        return jobs.create_job(conn, new)


def _enqueue(engine: Engine, job: str, names: Iterable[str]) -> None:
    rows = [
        queue.NewDocument(
            NEWS[name].text, name, "news.jsonl", int(name[-1]),
            {"date": NEWS[name].date, "outlet": "Gazette" if name < "news-4" else "Herald"},
        )
        for name in names
    ]  # fmt: skip  # one row
    with engine.begin() as conn:
        queue.enqueue_documents(conn, job, rows, TASKS)


def _take(engine: Engine, job: str) -> list[queue.LeasedItem]:
    with engine.begin() as conn:
        batches = queue.dispatch(conn, job, 100, 100, 60)
        return [item for batch in batches for item in queue.lease(conn, batch.id, "w", 60)]


def _work(engine: Engine, job: str, names: Iterable[str], model: str) -> None:
    """Answer everything, including the arguments of the detected events."""
    _enqueue(engine, job, names)
    while items := _take(engine, job):
        for item in items:
            news = next(n for n in NEWS.values() if n.text == item.text)
            with engine.begin() as conn:
                if "<table>" in item.text and item.task is Task.NER:
                    error = OutputError("The answer cannot be read.")
                    queue.record_attempt(
                        conn, item, error, model=model, endpoint=ENDPOINT,
                        raw_output="1 2 3", usage=Usage(100, 48), cost_usd=0.0002,
                    )  # fmt: skip  # one call
                    queue.quarantine(conn, item, error, raw_output="1 2 3", prompt=[])
                else:
                    records = _records(item, news, model)
                    results.save_result(conn, item, _call(item, model), records, ROLES)


def _call(item: queue.LeasedItem, model: str) -> results.NewExtraction:
    return results.NewExtraction(
        key=f"{model}:{item.task}:{item.chunk_id}:{item.event_id}",
        model=model,
        endpoint=ENDPOINT,
        prompt_version="1",
        bundle_digest="b" * 64,
        schema_digest=DIGEST,
        demonstration_ids=("buster-12", "buster-7"),
        prompt_tokens=100,
        completion_tokens=10,
        latency_s=0.25,
        raw_output=f"{item.task}: …",
        cost_usd=0.002 if model == "large" else 0.0001,
    )


def _records(item: queue.LeasedItem, news: News, model: str) -> list[Item]:
    """What the model finds: the large one reads "Crude exports" where the small one reads "Crude",
    and does not find Japan."""

    def at(words: str) -> Span:
        start = news.text.index(words)
        return Span(words, start, start + len(words), Grounding.EXACT)

    if item.task is Task.NER:
        changed = {"Crude": "Crude exports", "Japan": ""} if model == "large" else {}
        named = ((kind, changed.get(words, words)) for kind, words in news.entities)
        return [Item(kind, (at(words),), _sure(words)) for kind, words in named if words]
    if item.task is Task.RE:
        return [
            Item(kind, (at(head), at(tail)), _sure(head + tail))
            for kind, head, tail in news.relations
        ]
    if item.task is Task.ED:
        return [Item(kind, (at(trigger),), _sure(trigger)) for kind, trigger, _ in news.events]
    assert item.trigger is not None
    (arguments,) = (a for _, trigger, a in news.events if trigger == item.trigger.span.text)
    return [Item(role, (at(words),), _sure(words)) for role, words in arguments.items()]


def _sure(words: str) -> float:
    """Some confidence, always the same of the same words."""
    return round(0.5 + crc32(words.encode()) % 50 / 100, 2)


def _reuse(engine: Engine, job: str, name: str, paid_by: str) -> None:
    """The document in another job, which finds all of it paid for."""
    _enqueue(engine, job, [name])
    while items := _take(engine, job):
        for item in items:
            with engine.begin() as conn:
                key = _call(item, "small").key
                paid = kept_answers.find_paid(conn, [key])[key]
                assert reused_results.reuse_result(conn, item, paid, ROLES), paid_by


def _review(engine: Engine, job: str, folder: Path) -> None:
    """Ada corrects four news and Bo one of hers: a wrong span, one too many, two missing."""
    with engine.begin() as conn:
        reviewed = jobs.get_job(conn, job)
    write.export(engine, reviewed, "jsonl", folder / "exported.jsonl")
    rows = [json.loads(line) for line in (folder / "exported.jsonl").read_text().splitlines()]
    chosen = [row for row in rows if row["id"] in ("news-2", "news-5", "news-6", "news-8")]
    by_id = {row["id"]: row for row in chosen}
    _import(engine, reviewed, folder, chosen, "Ada")
    del by_id["news-2"]["entities"][3]  # Japan
    crude = by_id["news-8"]["entities"][0]
    crude |= {"text": "Crude exports", "end": crude["end"] + len(" exports")}
    by_id["news-5"]["events"][0]["arguments"] = []
    by_id["news-5"]["relations"] = [
        {"type": "exports", "head": _at("news-5", "Chile"), "tail": _at("news-5", "Copper")}
    ]
    _import(engine, reviewed, folder, [r for r in chosen if r["id"] != "news-2"], "Ada")
    _import(engine, reviewed, folder, [by_id["news-2"]], "Bo")


def _at(name: str, words: str) -> dict[str, Any]:
    start = NEWS[name].text.index(words)
    return {"text": words, "start": start, "end": start + len(words)}


def _import(
    engine: Engine, job: jobs.Job, folder: Path, rows: list[dict[str, Any]], reviewer: str
) -> None:
    path = folder / "reviewed.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert import_reviews(engine, job, path, reviewer).problems == ()
