"""A job worked off without an endpoint: its items leased and ended as a worker does it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Engine

from ruie.db import jobs, queue, results
from ruie.records import Item
from ruie.schema import Schema

Answers = Callable[[queue.LeasedItem], Sequence[Item]]


def finish(engine: Engine, job_id: str, answers: Answers) -> None:
    """End every item of the job with what `answers` says of it, EAE items too."""
    with engine.connect() as conn:
        schema = Schema.from_body(jobs.get_job(conn, job_id).schema_body)
    while True:
        with engine.begin() as conn:
            batches = queue.dispatch(conn, job_id, 100, 10, 60)
        if not batches:
            return
        for batch in batches:
            with engine.begin() as conn:
                leased = queue.lease(conn, batch.id, "worker-1", 60)
            for item in leased:
                said = results.NewExtraction(
                    key=f"{job_id}:{item.id}",
                    model="small",
                    endpoint="http://127.0.0.1:8000/v1",
                    prompt_version="1",
                    bundle_digest="b" * 64,
                    schema_digest=schema.digest,
                    demonstration_ids=(),
                    prompt_tokens=100,
                    completion_tokens=10,
                    latency_s=0.1,
                    raw_output="",
                    cost_usd=0.001,
                )
                with engine.begin() as conn:
                    results.save_result(conn, item, said, answers(item), schema.events)
