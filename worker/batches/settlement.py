"""How a work item ends in the database: the record of its call, or what its failure means.

Each function is one transaction. What a call cost, or may have cost, is settled in the same
transaction that ends its item, and only where that still held the lease.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

from sqlalchemy import Connection

from ruie.db import (
    endpoints,
    job_states,
    jobs,
    kept_answers,
    many_results,
    queue,
    reservations,
    spend,
)
from ruie.db.argument_items import Roles
from ruie.db.leased_item import Lease
from ruie.db.reservations import Denied
from ruie.db.results import NewExtraction, keep_result, save_result
from ruie.db.reused_results import reuse_result
from ruie.db.usage_columns import usage_columns
from ruie.errors import CallError, Concern, TransientCallError
from ruie.modes import is_batch, is_flex, mode_of
from ruie.prompts import PROMPT_VERSION
from ruie.questions import Answer, Question
from ruie.usage import Usage
from ruie.worker.batches.batch_item import BatchItem
from ruie.worker.batches.retries import (
    AwaitEndpoint,
    Decision,
    PauseEndpoint,
    PauseJob,
    Quarantine,
    Retry,
)
from ruie.worker.prices import usage_nusd

CAPPED_S = 2.0
"""Items for which a cap left no room wait so long for the refunds of calls in flight."""
BATCH_CAPPED_S = 15.0
"""Likewise, for those of batches at the provider."""
MOST_THROTTLED = 20
"""So often an item may be refused for a rate limit while others are answered: then it is not the
rate."""
AWAY_S = 5.0
"""An item with which the endpoint went away: the first one that tries it again is another."""


@dataclass(frozen=True, slots=True)
class Saving:
    """A call that succeeded. roles: of the job's schema."""

    job: jobs.Job
    item: BatchItem
    answer: Answer
    roles: Roles


def save(conn: Connection, savings: Sequence[Saving]) -> set[Lease]:
    """Record calls that succeeded, with their records; returns the leases that still held. An
    answer is kept under its key all the same, so that the worker that has the item now need not pay
    for it."""
    results = [_result(each) for each in savings]
    saved = many_results.save_results(conn, results)
    for result in results:
        if result.item.lease not in saved:
            keep_result(conn, result.item, result.extraction, result.items)
            # What was reserved under a lost lease counts as spent, until the call is known to have
            # ended.
            if queue.withdraw_lost(conn, result.item):
                spend.refund(conn, result.refunds)
    return saved


def _result(saving: Saving) -> many_results.Result:
    item, answer = saving.item, saving.answer
    cost = _cost(item, answer.completion.usage, answer.completion.latency_s)
    extraction = replace(
        _extraction(saving.job, item, answer), cost_usd=None if cost is None else cost / spend.NUSD
    )
    reserved = item.call.reservation
    refunds = spend.unused(item.leased.job_id, reserved, cost or 0) if reserved else ()
    return many_results.Result(item.leased, extraction, answer.items, saving.roles, refunds)


def reread(
    conn: Connection,
    job: jobs.Job,
    item: BatchItem,
    answer: Answer,
    kept: kept_answers.KeptAnswer,
    roles: Roles,
) -> bool:
    """End an item with what the same prompt was answered before, read for the item's own text, at
    no cost. False: the lease was lost."""
    extraction = replace(
        _extraction(job, item, answer),
        endpoint=kept.endpoint,
        cost_usd=0.0,
        reused_from=kept.id,
        mode=None,
    )
    return save_result(conn, item.leased, extraction, answer.items, roles)


def _extraction(job: jobs.Job, item: BatchItem, answer: Answer) -> NewExtraction:
    completion, extractor = answer.completion, item.extractor
    return NewExtraction(
        key=item.key,
        prompt_key=extractor.prompt_key(answer.question),
        model=item.call.model,
        endpoint=item.call.endpoint,
        prompt_version=PROMPT_VERSION,
        bundle_digest=item.shown.bundle_digest,
        schema_digest=job.schema_digest,
        demonstration_ids=[demo.id for demo in answer.question.demonstrations],
        demonstration_sets=item.shown.sets,
        **usage_columns(completion.usage),
        latency_s=completion.latency_s,
        raw_output=completion.text,
        finish_reason=completion.finish_reason,
        rejects=answer.parsed.rejects,
        mode=mode_of(answer.question.call.parameters),
    )


def reuse(
    conn: Connection,
    item: BatchItem,
    paid: kept_answers.PaidExtraction,
    roles: Roles,
) -> bool:
    """End an item with an answer that was paid for before. False: the lease was lost."""
    reused = reuse_result(conn, item.leased, paid, roles)
    if reused:
        _settle(conn, item, 0)
    return reused


def fail(
    conn: Connection, item: BatchItem, question: Question, error: CallError, decision: Decision
) -> None:
    """Carry out a decision after a call that failed."""
    leased = item.leased
    match decision:
        case Retry(delay_s, counts, overrides):
            if error.concern is Concern.ENDPOINT and endpoints.was_away(
                conn, item.call.endpoint, error.outages
            ):
                counts = False  # found out while this failure was recorded
            held = queue.retry(conn, leased, delay_s, error, counts=counts, overrides=overrides)
        case AwaitEndpoint():
            held = queue.retry(conn, leased, AWAY_S, error, counts=False)
        case PauseEndpoint(delay_s) if is_flex(question.call.parameters):  # there was no room
            held = queue.retry(conn, leased, delay_s, error, counts=False)
        case PauseEndpoint(delay_s):
            throttled = queue.count_throttled(conn, leased)
            if throttled < MOST_THROTTLED:
                held = queue.retry(conn, leased, delay_s, error, counts=False, throttled=throttled)
            else:
                held = _quarantine(conn, leased, question, error)
        case Quarantine():
            held = _quarantine(conn, leased, question, error)
        case PauseJob():
            held = queue.retry(conn, leased, 0.0, error, counts=True)
            pause(conn, leased.job_id, str(error), "error")
    if held and isinstance(decision, PauseEndpoint):
        _settle(conn, item, 0)
    elif held:
        _record_failure(conn, item, error)


def _quarantine(
    conn: Connection, leased: queue.LeasedItem, question: Question, error: CallError
) -> bool:
    prompt = list(question.call.messages)
    return queue.quarantine(conn, leased, error, raw_output=error.raw_output, prompt=prompt)


def give_back(conn: Connection, items: Sequence[BatchItem], delay_s: float = 0.0) -> None:
    """Items whose calls were never sent, unharmed."""
    leased = [item.leased for item in items]
    # As it is stored: whoever is stopped while he reserves does not learn what was reserved.
    reserved = reservations.of_items(conn, leased)
    released = queue.release(conn, leased, delay_s)
    refunds = (
        spend.unused(each.job_id, reserved[each.lease], 0)
        for each in leased
        if each.id in released and each.lease in reserved
    )
    spend.refund(conn, chain.from_iterable(refunds))


def withdraw(conn: Connection, items: Sequence[BatchItem]) -> None:
    """Items whose leases were lost before their calls were sent: nothing was spent on them."""
    for item in items:
        if queue.withdraw_lost(conn, item.leased):
            _settle(conn, item, 0)


def cut_off(conn: Connection, item: BatchItem) -> None:
    """An item whose call was sent and did not end in time: it may have been charged."""
    error = TransientCallError("The worker stopped before the answer came.", maybe_charged=True)
    if queue.release(conn, [item.leased]):
        _record_failure(conn, item, error)


def refuse(conn: Connection, job_id: str, items: Sequence[BatchItem], denied: Denied) -> None:
    """Items for which a cap left no room go back; the job pauses where no refund can make room."""
    batched = any(is_batch(item.extractor.decoding.parameters) for item in items)
    wait_s = BATCH_CAPPED_S if batched else CAPPED_S
    give_back(conn, items, 0.0 if denied.certain else wait_s)
    if denied.certain:
        cap, spent = denied.cap_nusd / spend.NUSD, denied.committed_nusd / spend.NUSD
        which, remedy = (
            ("job's cap", f"`ruie cap {job_id} USD` raises it")
            if denied.by == "job_cap"
            else ("day's cap", "it goes on tomorrow (UTC), or with a higher RUIE_SPEND_PER_DAY_USD")
        )
        reason = f"the {which} of ${cap:,.4f} is reached, ${spent:,.4f} are spent: {remedy}"
        pause(conn, job_id, reason, denied.by)


def refuse_unpriced(conn: Connection, job_id: str, items: Sequence[BatchItem], model: str) -> None:
    """A cap cannot be held where a call's price is not known: the job pauses."""
    give_back(conn, items)
    reason = f"there is a cap, and no price is known for {model}: set RUIE_LLM_PRICES"
    pause(conn, job_id, reason, "error")


def refuse_all(conn: Connection, leased: Sequence[queue.LeasedItem], reason: str) -> None:
    """A batch of which no call can succeed goes back, and its job pauses."""
    queue.release(conn, leased)
    pause(conn, leased[0].job_id, reason, "error")


def refuse_fruitless(conn: Connection, job_id: str, number: int, error: CallError) -> None:
    """Many items in a row came to nothing: the job pauses."""
    reason = f"none of the last {number} items got a usable answer; the last: {error}"
    pause(conn, job_id, reason, "error")


def pause(conn: Connection, job_id: str, reason: str, by: jobs.PausedBy) -> None:
    """Pause a job that runs; one that was paused or ended meanwhile stays as it is."""
    if job_states.get_job_states(conn, [job_id]).get(job_id) == "running":
        job_states.set_job_state(conn, job_id, "paused", reason, by=by)


def _record_failure(conn: Connection, item: BatchItem, error: CallError) -> None:
    """Keep the call that failed and settle what it cost, or the most it can have cost."""
    call = item.call
    cost: int | None = None
    if error.usage is not None:
        cost = _cost(item, error.usage)
    elif call.price is not None:
        cost = call.reservation.nusd if error.maybe_charged and call.reservation else 0
    queue.record_attempt(
        conn,
        item.leased,
        error,
        model=call.model,
        endpoint=call.endpoint,
        raw_output=error.raw_output,
        usage=error.usage or Usage(),
        cost_usd=None if cost is None else cost / spend.NUSD,
    )
    _settle(conn, item, cost or 0)


def _cost(item: BatchItem, usage: Usage, latency_s: float = 0.0) -> int | None:
    """What a call cost, in billionths of a US dollar; None where no price is known. Where the
    provider did not count its tokens, the most it can have cost."""
    cost = usage_nusd(item.call.price, usage, latency_s)
    if cost is not None and not usage.counted and usage.cost_usd is None:
        reserved = item.call.reservation
        cost = max(cost, reserved.nusd if reserved else 0)
    return cost


def _settle(conn: Connection, item: BatchItem, cost: int) -> None:
    """cost: in billionths of a US dollar, of what was reserved."""
    if item.call.reservation is not None:
        spend.settle(conn, item.leased.job_id, item.call.reservation, cost)
