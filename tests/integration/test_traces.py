"""Spans of one process: what a collector gets of enqueueing and batches, samplers, bounds."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from support.collector import Collector
from support.waiting import PATIENCE_S, wait_until

from ruie.client import Client
from ruie.db import jobs
from ruie.db.job_changes import JobChange, change_job
from ruie.db.leased_item import LeasedItem
from ruie.errors import SettingsError
from ruie.records import Task
from ruie.schema import Schema
from ruie.settings import load
from ruie.worker import learning
from ruie.worker.batches.outcome import Outcome
from ruie.worker.tracing import opening, recording
from ruie.worker.tracing.spans import Tracer

SCHEMA = Schema("names", entities={"person": ""})
ITEM = LeasedItem(7, 1, "job_1", Task.NER, "Ada .", 1, 0, 70, None, None, 1, 0)


def job(client: Client) -> jobs.Job:
    """One that was enqueued."""
    done = client.enqueue([{"id": "a", "text": "Ada met Bo ."}], SCHEMA)
    with client.engine.connect() as conn:
        return jobs.get_job(conn, done.job_id)


def record(tracer: Tracer, of: jobs.Job, batches: int, items: int = 1) -> None:
    for number in range(batches):
        with tracer.batch(of, f"b{number}", items) as batch:
            for _ in range(items):
                batch.item(ITEM).end("saved")


# Enqueueing in Python


def test_enqueueing_in_a_span_of_the_program_is_a_part_of_it(
    traced_client: Client, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes before what the environment says."""
    monkeypatch.setenv("TRACEPARENT", f"00-{3:032x}-{4:016x}-01")
    outer = SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(1))
    with trace.use_span(NonRecordingSpan(outer)):
        job(traced_client)
    job(traced_client)
    opening.close()
    parents = [(span.trace_id, span.parent_id) for span in collector.named("enqueue")]
    assert parents == [(f"{1:032x}", f"{2:016x}"), (f"{3:032x}", f"{4:016x}")]


def test_an_enqueueing_that_fails_says_so(traced_client: Client, collector: Collector) -> None:
    def rows() -> Iterator[Mapping[str, Any]]:
        yield {"id": "a", "text": "Ada ."}
        raise ZeroDivisionError("in the source")

    with pytest.raises(ZeroDivisionError):
        traced_client.enqueue(rows(), SCHEMA)
    opening.close()
    (span,) = collector.named("enqueue")
    assert (span.failed, span.described, span.events) == (True, "", 0)
    assert span.attributes["error.type"] == "ZeroDivisionError"


def test_a_job_keeps_where_it_was_enqueued_also_when_it_is_changed(
    traced_client: Client, collector: Collector
) -> None:
    made = job(traced_client)
    with traced_client.engine.begin() as conn:
        change_job(conn, made.id, JobChange(max_tokens=99))
        changed = jobs.get_job(conn, made.id)
    opening.close()
    (span,) = collector.named("enqueue")
    assert made.settings.traceparent == changed.settings.traceparent
    assert made.settings.traceparent[:52] == span.traceparent[:52]
    assert changed.settings.decoding.max_tokens == 99


def test_a_job_that_asks_again_has_an_enqueueing_of_its_own(
    traced_client: Client, collector: Collector
) -> None:
    made, config = job(traced_client), traced_client.config
    again = [
        learning.ask_again(traced_client.engine, made, 1, each).job_id
        for each in (config, config.model_copy(update={"traces": "off"}))
    ]
    with traced_client.engine.connect() as conn:
        traced, untraced = (jobs.get_job(conn, each).settings.traceparent for each in again)
    opening.close()
    assert [span.traceparent[:52] for span in collector.named("enqueue")] == [
        made.settings.traceparent[:52],
        traced[:52],
    ]
    assert untraced == ""


def test_a_job_of_the_same_documents_asks_the_same_question(traced_client: Client) -> None:
    traced = job(traced_client)
    untraced = traced_client.config.model_copy(update={"traces": "off"})
    plain = Client(untraced, traced_client.engine)
    assert job(plain).question == traced.question
    assert job(plain).settings.traceparent == ""


def test_what_enqueued_without_traces_is_linked_to_nothing(
    traced_client: Client, collector: Collector
) -> None:
    made = job(traced_client)
    for traceparent in ("", "what is this", f"00-{0:032x}-{0:016x}-00"):
        settings = replace(made.settings, traceparent=traceparent)
        record(opening.tracer(traced_client.config), replace(made, settings=settings), 1)
    opening.close()
    assert [span.links for span in collector.named("batch")] == [()] * 3


# Which traces, and how many spans


def test_a_sampler_takes_whole_batches(
    traced_client: Client, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    record(opening.tracer(traced_client.config), job(traced_client), batches=200, items=3)
    opening.close()
    batches = collector.named("batch")
    assert 50 < len(batches) < 150  # 14 standard deviations
    assert all(len(collector.under(batch, "item")) == 3 for batch in batches)
    assert len(collector.named("item NER")) == 3 * len(batches)


def test_nothing_is_sent_where_the_sampler_takes_nothing(
    traced_client: Client, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    made = job(traced_client)
    record(opening.tracer(traced_client.config), made, 3)
    opening.close()
    assert not collector.bodies
    assert int(made.settings.traceparent[-2:], 16) & TraceFlags.SAMPLED == 0


def test_a_collector_that_hangs_costs_a_bounded_queue_and_a_bounded_end(
    traced_client: Client,
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "64")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "16")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "600")
    collector.hold.clear()
    tracer = opening.tracer(traced_client.config)
    record(tracer, job(traced_client), batches=500)
    opening.close()  # the collector still holds the first request
    assert "did not take the last spans" in caplog.text
    collector.hold.set()
    wait_until(lambda: collector.spans)
    assert len(collector.spans) <= 64 + 16


def test_settings_that_opentelemetry_refuses_are_an_error_at_once(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "99999")
    with pytest.raises(SettingsError, match="max_export_batch_size"):
        opening.check(load())


def test_a_child_has_a_tracer_of_its_own(
    traced_client: Client, collector: Collector, tmp_path: Path
) -> None:
    """Both deliver what they recorded, once."""
    code = """
import os
from ruie.client import Client
from ruie.schema import Schema
from ruie.worker import learning
from ruie.worker.tracing import opening
client = Client()
rows, schema = [{"id": "a", "text": "Ada ."}], Schema("n", entities={"person": ""})
client.enqueue(rows, schema)
client.engine.dispose()
if (child := os.fork()) == 0:
    Client().enqueue(rows, schema)
    opening.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
client.enqueue(rows, schema)
"""
    environment = {**os.environ, "RUIE_DATABASE_URL": traced_client.config.database_url}
    command = [sys.executable, "-W", "ignore", "-c", code]
    subprocess.run(command, env=environment, cwd=tmp_path, check=True, timeout=PATIENCE_S)
    pids = [span.resource["process.pid"] for span in collector.named("enqueue")]
    assert (len(pids), len(set(pids))) == (3, 2)


def test_the_service_has_the_name_that_it_is_given(
    traced_client: Client, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "news-extraction")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    job(traced_client)
    opening.close()
    (span,) = collector.named("enqueue")
    assert span.resource["service.name"] == "news-extraction"
    assert span.resource["deployment.environment.name"] == "test"


def test_the_library_of_another_exporter_keeps_its_words(
    traced_client: Client, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    job(traced_client)
    library = logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    library.warning("of another exporter")
    assert "of another exporter" in caplog.text


def test_whatever_a_batch_counts_has_an_attribute() -> None:
    assert {field.name for field in fields(Outcome)} == set(recording._COUNTED)
