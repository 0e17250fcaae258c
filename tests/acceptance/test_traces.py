"""Traces of a fleet, as a collector gets them: enqueue, batch, item, call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.collector import CollectedSpan, Collector
from support.endpoint import Reply, ScriptedEndpoint, answer, failure
from support.fleet import Fleet
from support.waiting import wait_until

from ruie.packaged import packaged_bundle

TEXTS = ["Ada met Bo .", "Bea waits .", "Cy is slow .", "Dee rambles ."]
KEY = "sk-planted-in-a-span-77"
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
USAGE = {
    "prompt_tokens": 120,
    "completion_tokens": 9,
    "prompt_tokens_details": {"cached_tokens": 100},
}


class Script:
    """Bea is refused once for the rate, Cy's endpoint fails once, Dee's answers cannot be read."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def __call__(self, body: dict[str, Any], _: int) -> Reply:
        prompt = body["messages"][-1]["content"]
        name = next((n for n in ("Bea", "Cy", "Dee") if n in prompt), "Ada")
        first = name not in self.seen
        self.seen.add(name)
        if name == "Bea" and first:
            return failure(429, message=f"slow down: {prompt} {KEY}", retry_after="1")
        if name == "Cy" and first:
            return failure(500, message=f"failed on: {prompt} {KEY}")
        if name == "Dee":
            return answer("I would rather not say anything about it today")
        return answer("person: Ada", usage=USAGE, model="scripted-2026")


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest.fixture
def endpoint() -> Iterator[ScriptedEndpoint]:
    with ScriptedEndpoint(Script()) as running:
        yield running


@pytest.fixture
def fleet(tmp_path: Path, endpoint: ScriptedEndpoint) -> Iterator[Fleet]:
    url = endpoint.url.replace("http://", "http://ada:pass-planted-9@")
    with Fleet(
        tmp_path,
        f"sqlite:///{tmp_path}/ruie.db",
        packaged_bundle(),
        f"{url}?api-key=query-planted-8",
        llm_api_key=KEY,
        llm_model="scripted",
        llm_parameters={"top_p": 0.5},
        max_attempts=2,
        concurrency=2,
        demonstrations=2,
    ) as running:
        (tmp_path / "names.yaml").write_text("name: names\nentities: [person]\n")
        lines = (json.dumps({"id": f"d{n}", "text": t}) for n, t in enumerate(TEXTS))
        (tmp_path / "names.jsonl").write_text("\n".join(lines))
        running.start("coordinator")
        yield running


def enqueue(fleet: Fleet, **env: str) -> str:
    return fleet.ruie("enqueue", "names.jsonl", "--schema", "names.yaml", "--new", **env)


def only(spans: list[CollectedSpan]) -> CollectedSpan:
    (span,) = spans
    return span


def items_of(collector: Collector, outcome: str) -> list[CollectedSpan]:
    found = [s for s in collector.named("item NER") if s.attributes["ruie.item.outcome"] == outcome]
    return sorted(found, key=lambda span: span.start)


def test_enqueue_batch_item_and_call_are_one_tree(
    fleet: Fleet, collector: Collector, endpoint: ScriptedEndpoint
) -> None:
    traced = collector.environment() | {"RUIE_LOG_FORMAT": "json"}
    worker = fleet.start("worker", **traced)
    job_id = enqueue(fleet, TRACEPARENT=PARENT, **traced)

    enqueued = only(collector.named("enqueue"))
    assert (enqueued.trace_id, enqueued.parent_id) == (PARENT[3:35], PARENT[36:52])
    assert enqueued.kind == "producer"
    assert enqueued.attributes == {
        "ruie.job.id": job_id,
        "ruie.documents": 4,
        "ruie.documents.new": 4,
        "ruie.documents.refused": 0,
        "ruie.items": 4,
    }
    fleet.wait_done(job_id)
    worker.terminate()

    batches = collector.named("batch")
    for batch in batches:
        assert batch.kind == "consumer"
        assert batch.parent_id == ""
        assert batch.links == ((enqueued.trace_id, enqueued.span_id),)
        assert batch.attributes["ruie.job.id"] == job_id
        assert batch.attributes["ruie.job.class"] == "normal"
        assert len(collector.under(batch, "item")) == batch.attributes["ruie.items"]
        assert collector.under(batch, "prepare")
        assert batch.resource["service.name"] == "ruie"
    assert len({batch.trace_id for batch in batches} | {enqueued.trace_id}) == len(batches) + 1
    assert all(s.trace_id in {b.trace_id for b in batches} for s in collector.named("item NER"))

    assert [s.attributes["ruie.document.id"] for s in items_of(collector, "saved")][:1] == [1]
    saved = items_of(collector, "saved")[0]
    assert saved.attributes["ruie.item.task"] == "NER"
    assert saved.attributes["ruie.item.attempt"] == 1
    assert only(collector.under(saved, "save")).end <= saved.end
    call = only(collector.under(saved, "chat"))
    assert (call.name, call.kind, call.failed) == ("chat scripted", "client", False)
    assert saved.start <= call.start < call.end <= saved.end
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
        "server.port": int(endpoint.url.split(":")[2].split("/")[0]),
    }
    # as many calls as the endpoint saw, and no more
    assert len([s for s in collector.spans if s.name == "chat scripted"]) == endpoint.count


def test_what_fails_says_its_class_and_is_tried_again(fleet: Fleet, collector: Collector) -> None:
    worker = fleet.start("worker", **collector.environment())
    job_id = enqueue(fleet, **collector.environment())
    fleet.wait_done(job_id)
    worker.terminate()

    failed = [
        (
            s.attributes["ruie.document.id"],
            s.attributes["error.type"],
            s.attributes["ruie.item.decision"],
            [c.attributes.get("error.type") for c in collector.under(s, "chat")],
        )
        for s in items_of(collector, "failed")
    ]
    assert sorted(failed, key=str) == [
        (2, "rate_limited", "PauseEndpoint", ["rate_limited"]),
        (3, "transient", "Retry", ["transient"]),
        (4, "output", "Quarantine", [None]),
        (4, "output", "Retry", [None]),
    ]
    assert all(span.failed for span in items_of(collector, "failed"))
    # the later attempts are other batches, and so other traces
    assert {s.attributes["ruie.document.id"] for s in items_of(collector, "saved")} == {1, 2, 3}
    # the 429 holds the fleet's calls up; that is seen, and how long
    waits = collector.named("wait for limits")
    assert max((wait.end - wait.start for wait in waits), default=0) > 1_000_000


def test_an_answer_that_was_stored_makes_an_item_without_a_call(
    fleet: Fleet, collector: Collector, endpoint: ScriptedEndpoint
) -> None:
    endpoint.script = answer("person: Ada")
    worker = fleet.start("worker", **collector.environment())
    fleet.wait_done(enqueue(fleet, **collector.environment()))
    asked = endpoint.count
    fleet.wait_done(enqueue(fleet, **collector.environment()))
    worker.terminate()
    assert endpoint.count == asked == 4
    reused = items_of(collector, "reused")
    assert len(reused) == 4
    assert [collector.under(span) for span in reused] == [[]] * 4
    assert {b.attributes.get("ruie.items.reused", 0) for b in collector.named("batch")} >= {0, 4}


def test_a_log_line_has_the_ids_of_its_span(fleet: Fleet, collector: Collector) -> None:
    traced = collector.environment() | {"RUIE_LOG_FORMAT": "json"}
    worker = fleet.start("worker", **traced)
    fleet.wait_done(enqueue(fleet, **traced))
    worker.terminate()
    lines = [json.loads(line) for line in worker.output().splitlines() if line.startswith("{")]
    spans = {(span.trace_id, span.span_id): span for span in collector.spans}
    named = [line for line in lines if "trace_id" in line]
    assert named
    for line in named:
        span = spans[line["trace_id"], line["span_id"]]
        if "item_id" in line:
            assert span.attributes["ruie.item.id"] == line["item_id"]
        else:
            assert span.attributes["ruie.batch.id"] == line["batch_id"]


@pytest.mark.parametrize("traces", ["on", "content"])
def test_no_text_and_no_secret_leaves_unless_texts_are_asked_for(
    fleet: Fleet, collector: Collector, traces: str
) -> None:
    """The endpoint repeats the prompt and the key in its errors."""
    headers = {"OTEL_EXPORTER_OTLP_HEADERS": "x-token=collector-planted-6"}
    traced = collector.environment(traces) | headers
    worker = fleet.start("worker", **traced)
    fleet.wait_done(enqueue(fleet, **traced))
    worker.terminate()

    sent = b"".join(collector.bodies)
    secrets = (KEY, "pass-planted-9", "query-planted-8", "collector-planted-6")
    for secret in secrets:
        assert secret.encode() not in sent, secret
    told = [*TEXTS, "I would rather not", "person: Ada", "names.jsonl", "slow down", "failed on"]
    assert all(span.described == "" and span.events == 0 for span in collector.spans)
    calls = [span for span in collector.spans if span.name == "chat scripted"]
    if traces == "on":
        for text in told:
            assert text.encode() not in sent, text
        assert not any("messages" in name for c in calls for name in c.attributes)
    else:
        call = next(c for c in calls if "Ada met Bo" in str(c.attributes))
        prompt = json.loads(str(call.attributes["gen_ai.input.messages"]))
        assert prompt[-1]["role"] == "user"
        assert "Ada met Bo" in prompt[-1]["parts"][0]["content"]
        (said,) = json.loads(str(call.attributes["gen_ai.output.messages"]))
        assert said == {
            "role": "assistant",
            "parts": [{"type": "text", "content": "person: Ada"}],
            "finish_reason": "stop",
        }
    assert collector.received[0].headers["x-token"] == "collector-planted-6"


def test_a_collector_that_is_away_stops_nothing_and_is_said_once(
    fleet: Fleet, endpoint: ScriptedEndpoint
) -> None:
    endpoint.script = answer("person: Ada")
    away = {
        "RUIE_TRACES": "on",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://eve:collector-planted-6@127.0.0.1:9",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "RUIE_CONCURRENCY": "1",
    }
    worker = fleet.start("worker", **away)
    fleet.wait_done(enqueue(fleet, **away))
    wait_until(lambda: "the collector takes no spans" in worker.output())
    fleet.wait_done(enqueue(fleet, **away))
    assert worker.terminate() == 0
    output = worker.output()
    assert output.count("the collector takes no spans") == 1
    assert "collector-planted" not in output
    assert "Transient error" not in output


def test_a_collector_that_hangs_stops_nothing_and_is_found_again(
    fleet: Fleet, collector: Collector, endpoint: ScriptedEndpoint
) -> None:
    endpoint.script = answer("person: Ada")
    collector.hold.clear()
    traced = collector.environment() | {"OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    worker = fleet.start("worker", **traced)
    fleet.wait_done(enqueue(fleet, **traced))
    assert not collector.spans
    wait_until(lambda: "the collector takes no spans" in worker.output())
    collector.hold.set()
    fleet.wait_done(enqueue(fleet, **traced))
    wait_until(lambda: "the collector takes spans again" in worker.output())
    assert worker.terminate() == 0
