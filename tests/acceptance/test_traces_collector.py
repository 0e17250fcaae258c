"""Traces with texts, and collectors that are away or hang."""

from __future__ import annotations

import json
from pathlib import Path

from support.collector import Collector
from support.endpoint import ScriptedEndpoint, answer
from support.traced import SECRETS, Script, fleet_at, process
from support.waiting import wait_until


def test_texts_are_sent_where_they_are_asked_for_and_secrets_never(tmp_path: Path) -> None:
    with (
        Collector() as collector,
        ScriptedEndpoint(Script()) as endpoint,
        fleet_at(tmp_path, endpoint) as fleet,
    ):
        traced = collector.environment("content")
        worker = fleet.start("worker", **traced)
        process(fleet, **traced)
        worker.terminate()
    sent = b"".join(collector.bodies)
    for secret in SECRETS:
        assert secret.encode() not in sent, secret
    calls = [c.attributes for c in collector.named("chat scripted")]
    call = next(c for c in calls if "Ada met Bo" in str(c["gen_ai.input.messages"]))
    prompt = json.loads(str(call["gen_ai.input.messages"]))
    assert prompt[-1]["role"] == "user"
    assert "Ada met Bo" in prompt[-1]["parts"][0]["content"]
    assert json.loads(str(call["gen_ai.output.messages"])) == [
        {
            "role": "assistant",
            "parts": [{"type": "text", "content": "person: Ada"}],
            "finish_reason": "stop",
        }
    ]


def test_a_collector_that_is_away_stops_nothing_and_is_reported_once(tmp_path: Path) -> None:
    away = {
        "RUIE_TRACES": "on",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://eve:collector-planted-6@127.0.0.1:9",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
    }
    with (
        ScriptedEndpoint(answer("person: Ada")) as endpoint,
        fleet_at(tmp_path, endpoint) as fleet,
    ):
        worker = fleet.start("worker", **away)
        process(fleet, **away)
        wait_until(lambda: "the collector takes no spans" in worker.output())
        process(fleet, **away)
        assert worker.terminate() == 0
    assert worker.output().count("the collector takes no spans") == 1
    assert "collector-planted" not in worker.output()


def test_a_collector_that_hangs_stops_nothing_and_is_found_again(tmp_path: Path) -> None:
    with (
        Collector() as collector,
        ScriptedEndpoint(answer("person: Ada")) as endpoint,
        fleet_at(tmp_path, endpoint) as fleet,
    ):
        collector.hold.clear()
        traced = collector.environment() | {"OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
        worker = fleet.start("worker", **traced)
        process(fleet, **traced)
        assert not collector.spans
        wait_until(lambda: "the collector takes no spans" in worker.output())
        collector.hold.set()
        process(fleet, **traced)
        wait_until(lambda: "the collector takes spans again" in worker.output())
        assert worker.terminate() == 0
