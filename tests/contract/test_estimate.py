"""What is counted before anything is sent, on both databases: calls, those paid for, a sample."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
from sqlalchemy import Engine
from support.job_database import JobDatabase

from ruie.bundle import Bundle
from ruie.chunking import Chunker
from ruie.db import jobs, queue
from ruie.db.call_statistics import calls_by_task, count_events
from ruie.decoding import Decoding
from ruie.extractor import Extractor
from ruie.llm import LLMClient
from ruie.records import Item, Task
from ruie.schema import Schema
from ruie.settings import load
from ruie.worker.estimate.estimate import estimate
from ruie.worker.estimate.survey import Sample, survey
from ruie.worker.estimate.types import Estimate
from ruie.worker.ingest.documents import DocumentOrError, to_document

MODEL = "small"
SCHEMA = Schema(
    "oil", {"COMMODITY": ""}, {}, {"Movement": ("Item", "Difference"), "Caused": ()}
)  # fmt: skip  # as the database's
TEXTS = ["Crude fell 2 %.", "Gas rose.", "Crude fell and gas rose.", "Nothing happened."]


def rows(texts: Iterable[str], name: str = "doc") -> list[DocumentOrError]:
    return [
        to_document({"id": f"{name}-{n}", "text": text}, "news.jsonl", n, 100)
        for n, text in enumerate(texts, 1)
    ]


def run_survey(
    engine: Engine, read: Iterable[DocumentOrError], extractor: Extractor, sample: int = 10
) -> Any:
    return survey(
        read,
        SCHEMA,
        extractor,
        engine,
        chunker=Chunker(),
        context="",
        sample=sample,
        seed=0,
        progress=lambda _: None,
    )


@pytest.fixture
def extractor() -> Extractor:
    return Extractor(None, LLMClient(""), MODEL, Decoding())


def process(database: JobDatabase, extractor: Extractor, texts: list[str], record: Any) -> str:
    """A job over the texts in which ED finds a Movement at every "fell" and a Caused at "rose"."""
    job: str = database.job(schema_digest=SCHEMA.digest, schema_body=SCHEMA.body())
    database.enqueue(job, texts, *SCHEMA.tasks)
    for _ in range(2):  # the second time: what followed from the events
        for item in database.take(job):
            query = SCHEMA.query(item.task, item.text, item.trigger)
            events: list[Item] = []
            if item.task is Task.ED:
                events += [record(item.text, "Movement", "fell")] if "fell" in item.text else []
                events += [record(item.text, "Caused", "rose")] if "rose" in item.text else []
            (question,) = extractor.prepare([query])
            database.save(
                item, events, extractor.key(query), prompt_key=extractor.prompt_key(question),
                schema_digest=SCHEMA.digest, completion_tokens=5 + len(item.text),
            )  # fmt: skip  # two lines read better
    assert set(database.states(job)) == {"done"}
    return job


class TestSurvey:
    def test_each_text_is_asked_once_and_what_cannot_be_used_is_counted(
        self, engine: Engine, extractor: Extractor
    ) -> None:
        read = [*rows([*TEXTS, TEXTS[0]]), *rows(["again"]), *rows([""], "empty")]
        survey = run_survey(engine, read, extractor)
        assert (survey.documents, survey.texts, survey.refused) == (5, 4, 2)
        assert [e.reason for e in survey.errors] == ["repeats the id 'doc-1'", "'text' is empty"]
        assert survey.calls == {Task.NER: 4, Task.ED: 4}
        assert not survey.paid
        assert {q.text for q in survey.samples[Task.ED].queries()} == set(TEXTS)

    def test_it_counts_what_enqueueing_would_make(
        self, database: JobDatabase, extractor: Extractor
    ) -> None:
        texts = [f"Text {n % 700}." for n in range(1300)]
        survey = run_survey(database.engine, rows(texts), extractor)
        job = database.job()
        named = {f"doc-{n}": text for n, text in enumerate(texts)}
        made = database.enqueue(job, named, *SCHEMA.tasks)
        assert (survey.documents, survey.texts) == (made.added, made.new_documents)
        assert survey.calls.total() == made.new_items

    def test_the_same_corpus_again_costs_nothing_and_nor_do_its_events(
        self, database: JobDatabase, extractor: Extractor, record: Any
    ) -> None:
        process(database, extractor, TEXTS, record)
        again = run_survey(database.engine, rows(TEXTS, "other"), extractor)
        assert again.calls == again.paid == {Task.NER: 4, Task.ED: 4, Task.EAE: 2}
        more = run_survey(database.engine, rows([*TEXTS, "Tin fell."]), extractor)
        assert more.calls - more.paid == {Task.NER: 1, Task.ED: 1}
        other = Extractor(None, LLMClient(""), "large", Decoding())
        assert not run_survey(database.engine, rows(TEXTS), other).paid

    def test_events_that_are_known_and_not_asked_about_are_sampled(
        self, database: JobDatabase, extractor: Extractor, record: Any
    ) -> None:
        process(database, extractor, TEXTS, record)
        with database.engine.begin() as conn:
            conn.exec_driver_sql("UPDATE work_items SET extraction_id = NULL WHERE task = 'EAE'")
            conn.exec_driver_sql("DELETE FROM extractions WHERE task = 'EAE'")
        again = run_survey(database.engine, rows(TEXTS), extractor)
        assert again.calls - again.paid == {Task.EAE: 2}
        (first, second) = again.samples[Task.EAE].queries()
        assert {first.text, second.text} == {TEXTS[0], TEXTS[2]}
        assert first.trigger.type == second.trigger.type == "Movement"
        assert first.trigger.span.text == "fell"

    def test_nothing_is_written(self, database: JobDatabase, extractor: Extractor) -> None:
        run_survey(database.engine, rows(TEXTS), extractor)
        for table in ("jobs", "documents", "chunks", "work_items", "schemas"):
            assert database.one(f"SELECT COUNT(*) FROM {table}") == 0


class TestSample:
    def test_it_is_the_same_in_whatever_order_and_for_every_task(self) -> None:
        texts = [f"Text {n}." for n in range(1000)]

        def drawn(texts: Iterable[str], task: Task, seed: int = 0) -> list[str]:
            sample = Sample(20, seed)
            for text in texts:
                sample.offer(SCHEMA.query(task, text))
            return [query.text for query in sample.queries()]

        chosen = drawn(texts, Task.NER)
        assert len(set(chosen)) == 20
        assert drawn(reversed(texts), Task.ED) == chosen
        assert drawn(texts, Task.NER, seed=1) != chosen
        places = [texts.index(text) for text in chosen]
        assert max(places) > 700
        assert min(places) < 300


class TestPast:
    def test_answers_by_model_and_task_and_events_by_schema(
        self, database: JobDatabase, extractor: Extractor, record: Any
    ) -> None:
        process(database, extractor, TEXTS, record)
        with database.engine.connect() as conn:
            past = calls_by_task(conn, MODEL)
            assert {task: calls.calls for task, calls in past.items()} == {
                Task.NER: 4, Task.ED: 4, Task.EAE: 2,
            }  # fmt: skip  # one line reads better
            assert past[Task.NER].completion_tokens == sum(5 + len(text) for text in TEXTS)
            assert count_events(conn, MODEL, SCHEMA.digest, ["Movement"]) == (4, 2)
            assert count_events(conn, MODEL, "another", ["Movement"]) == (0, 0)
            assert calls_by_task(conn, "large") == {}

    def test_what_was_reused_is_no_call(
        self, database: JobDatabase, extractor: Extractor, record: Any
    ) -> None:
        process(database, extractor, TEXTS, record)
        with database.engine.begin() as conn:
            conn.exec_driver_sql("UPDATE extractions SET reused_from = id WHERE task = 'NER'")
            assert Task.NER not in calls_by_task(conn, MODEL)


class TestEstimate:
    @pytest.fixture
    def ask(self, database: JobDatabase, bundle_path: Path) -> Any:
        def run(texts: Iterable[str], **settings: Any) -> Estimate:
            config = load(bundle=bundle_path, **settings)
            return estimate(
                config,
                database.engine,
                rows(texts),
                SCHEMA,
                MODEL,
                Decoding(),
                chunker=Chunker(),
                sample=50,
            )

        return run

    def test_from_the_first_time_to_the_second(
        self, database: JobDatabase, ask: Any, bundle_path: Path, record: Any
    ) -> None:
        texts = [f"{text} ({n})" for n in range(10) for text in TEXTS]
        first = ask(texts, llm_prices={MODEL: (1.0, 10.0)})
        by_task = {task.task: task for task in first.tasks}
        assert (by_task[Task.NER].calls, by_task[Task.ED].calls) == (40, 40)
        assert by_task[Task.NER].prompt_spread == 0  # all 40 prompts were built
        assert first.cost_usd == pytest.approx(
            (first.prompt_tokens + 10 * first.completion_tokens) / 1e6
        )
        # of these types the bundle has no demonstration
        assert "nothing is known" in by_task[Task.EAE].calls_from
        assert by_task[Task.NER].completion_tokens == 40 * Decoding().max_tokens
        assert first.most_usd == first.cost_usd > 0

        real = Extractor(Bundle.open(bundle_path), LLMClient(""), MODEL, Decoding())
        sizes = [
            q.call.prompt_tokens for q in real.prepare([SCHEMA.query(Task.ED, t) for t in texts])
        ]
        assert by_task[Task.ED].prompt_tokens == sum(sizes)

        process(database, real, texts, record)
        second = ask(texts, llm_prices={MODEL: (1.0, 10.0)})
        assert (second.calls, second.paid_before) == (0, 100)
        assert (second.cost_usd, second.most_usd) == (0, 0)

        other = ask([f"{text} again" for text in texts])
        learned = {task.task: task for task in other.tasks}
        assert learned[Task.EAE].calls == 20  # half of the past ED calls found a Movement
        assert "past ED calls" in learned[Task.EAE].calls_from
        assert "past answers" in learned[Task.ED].completion_from
        assert (other.price, other.cost_usd, other.most_usd) == (None, None, None)
        assert other.completion_tokens < other.most_completion_tokens

    def test_prompts_that_another_bundle_gave_too_are_paid(
        self, database: JobDatabase, ask: Any, bundle_path: Path, record: Any
    ) -> None:
        bundle = Bundle.open(bundle_path)
        bundle.digest = "of another"
        before = Extractor(bundle, LLMClient(""), MODEL, Decoding())
        process(database, before, TEXTS[:3], record)
        made = {task.task: task for task in ask(TEXTS).tasks}
        for task in (Task.NER, Task.ED):
            assert (made[task].calls, made[task].paid_before, made[task].sampled) == (1, 3, 4)
            assert "3 of 4 prompts were answered before" in made[task].calls_from

    def test_without_a_document_there_is_nothing(self, ask: Any) -> None:
        made = ask([], llm_prices={MODEL: (1.0, 10.0)})
        assert (made.documents, made.calls, made.cost_usd) == (0, 0, 0)


def test_no_job_was_made_for_it(database: JobDatabase) -> None:
    with database.engine.connect() as conn:
        assert jobs.list_jobs(conn) == []


class TestOverlaps:
    """An event that two chunks of a document have is asked about once, and counted once."""

    TEXT = "OPEC met . Crude fell . Gas rose ."
    CHUNKS: ClassVar = [(0, 23), (11, 34)]

    def survey(self, database: JobDatabase, extractor: Extractor, text: str = TEXT) -> Any:
        return survey(
            rows([text]), SCHEMA, extractor, database.engine,
            chunker=cast(Chunker, lambda _: self.CHUNKS), context="", sample=10, seed=0,
            progress=lambda _: None,
        )  # fmt: skip  # a call

    def process(self, database: JobDatabase, extractor: Extractor, record: Any) -> str:
        job: str = database.job(schema_digest=SCHEMA.digest, schema_body=SCHEMA.body())
        row = queue.NewDocument(self.TEXT, "a")
        with database.engine.begin() as conn:
            queue.enqueue_documents(conn, job, [row], SCHEMA.tasks, lambda _: self.CHUNKS)
        for _ in range(2):
            for item in database.take(job):
                query = SCHEMA.query(item.task, item.text, item.trigger)
                fell = [record(item.text, "Movement", "fell")] if item.task is Task.ED else []
                key = extractor.key(query)
                database.save(item, fell, key, schema_digest=SCHEMA.digest)
        return job

    def test_it_counts_what_a_job_has(
        self, database: JobDatabase, extractor: Extractor, record: Any
    ) -> None:
        job = self.process(database, extractor, record)
        made = dict(
            database.rows(
                f"SELECT task, COUNT(*) FROM work_items WHERE job_id = '{job}' GROUP BY task"
            )
        )
        assert made == {"NER": 2, "ED": 2, "EAE": 1}
        again = self.survey(database, extractor)
        assert again.calls == again.paid == {Task(task): count for task, count in made.items()}
        with database.engine.connect() as conn:
            assert count_events(conn, MODEL, SCHEMA.digest, ["Movement"]) == (2, 1)
