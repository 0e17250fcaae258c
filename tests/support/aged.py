"""A corpus over time, in a database: each run is a job that has ended, old enough to be pruned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from support.job_database import JobDatabase

from ruie.db import corpora, job_states, jobs, kept_answers, queue, reused_results
from ruie.db.corpora import CorpusJob
from ruie.db.engine import reading
from ruie.db.fold import Folding
from ruie.db.progress import JobProgress, progress
from ruie.db.pruning.parts import Cutoff, Found, Kind
from ruie.db.pruning.prune import cutoff, prune, survey
from ruie.db.totals import read_totals
from ruie.errors import TransientCallError
from ruie.records import Grounding, Item, Span, Task
from ruie.usage import Usage

OLD = {"a": "Crude fell in May.", "b": "Copper rose in May."}
NEW = {"a": "Brent rose in June.", "b": "Copper rose in May."}
RECORDS = ("entities", "events", "event_arguments")
SHOWN = (
    "SELECT external_id, type, text FROM entity_mentions WHERE document_state = 'current'"
    " UNION ALL SELECT external_id, role, argument_text FROM event_mentions"
    " WHERE document_state = 'current' ORDER BY 1, 2, 3"
)
SPEND = (
    "SELECT model, calls, failed_calls, prompt_tokens, completion_tokens, cost_usd FROM {}"
    " ORDER BY 1, 2, 3"
)
TASKS = (Task.NER, Task.ED)
EVERYTHING = tuple(Kind)


class AgedCorpus:
    """Runs of one corpus. The first word of a text is an entity, the second a trigger."""

    def __init__(self, database: JobDatabase, corpus: str | None = "news") -> None:
        self.database = database
        self.corpus = corpus
        self.asked: list[str] = []
        """The texts that were asked about, once for each call."""

    def run(self, texts: Mapping[str, str], **changes: Any) -> str:
        """A job that has read these texts and nothing else, worked to its end."""
        job = self.enqueue(texts, **changes)
        while items := self.database.take(job):
            for item in items:
                self.work(item)
        with self.database.engine.begin() as conn:
            job_states.close_jobs(conn)
        return job

    def enqueue(self, texts: Mapping[str, str], **changes: Any) -> str:
        job = self.database.job(**{"corpus": self.corpus, "scope": "s", **changes})
        self.database.enqueue(job, texts, *TASKS)
        with self.database.engine.begin() as conn:
            stored = jobs.get_job(conn, job)
            corpora.mark_removed(conn, CorpusJob(job, stored.corpus, stored.question, False), "s")
            jobs.finish_enqueueing(conn, job)
        return job

    def work(self, item: queue.LeasedItem) -> None:
        """End an item as a worker does: with what was paid for, by question or by prompt, or by a
        call, before which another failed."""
        key, prompt = self.keys(item)
        with reading(self.database.engine) as conn:
            paid = kept_answers.find_paid(conn, [key]).get(key)
            kept = kept_answers.find_kept(conn, [prompt]).get(prompt)
        if paid is not None:
            with self.database.engine.begin() as conn:
                assert reused_results.reuse_result(conn, item, paid, ROLES)
            return
        more: dict[str, Any] = {}
        if kept is not None:
            assert kept.text == raw(item)
            more = {"reused_from": kept.id, "cost_usd": 0.0, "prompt_tokens": 0}
        else:
            self.asked.append(item.text)
            self.fail(item)
        self.database.save(
            item, found(item), key=key, prompt_key=prompt, raw_output=raw(item),
            finish_reason="stop", **more,
        )  # fmt: skip  # an answer

    def fail(self, item: queue.LeasedItem) -> None:
        with self.database.engine.begin() as conn:
            queue.record_attempt(
                conn, item, TransientCallError("no answer", raw_output="half an answ"),
                raw_output="half an answ", model="small", endpoint="http://llm", usage=Usage(7, 3),
                cost_usd=0.25,
            )  # fmt: skip  # a call

    @staticmethod
    def keys(item: queue.LeasedItem) -> tuple[str, str]:
        event = item.trigger.type if item.trigger else ""
        # white space at the end makes another question, but not another prompt
        return f"q {item.task} {event} {item.text}", f"p {item.task} {event} {item.text.strip()}"

    def count(self) -> None:
        """Count all rows into the totals of metrics, as the leading coordinator does."""
        folding = Folding(self.database.engine)
        for _ in range(2):
            folding.fold_for(self.database.engine.begin, 60.0)

    def until(self) -> Cutoff:
        """Before which everything is old."""
        return cutoff(self.database.engine, -60.0)

    def survey(self, *kinds: Kind) -> dict[Kind, Found]:
        return survey(self.database.engine, self.until(), kinds or EVERYTHING, lambda *_: None)

    def prune(self, *kinds: Kind, report: Any = lambda *_: None) -> dict[Kind, Found]:
        return prune(self.database.engine, self.until(), kinds or EVERYTHING, report)

    def progress(self, job: str) -> JobProgress:
        with reading(self.database.engine) as conn:
            return progress(conn, job)

    def rows(self, *tables: str) -> dict[str, int]:
        return {table: self.database.one(f"SELECT COUNT(*) FROM {table}") for table in tables}


ROLES = {"Movement": ("Item",)}


def raw(item: queue.LeasedItem) -> str:
    return f"{item.task} of {item.text.strip()}"


def found(item: queue.LeasedItem) -> Sequence[Item]:
    words = item.text.split()
    first = Span(words[0], 0, len(words[0]), Grounding.EXACT)
    second = Span(words[1], len(words[0]) + 1, len(words[0]) + 1 + len(words[1]), Grounding.EXACT)
    return {
        Task.NER: [Item("COMMODITY", (first,))],
        Task.ED: [Item("Movement", (second,))],
        Task.EAE: [Item("Item", (first,))],
    }[item.task]


def sums(corpus: AgedCorpus, *jobs: str) -> list[Any]:
    """All that may not change: progress, spend, the totals of metrics, what is current."""
    corpus.count()
    with reading(corpus.database.engine) as conn:
        totals = read_totals(conn, jobs).values
    return [
        [corpus.progress(job) for job in jobs],
        *(corpus.database.rows(SPEND.format(view)) for view in ("spend_by_day", "spend_by_job")),
        corpus.database.rows("SELECT * FROM job_progress ORDER BY job_id, task"),
        corpus.database.rows(SHOWN),
        {key: value for key, value in totals.items() if key.name != "folded_to"},
    ]


def gone(found: dict[Kind, Found]) -> dict[str, int]:
    return {what: amount.rows for one in found.values() for what, amount in one.goes.items()}
