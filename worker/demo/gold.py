"""The demo's corpora: sentences to enqueue, and their gold annotations to score against."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, text

from ruie.annotations import Corpus, load_corpus
from ruie.records import Grounding, Item, Span, Task
from ruie.scoring import Score, score_offsets, score_strings

DATA = Path(__file__).parent / "data"
NAMES = ("entities", "relations", "events")


@dataclass(frozen=True, slots=True)
class Scored:
    """One task's scores over a job: the paper's string form and the strict offset form."""

    task: Task
    strings: Score
    offsets: Score


def corpus(name: str) -> Corpus:
    """The test extract of one of `NAMES`."""
    return load_corpus(DATA / f"{name}.jsonl")


def demonstrations() -> list[Path]:
    """Annotated rows for the demonstrations of a bundle."""
    return [DATA / f"{name}.demonstrations.jsonl.gz" for name in NAMES]


def score(conn: Connection, job_id: str, gold: Corpus) -> list[Scored]:
    """A job's records in the database against the gold annotations, task by task.

    Arguments are scored end to end: the event's type, its trigger, the role and the argument must
    all be right, so that a missed event misses its arguments too.
    """
    records = _records(conn, job_id)
    totals: dict[Task, tuple[Score, Score]] = {}
    for row in gold.rows:
        gold_items = dict(row.gold)
        if Task.ED in gold_items:
            gold_items[Task.EAE] = tuple(
                Item(f"{event.type}/{item.type}", (event.spans[0], item.spans[0]))
                for event, items in zip(gold_items[Task.ED], row.arguments, strict=True)
                for item in items
            )
        for task, items in gold_items.items():
            predicted = records.get((row.id, task), [])
            strings, offsets = totals.get(task, (Score(), Score()))
            totals[task] = (
                strings + score_strings(items, predicted),
                offsets + score_offsets(items, predicted),
            )
    return [Scored(task, *totals[task]) for task in Task if task in totals]


_ENTITIES = """SELECT external_id, type, text, char_start, char_end
FROM entity_mentions WHERE job_id = :job"""
_RELATIONS = """SELECT external_id, type, head_text, head_start, head_end,
tail_text, tail_start, tail_end FROM relation_mentions WHERE job_id = :job"""
_EVENTS = """SELECT external_id, type, trigger_text, trigger_start, trigger_end,
role, argument_text, argument_start, argument_end FROM event_mentions WHERE job_id = :job"""


def _records(conn: Connection, job_id: str) -> dict[tuple[str, Task], list[Item]]:
    records: dict[tuple[str, Task], list[Item]] = {}

    def add(document: str, task: Task, type_: str, *spans: Span) -> None:
        records.setdefault((document, task), []).append(Item(type_, spans))

    def span(words: str, start: int, end: int) -> Span:
        return Span(words, start, end, Grounding.EXACT)

    job = {"job": job_id}
    for document, type_, *offsets in conn.execute(text(_ENTITIES), job):
        add(document, Task.NER, type_, span(*offsets))
    for document, type_, *columns in conn.execute(text(_RELATIONS), job):
        add(document, Task.RE, type_, span(*columns[:3]), span(*columns[3:]))
    for document, type_, *columns in conn.execute(text(_EVENTS), job):
        trigger = span(*columns[:3])
        add(document, Task.ED, type_, trigger)
        if columns[3] is not None:
            add(document, Task.EAE, f"{type_}/{columns[3]}", trigger, span(*columns[4:]))
    return records
