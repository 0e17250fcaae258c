"""A collector of OpenTelemetry: a real HTTP server that reads OTLP, and misbehaves when told to.

with Collector() as collector:
    run(env=collector.environment())
    wait_until(lambda: collector.named("batch"))
"""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from support.http_server import LocalServer, send
from support.replies import Reply

Value = str | int | float | bool | tuple[str, ...]
PROTOBUF = {"Content-Type": "application/x-protobuf"}


@dataclass(frozen=True)
class CollectedSpan:
    """A span as it was sent. links: ids of trace and span. start and end: nanoseconds."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: str
    start: int
    end: int
    attributes: Mapping[str, Value]
    links: tuple[tuple[str, str], ...]
    failed: bool
    described: str
    events: int
    resource: Mapping[str, Value] = field(repr=False)

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-01"


class Collector(LocalServer):
    """`spans` has what was taken, in order; `bodies` what was sent, taken or not. status: what is
    answered from now on. hold: answers wait until it is set."""

    def __init__(self) -> None:
        super().__init__()
        self.spans: list[CollectedSpan] = []
        self.bodies: list[bytes] = []
        self.status = 200
        self.hold = threading.Event()
        self.hold.set()

    def environment(self, traces: str = "on") -> dict[str, str]:
        """What makes a process send its spans here, soon."""
        return {
            "RUIE_TRACES": traces,
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.url,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }

    def answer(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.bodies.append(body)
        self.hold.wait()
        if self.status == 200:
            self.spans += _read(body)
            send(request, Reply(ExportTraceServiceResponse().SerializeToString(), 200, PROTOBUF))
        else:
            send(request, Reply(b"", self.status, PROTOBUF))

    def named(self, name: str) -> list[CollectedSpan]:
        return [span for span in self.spans if span.name == name]

    def under(self, parent: CollectedSpan, name: str = "") -> list[CollectedSpan]:
        """The children of a span, all or those whose name begins so."""
        return [
            span
            for span in self.spans
            if span.parent_id == parent.span_id
            and span.trace_id == parent.trace_id
            and span.name.startswith(name)
        ]


def _read(body: bytes) -> list[CollectedSpan]:
    sent = ExportTraceServiceRequest.FromString(body)
    return [
        _span(span, _attributes(resource.resource.attributes))
        for resource in sent.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _span(span: SpanMessage, resource: Mapping[str, Value]) -> CollectedSpan:
    return CollectedSpan(
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        kind=SpanMessage.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        attributes=_attributes(span.attributes),
        links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        failed=span.status.code == Status.STATUS_CODE_ERROR,
        described=span.status.message,
        events=len(span.events),
        resource=resource,
    )


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Value]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Value:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return tuple(each.string_value for each in value.array_value.values)
    told: Value = getattr(value, kind or "string_value")
    return told
