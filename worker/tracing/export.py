"""How spans leave a process: OTLP over HTTP, from a thread with a bounded queue.

The SDK reads `OTEL_*` itself: the endpoint, headers, certificates, time-outs, the sampler, the
resource, and how long its queue is. What it cannot send in time is dropped.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Sequence
from contextvars import ContextVar

from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Tracer

from ruie import __version__
from ruie.secrets import masked

log = logging.getLogger("ruie.traces")

CLOSE_S = 2.0
"""So long a process that ends waits for the collector, at most."""
SERVICE = "ruie"
"""The service's name, where neither OTEL_SERVICE_NAME nor OTEL_RESOURCE_ATTRIBUTES has one."""

_said: ContextVar[list[str] | None] = ContextVar("ruie_traces_said", default=None)


class _OwnWords(logging.Filter):
    """Keeps what the library would log about an export of ours, for `_Reporting` to say: it repeats
    URLs as they are, once for each attempt."""

    def filter(self, record: logging.LogRecord) -> bool:
        said = _said.get()
        if said is None:
            return True  # an exporter of somebody else's in this process
        said.append(record.getMessage())
        return False


_OWN_WORDS = _OwnWords()


class _Reporting(SpanExporter):
    """An exporter that logs when spans can no longer be sent, and when they can again."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner
        self._away = self._closed = False
        logging.getLogger(trace_exporter.__name__).addFilter(_OWN_WORDS)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        said: list[str] = []
        token = _said.set(said)
        try:
            result = self._inner.export(spans)
        except Exception as error:  # whatever the transport raises: traces are never worth more
            said.append(f"{type(error).__name__}: {error}")
            result = SpanExportResult.FAILURE
        finally:
            _said.reset(token)
        self._report(result is not SpanExportResult.SUCCESS, masked(" ".join(said[:1])))
        return result

    def _report(self, away: bool, why: str) -> None:
        if away and not self._away and not self._closed:
            log.warning("traces: the collector takes no spans, they are dropped (%s)", why)
        elif self._away and not away:
            log.info("traces: the collector takes spans again")
        self._away = away

    def shutdown(self) -> None:
        if not self._closed:
            self._closed = True
            self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._inner.force_flush(timeout_millis)


class Exporting:
    """A provider of spans with its thread; made in the process that uses it."""

    def __init__(self) -> None:
        self._exporter = _Reporting(OTLPSpanExporter())
        self._provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._closed = False

    def tracer(self) -> Tracer:
        """Of the library that makes the spans: ruie."""
        return self._provider.get_tracer("ruie", __version__)

    def close(self) -> None:
        """Send what is left, for `CLOSE_S` at most; what is then unsent is lost."""
        if self._closed:
            return
        self._closed = True
        # In a thread, as the library waits for 30 s.
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(CLOSE_S)
        if closing.is_alive():
            log.warning("traces: the collector did not take the last spans in %g s", CLOSE_S)
            self._exporter.shutdown()  # ends its waiting for the next attempt


def _resource() -> Resource:
    named = OTELResourceDetector().detect().attributes.get(SERVICE_NAME)
    return Resource.create(
        {
            SERVICE_NAME: named or SERVICE,
            "service.version": __version__,
            "host.name": socket.gethostname(),
            "process.pid": os.getpid(),
        }
    )
