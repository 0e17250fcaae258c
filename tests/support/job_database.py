"""A database with jobs in it, as the contract tests see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Engine

from ruie.db import jobs, many_results, queue, results
from ruie.db.job_settings import JobSettings
from ruie.db.models import FTS
from ruie.decoding import Decoding
from ruie.records import Item, Task
from ruie.schema import Schema

SCHEMA: dict[str, Any] = {
    "name": "oil-news",
    "entities": {"COMMODITY": "", "ORGANISATION": ""},
    "events": {"Movement": ["Item", "Difference"], "Caused": []},
}
DIGEST = Schema.from_body(SCHEMA).digest
ROLES = {"Movement": ("Item", "Difference"), "Caused": ()}


class JobDatabase:
    """A database with jobs in it, and the steps a document takes, one call each."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.saves_many = False
        """Whether results are saved by what saves many at once."""

    def job(self, name: str = "oil", **changes: Any) -> str:
        new = jobs.NewJob(
            name=name,
            schema_name="oil-news",
            schema_body=SCHEMA,
            schema_digest=DIGEST,
            model="small",
            endpoint="http://127.0.0.1:8000/v1",
            prompt_version="1",
            settings=JobSettings(Decoding()),
        )
        with self.engine.begin() as conn:
            return jobs.create_job(conn, replace(new, **changes))

    def enqueue(
        self, job: str, texts: Mapping[str, str] | Sequence[str], *tasks: Task
    ) -> queue.EnqueueCounts:
        named = texts if isinstance(texts, Mapping) else dict(zip(texts, texts, strict=True))
        rows = [
            queue.NewDocument(text, name, source="news.jsonl", line=line, metadata={"n": line})
            for line, (name, text) in enumerate(named.items(), 1)
        ]
        with self.engine.begin() as conn:
            return queue.enqueue_documents(conn, job, rows, tasks or (Task.NER,))

    def dispatch(
        self, job: str | None = None, limit: int = 100, size: int = 10, ttl_s: float = 60
    ) -> list[queue.Batch]:
        with self.engine.begin() as conn:
            return queue.dispatch(conn, job, limit, size, ttl_s)

    def lease(
        self, batch: str, owner: str = "worker-1", ttl_s: float = 60
    ) -> list[queue.LeasedItem]:
        with self.engine.begin() as conn:
            return queue.lease(conn, batch, owner, ttl_s)

    def take(self, job: str | None = None, ttl_s: float = 60) -> list[queue.LeasedItem]:
        """Dispatch all there is and lease it."""
        return [item for b in self.dispatch(job) for item in self.lease(b.id, ttl_s=ttl_s)]

    def extraction(self, key: str = "k1", **changes: Any) -> results.NewExtraction:
        new = results.NewExtraction(
            key=key,
            model="small",
            endpoint="http://127.0.0.1:8000/v1",
            prompt_version="1",
            bundle_digest="b" * 64,
            schema_digest=DIGEST,
            demonstration_ids=("d1", "d2"),
            prompt_tokens=100,
            completion_tokens=10,
            latency_s=0.25,
            raw_output="COMMODITY: Crude",
            cost_usd=0.0015,
        )
        return replace(new, **changes)

    def save(
        self, item: queue.LeasedItem, items: Sequence[Item] = (), key: str | None = None, **kw: Any
    ) -> bool:
        extraction = self.extraction(key or f"{item.task}:{item.text}:{item.event_id}", **kw)
        with self.engine.begin() as conn:
            if self.saves_many:
                result = many_results.Result(item, extraction, items, ROLES)
                return item.lease in many_results.save_results(conn, [result])
            return results.save_result(conn, item, extraction, items, ROLES)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.engine.connect() as conn:
            return [tuple(row) for row in conn.exec_driver_sql(sql)]

    def one(self, sql: str) -> Any:
        ((value,),) = self.rows(sql)
        return value

    def indexed(self) -> int:
        """Documents that are indexed for search; fails where one is twice."""
        twice = self.rows(
            "SELECT document_id, char_start FROM document_parts GROUP BY document_id, char_start"
            " HAVING COUNT(*) > 1"
        )
        assert twice == []
        assert self.rows(
            f"SELECT COUNT(*), COUNT(DISTINCT f.rowid) FROM document_parts p JOIN {FTS} f"
            " ON f.rowid = p.id"
        ) == self.rows("SELECT COUNT(*), COUNT(*) FROM document_parts")
        return int(self.one("SELECT COUNT(DISTINCT document_id) FROM document_parts"))

    def states(self, job: str) -> list[str]:
        return [
            row[0]
            for row in self.rows(f"SELECT state FROM work_items WHERE job_id = '{job}' ORDER BY id")
        ]

    def pass_time(self, seconds: float) -> None:
        """Move every moment the queue waits for into the past, by the database's own clock."""
        sqlite = self.engine.dialect.name == "sqlite"
        with self.engine.begin() as conn:
            for name in ("not_before", "dispatched_until", "lease_expires"):
                earlier = (
                    f"strftime('%Y-%m-%d %H:%M:%f', {name}, '-{seconds} seconds') || '000'"
                    if sqlite
                    else f"{name} - interval '{seconds} seconds'"
                )
                conn.exec_driver_sql(
                    f"UPDATE work_items SET {name} = {earlier} WHERE {name} IS NOT NULL"
                )
