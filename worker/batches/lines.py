"""Lines that came back in batches from the provider, read and recorded as any other answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from ruie.db import jobs, provider_requests, queue, results, spend
from ruie.db.argument_items import Roles
from ruie.db.many_results import Result, save_results
from ruie.db.provider_requests import Answered
from ruie.db.usage_columns import usage_columns
from ruie.errors import CallError, ParameterRefusedError
from ruie.extractor import Extractor
from ruie.llm.batches.answers import line_usage, read_line
from ruie.questions import Answer
from ruie.usage import Usage
from ruie.worker.batches.aftermath import Aftermath
from ruie.worker.batches.batch_item import BatchItem
from ruie.worker.batches.lanes import Lane
from ruie.worker.batches.outcome import Outcome
from ruie.worker.batches.retries import (
    AwaitEndpoint,
    Decision,
    PauseEndpoint,
    PauseJob,
    Quarantine,
    Retry,
    RetryPolicy,
    attempt_of,
    decide,
)
from ruie.worker.batches.settlement import pause
from ruie.worker.batches.store import Store
from ruie.worker.batches.stored_question import StoredQuestion


@dataclass(frozen=True, slots=True)
class Read:
    """A line that was read. failed: in place of an answer."""

    item: BatchItem
    line: Answered
    stored: StoredQuestion
    answer: Answer | None = None
    failed: CallError | None = None


async def record_lines(
    store: Store,
    lane: Lane,
    job: jobs.Job,
    items: Sequence[BatchItem],
    roles: Roles,
    policy: RetryPolicy,
    aftermath: Aftermath,
    outcome: Outcome,
) -> None:
    """End the items for which a line came back. What they cost was settled when the lines came. A
    line that came too late for its own item serves another of the same question."""
    ids = [item.leased.id for item in items if item.held]
    lines = await store.read(partial(provider_requests.answered, item_ids=ids))
    came = [_read(lane, item, lines[item.leased.id]) for item in items if item.leased.id in lines]
    others = [item for item in items if item.held and item.leased.id not in lines]
    late = await store.read(partial(provider_requests.late, keys=[each.key for each in others]))
    reused = [_read(lane, item, late[item.key]) for item in others if item.key in late]
    good = [each for each in (*came, *reused) if each.answer is not None and each.item.held]
    if good:
        await store.write(partial(_save_all, job=job, read=good, roles=roles))
        aftermath.answered()
    for each in good:
        each.item.end("saved")
    failed = [each for each in came if each.failed is not None and each.item.held]
    for each in failed:
        assert each.failed is not None
        decision = await _decide(lane, each, each.failed, policy)
        await store.write(partial(_fail, read=each, error=each.failed, decision=decision))
        each.item.end("failed", each.failed, type(decision).__name__)
        await aftermath.after(each.item, each.failed, decision)
    outcome.saved += len(good)
    outcome.failed += len(failed)


def _read(lane: Lane, item: BatchItem, line: Answered) -> Read:
    stored = StoredQuestion.from_body(line.question, item.query, line.key)
    decoding = stored.decoding(item.extractor.decoding)
    reader = Extractor(None, lane.llm, line.model, decoding, confidence=lane.confidence)
    try:
        completion = read_line(line.answer, stored.profile, stored.question.call, line.endpoint)
        answer = reader.read(stored.question, completion)
    except CallError as error:
        return Read(item, line, stored, failed=error)
    return Read(item, line, stored, answer=answer)


def _save_all(conn: Connection, job: jobs.Job, read: Sequence[Read], roles: Roles) -> None:
    """In one transaction. Whose lease was lost has its line still, for the next holder."""
    wanted = [
        Result(each.item.leased, _extraction(job, each), each.answer.items, roles)
        for each in read
        if each.answer is not None
    ]
    saved = save_results(conn, wanted)
    lines = [each.line.id for each in read if each.item.leased.lease in saved]
    provider_requests.remove(conn, lines)


def _extraction(job: jobs.Job, read: Read) -> results.NewExtraction:
    assert read.answer is not None
    completion = read.answer.completion
    return results.NewExtraction(
        key=read.line.key,
        prompt_key=read.stored.prompt_key,
        model=read.line.model,
        endpoint=read.line.endpoint,
        prompt_version=read.stored.prompt_version,
        bundle_digest=read.stored.bundle_digest,
        schema_digest=job.schema_digest,
        demonstration_ids=[demo.id for demo in read.answer.question.demonstrations],
        demonstration_sets=read.stored.sets,
        **usage_columns(completion.usage),
        latency_s=0.0,
        raw_output=completion.text,
        finish_reason=completion.finish_reason,
        rejects=read.answer.parsed.rejects,
        # what a late answer cost is booked with the item that it came too late for
        cost_usd=0.0 if read.line.late else read.line.cost_nusd / spend.NUSD,
        provider_batch_id=read.line.batch_id,
        mode="batch",
    )


async def _decide(lane: Lane, read: Read, error: CallError, policy: RetryPolicy) -> Decision:
    call = read.stored.question.call
    if isinstance(error, ParameterRefusedError) and await lane.llm.gate.refused_later(
        lane.llm.base_url, call, read.stored.profile, error
    ):
        return Retry(0.0, counts=False)
    return decide(error, attempt_of(read.item.leased, read.stored.question), policy)


def _fail(conn: Connection, read: Read, error: CallError, decision: Decision) -> None:
    """Carry out a decision about a line that is an error, or cannot be read."""
    leased, call = read.item.leased, read.stored.question.call
    match decision:
        case Retry(delay_s, counts, overrides):
            held = queue.retry(conn, leased, delay_s, error, counts=counts, overrides=overrides)
        case PauseEndpoint(delay_s):
            held = queue.retry(conn, leased, delay_s, error, counts=True)
        case AwaitEndpoint():
            held = queue.retry(conn, leased, 0.0, error, counts=True)
        case Quarantine():
            prompt = list(call.messages)
            raw = error.raw_output
            held = queue.quarantine(conn, leased, error, raw_output=raw, prompt=prompt)
        case PauseJob():
            held = queue.retry(conn, leased, 0.0, error, counts=True)
            pause(conn, leased.job_id, str(error), "error")
    if held:
        queue.record_attempt(
            conn,
            leased,
            error,
            model=read.line.model,
            endpoint=read.line.endpoint,
            raw_output=error.raw_output,
            usage=error.usage or line_usage(read.line.answer) or Usage(),
            cost_usd=read.line.cost_nusd / spend.NUSD,
            provider_batch_id=read.line.batch_id,
        )
        provider_requests.remove(conn, [read.line.id])
