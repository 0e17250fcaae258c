"""Traces of a fleet, as a collector gets them: enqueue, batch, item, call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from sqlalchemy import text
from support.collector import CollectedSpan, Collector
from support.endpoint import ScriptedEndpoint
from support.traced import RAMBLES, SECRETS, TEXTS, Script, fleet_at, process

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@dataclass(frozen=True)
class Run:
    """The documents were processed in two jobs, one after the other. documents: their ids, by the
    first word of the text. calls: that the endpoint had."""

    collector: Collector
    jobs: tuple[str, str]
    documents: dict[str, int]
    calls: int
    port: int
    worker_pid: int
    log: str

    def items(self, outcome: str, job: int = 0) -> list[CollectedSpan]:
        """The items of a job that ended so."""
        batches = {b.trace_id for b in self.batches(job)}
        return [
            span
            for span in self.collector.named("item NER")
            if span.trace_id in batches and span.attributes["ruie.item.outcome"] == outcome
        ]

    def batches(self, job: int) -> list[CollectedSpan]:
        named = self.collector.named("batch")
        return [span for span in named if span.attributes["ruie.job.id"] == self.jobs[job]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("traced")
    with (
        Collector() as collector,
        ScriptedEndpoint(Script()) as endpoint,
        fleet_at(folder, endpoint, concurrency=2) as fleet,
    ):
        headers = {"OTEL_EXPORTER_OTLP_HEADERS": "x-token=collector-planted-6"}
        traced = collector.environment() | headers | {"RUIE_LOG_FORMAT": "json"}
        worker = fleet.start("worker", **traced)
        jobs = process(fleet, TRACEPARENT=PARENT, **traced), process(fleet, **traced)
        worker.terminate()
        with fleet.client.engine.connect() as conn:
            rows = conn.execute(text("SELECT id, text FROM documents")).all()
        ids = {row.text.split()[0]: row.id for row in rows}
        port = int(endpoint.url.split(":")[2].split("/")[0])
        yield Run(collector, jobs, ids, endpoint.count, port, worker.pid, worker.output())


def only(spans: list[CollectedSpan]) -> CollectedSpan:
    (span,) = spans
    return span


def test_enqueueing_is_a_span_in_the_trace_of_the_caller(run: Run) -> None:
    first, second = run.collector.named("enqueue")
    assert (first.trace_id, first.parent_id) == (PARENT[3:35], PARENT[36:52])
    assert second.parent_id == ""
    assert first.kind == "producer"
    assert first.attributes == {
        "ruie.job.id": run.jobs[0],
        "ruie.documents": 4,
        "ruie.documents.new": 4,
        "ruie.documents.refused": 0,
        "ruie.items": 4,
    }


def test_a_batch_is_a_trace_linked_to_the_enqueueing(run: Run) -> None:
    for job, enqueued in enumerate(run.collector.named("enqueue")):
        batches = run.batches(job)
        assert batches
        for batch in batches:
            assert (batch.kind, batch.parent_id, batch.failed) == ("consumer", "", False)
            assert batch.links == ((enqueued.trace_id, enqueued.span_id),)
            assert batch.attributes["ruie.job.class"] == "normal"
            assert len(run.collector.under(batch, "item")) == batch.attributes["ruie.items"]
    batches = run.collector.named("batch")
    assert len({batch.trace_id for batch in batches}) == len(batches)
    # recorded in the children of the worker, which share no thread with it
    assert all(batch.resource["service.name"] == "ruie" for batch in batches)
    assert run.worker_pid not in {batch.resource["process.pid"] for batch in batches}


def test_an_item_has_its_call_and_its_saving(run: Run) -> None:
    ada = run.documents["Ada"]
    item = only([s for s in run.items("saved") if s.attributes["ruie.document.id"] == ada])
    assert item.attributes["ruie.item.task"] == "NER"
    assert item.attributes["ruie.item.attempt"] == 1
    assert only(run.collector.under(item, "save")).end <= item.end
    call = only(run.collector.under(item, "chat"))
    assert (call.name, call.kind, call.failed) == ("chat scripted", "client", False)
    assert item.start <= call.start < call.end <= item.end
    assert call.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai_compatible",
        "gen_ai.request.model": "scripted",
        "gen_ai.request.max_tokens": 256,
        "gen_ai.request.temperature": 0.0,
        "gen_ai.request.top_p": 0.5,
        "gen_ai.response.model": "scripted-2026",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 120,
        "gen_ai.usage.output_tokens": 9,
        "gen_ai.usage.cache_read.input_tokens": 100,
        "server.address": "127.0.0.1",
        "server.port": run.port,
    }


def test_each_call_that_was_sent_is_one_span(run: Run) -> None:
    calls = run.collector.named("chat scripted")
    assert len(calls) == run.calls
    items = {(item.trace_id, item.span_id) for item in run.collector.named("item NER")}
    assert {(call.trace_id, call.parent_id) for call in calls} <= items


def test_what_fails_says_its_class_and_is_tried_again(run: Run) -> None:
    failed = [
        (
            span.attributes["ruie.document.id"],
            span.attributes["error.type"],
            span.attributes["ruie.item.decision"],
            [call.attributes.get("error.type") for call in run.collector.under(span, "chat")],
        )
        for span in run.items("failed")
    ]
    bea, cy, dee = (run.documents[name] for name in ("Bea", "Cy", "Dee"))
    expected = [
        (bea, "rate_limited", "PauseEndpoint", ["rate_limited"]),
        (cy, "transient", "Retry", ["transient"]),
        (dee, "output", "Quarantine", [None]),
        (dee, "output", "Retry", [None]),
    ]
    assert sorted(failed, key=str) == sorted(expected, key=str)
    assert all(span.failed for span in run.items("failed"))
    saved = {span.attributes["ruie.document.id"] for span in run.items("saved")}
    assert saved == {run.documents["Ada"], bea, cy}
    # the 429 held up the fleet's next call
    waits = run.collector.named("wait for limits")
    assert any(wait.end - wait.start > 1_000_000 for wait in waits)


def test_an_answer_that_was_stored_makes_an_item_without_a_call(run: Run) -> None:
    reused = run.items("reused", job=1)
    assert len(reused) == 3  # all but Dee, who is asked again
    assert [run.collector.under(span) for span in reused] == [[]] * 3
    counted = [batch.attributes.get("ruie.items.reused") for batch in run.batches(1)]
    assert sum(each for each in counted if isinstance(each, int)) == 3


def test_a_log_line_has_the_ids_of_its_span(run: Run) -> None:
    lines = [json.loads(line) for line in run.log.splitlines() if line.startswith("{")]
    spans = {(span.trace_id, span.span_id): span for span in run.collector.spans}
    named = [line for line in lines if "trace_id" in line]
    assert any("item_id" in line for line in named)
    for line in named:
        span = spans[line["trace_id"], line["span_id"]]
        kind = "item" if "item_id" in line else "batch"
        assert span.attributes[f"ruie.{kind}.id"] == line[f"{kind}_id"]


def test_no_text_and_no_secret_is_sent(run: Run) -> None:
    sent = b"".join(run.collector.bodies)
    told = [*TEXTS, RAMBLES, "person: Ada", "names.jsonl", "slow down", "failed on"]
    for words in (*told, *SECRETS):
        assert words.encode() not in sent, words
    assert all(not span.described and not span.events for span in run.collector.spans)
    assert run.collector.received[0].headers["x-token"] == "collector-planted-6"
