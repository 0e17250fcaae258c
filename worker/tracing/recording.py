"""Spans that are recorded: enqueue; batch → item → call.

A batch is a trace of its own, linked to the enqueueing of its job. In one trace a job of a million
items would have some million spans, open for weeks, and a sampler could only take all of them or
none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from opentelemetry import trace
from opentelemetry.context import Context, get_current
from opentelemetry.trace import Link, Span, SpanContext, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from ruie.db.jobs import Job, Priority
from ruie.db.leased_item import LeasedItem
from ruie.errors import CallError, RuieError
from ruie.llm import CallHook
from ruie.worker.logs import identify
from ruie.worker.tracing import names
from ruie.worker.tracing.calls import RecordedCalls, mark_failed
from ruie.worker.tracing.export import Exporting
from ruie.worker.tracing.spans import BatchSpan, EnqueueSpan, ItemSpan, ProfileOf, Tracer

_PROPAGATOR = TraceContextTextMapPropagator()


class RecordingTracer(Tracer):
    """incoming: the trace to which this process belongs (`ruie.settings.incoming_trace`). content:
    whether prompts and answers are recorded too."""

    def __init__(
        self, exporting: Exporting, incoming: Callable[[], dict[str, str]], *, content: bool
    ) -> None:
        self._exporting = exporting
        self._tracer = exporting.tracer()
        self._incoming = incoming
        self._content = content

    @contextmanager
    def enqueueing(self) -> Iterator[EnqueueSpan]:
        """In the trace of the caller, where it has one; else in that of the process."""
        within = get_current()
        if not trace.get_current_span(within).get_span_context().is_valid:
            within = _PROPAGATOR.extract(self._incoming(), within)
        span = self._tracer.start_span(names.ENQUEUE, within, SpanKind.PRODUCER)
        with _current(span):
            yield _Enqueue(span)

    @contextmanager
    def batch(self, job: Job, batch_id: str, items: int) -> Iterator[BatchSpan]:
        span = self._tracer.start_span(
            names.BATCH,
            Context(),  # no parent
            SpanKind.CONSUMER,
            {
                names.JOB_ID: job.id,
                names.JOB_CLASS: Priority(job.priority).name.lower(),
                names.BATCH_ID: batch_id,
                names.ITEMS: items,
            },
            [Link(origin)] if (origin := _parsed(job.settings.traceparent)) else None,
        )
        batch = _Batch(self._tracer, span)
        with _current(span):
            try:
                yield batch
            finally:
                batch.end()

    def hook(self, inner: CallHook, endpoint: str, profile: ProfileOf) -> CallHook:
        return RecordedCalls(inner, self._tracer, endpoint, profile, content=self._content)

    def close(self) -> None:
        self._exporting.close()


class _Enqueue(EnqueueSpan):
    __slots__ = ("_span", "traceparent")

    def __init__(self, span: Span) -> None:
        self._span = span
        context = span.get_span_context()
        self.traceparent = _written(context) if context.is_valid else ""

    def done(self, job_id: str, documents: int, new: int, items: int, refused: int) -> None:
        self._span.set_attributes(
            {
                names.JOB_ID: job_id,
                names.DOCUMENTS: documents,
                names.NEW_DOCUMENTS: new,
                names.ITEMS: items,
                names.REFUSED: refused,
            }
        )


class _Batch(BatchSpan):
    __slots__ = ("_items", "_span", "_tracer", "_within")

    def __init__(self, tracer: trace.Tracer, span: Span) -> None:
        self._tracer = tracer
        self._span = span
        self._within = trace.set_span_in_context(span, Context())
        self._items: list[_Item] = []

    def item(self, leased: LeasedItem) -> ItemSpan:
        attributes: dict[str, AttributeValue] = {
            names.ITEM_ID: leased.id,
            names.TASK: leased.task.value,
            names.ATTEMPT: leased.attempts,
            names.DOCUMENT_ID: leased.document_id,
        }
        name = f"{names.ITEM} {leased.task.value}"
        item = _Item(
            self._tracer, self._tracer.start_span(name, self._within, attributes=attributes)
        )
        self._items.append(item)
        return item

    def preparing(self, items: int) -> AbstractContextManager[object]:
        span = self._tracer.start_span(names.PREPARE, self._within, attributes={names.ITEMS: items})
        return _current(span, logged=False)

    def done(self, counts: Mapping[str, int]) -> None:
        self._span.set_attributes({_COUNTED[name]: n for name, n in counts.items() if n})

    def end(self) -> None:
        """End what an error left open."""
        for item in self._items:
            item.end("unknown")


_COUNTED = {
    "leased": names.ITEMS,
    "reused": names.REUSED,
    "saved": names.SAVED,
    "submitted": names.SUBMITTED,
    "failed": names.FAILED,
    "returned": names.RETURNED,
    "lost": names.LOST,
}
"""Attributes by the names of what a batch counts."""


class _Item(ItemSpan):
    __slots__ = ("_span", "_tracer")

    def __init__(self, tracer: trace.Tracer, span: Span) -> None:
        self._tracer = tracer
        self._span = span

    def working(self) -> AbstractContextManager[object]:
        return _current(self._span, ends=False)

    def saving(self) -> AbstractContextManager[object]:
        within = trace.set_span_in_context(self._span, Context())
        return _current(self._tracer.start_span(names.SAVE, within), logged=False)

    def end(self, outcome: str, error: CallError | None = None, decision: str = "") -> None:
        if not self._span.is_recording():
            return  # it has ended, or is not sampled
        self._span.set_attribute(names.OUTCOME, outcome)
        if error is not None:
            mark_failed(self._span, error.kind)
            self._span.set_attribute(names.DECISION, decision)
        self._span.end()


@contextmanager
def _current(span: Span, *, ends: bool = True, logged: bool = True) -> Iterator[None]:
    """What happens meanwhile is in the span, and logged with its ids; then it ends."""
    context = span.get_span_context()
    if logged and context.is_valid:
        identify(trace_id=f"{context.trace_id:032x}", span_id=f"{context.span_id:016x}")
    try:
        with trace.use_span(span, record_exception=False, set_status_on_exception=False):
            yield
    except Exception as error:
        mark_failed(span, error.kind if isinstance(error, RuieError) else type(error).__name__)
        raise
    finally:
        if ends:
            span.end()


def _written(context: SpanContext) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def _parsed(traceparent: str) -> SpanContext | None:
    within = _PROPAGATOR.extract({"traceparent": traceparent}, Context())
    context = trace.get_current_span(within).get_span_context()
    return context if context.is_valid else None
