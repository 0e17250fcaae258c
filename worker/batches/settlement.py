"""How a work item ends in the database: the record of its call, or what its failure means.

Each function is one transaction. What the call cost, or may have cost, is settled in the same
transaction that ends the item, and only where that still held the lease.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from ruie.db import job_states, jobs, queue, results, spend
from ruie.errors import CallError, TransientCallError
from ruie.extractor import Extractor
from ruie.prompts import PROMPT_VERSION
from ruie.questions import Answer, Question
from ruie.worker.batches.retries import Decision, PauseEndpoint, PauseJob, Quarantine, Retry
from ruie.worker.prices import Price, cost_nusd

CAPPED_S = 2.0
"""Items that found no room under a cap wait so long for the refunds of calls in flight."""


@dataclass(frozen=True, slots=True)
class PendingCall:
    """A call as the books know it. price: None where nobody stated one: nothing is reserved."""

    model: str
    endpoint: str
    price: Price | None
    reservation: spend.Reservation | None


def most_nusd(price: Price, question: Question) -> int:
    """The most a call can cost. No tokenizer makes more tokens than a text has bytes; each message
    is given 16 more for the chat template around it."""
    call = question.call
    prompt = sum(len(m["content"].encode("utf-8", "replace")) + 16 for m in call.messages)
    if call.response_format is not None:  # it goes into the prompt too
        prompt += len(json.dumps(call.response_format))
    return cost_nusd(price, prompt, call.max_tokens)


def save(
    conn: Connection,
    job: jobs.Job,
    item: queue.LeasedItem,
    extractor: Extractor,
    answer: Answer,
    key: str,
    sent: PendingCall,
    roles: Mapping[str, Sequence[str]],
) -> bool:
    """Record a call that succeeded, with its items. False: the lease was lost. The answer is kept
    under its key all the same, so that whoever has the item now need not pay for it again."""
    completion, question = answer.completion, answer.question
    cost = None
    if sent.price is not None:
        cost = cost_nusd(sent.price, completion.prompt_tokens, completion.completion_tokens)
    extraction = results.NewExtraction(
        key=key,
        model=sent.model,
        endpoint=sent.endpoint,
        prompt_version=PROMPT_VERSION,
        bundle_digest=extractor.retriever.digest if extractor.retriever else "",
        schema_digest=job.schema_digest,
        demonstration_ids=[demo.id for demo in question.demonstrations],
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=completion.completion_tokens,
        latency_s=completion.latency_s,
        raw_output=completion.text,
        rejects=answer.parsed.rejects,
        cost_usd=None if cost is None else cost / spend.NUSD,
    )
    saved = results.save_result(conn, item, extraction, answer.items, roles)
    if not saved:
        results.keep_result(conn, item, extraction, answer.items)
    # What was reserved under a lost lease counts as spent, until the call is known to have ended.
    if (saved or queue.withdraw_lost(conn, item)) and sent.reservation is not None:
        spend.settle(conn, item.job_id, sent.reservation, cost or 0)
    return saved


def reuse(
    conn: Connection,
    item: queue.LeasedItem,
    paid: results.PaidExtraction,
    sent: PendingCall | None,
    roles: Mapping[str, Sequence[str]],
) -> bool:
    """End an item with an answer that was paid for before. False: the lease was lost."""
    reused = results.reuse_result(conn, item, paid, roles)
    if reused and sent is not None and sent.reservation is not None:
        spend.settle(conn, item.job_id, sent.reservation, 0)
    return reused


def fail(
    conn: Connection,
    item: queue.LeasedItem,
    question: Question,
    error: CallError,
    decision: Decision,
    sent: PendingCall,
) -> None:
    """Carry a decision out after a call that failed."""
    match decision:
        case Retry(delay_s, counts, overrides):
            held = queue.retry(conn, item, delay_s, error, counts=counts, overrides=overrides)
        case PauseEndpoint(delay_s):
            held = queue.retry(conn, item, delay_s, error, counts=False)
        case Quarantine():
            held = queue.quarantine(
                conn,
                item,
                error,
                raw_output=error.raw_output,
                prompt=list(question.call.messages),
            )
        case PauseJob():
            held = queue.retry(conn, item, 0.0, error, counts=False)
            _pause(conn, item.job_id, str(error), "error")
    if held and not isinstance(decision, PauseEndpoint):
        _book(conn, item, error, sent)
    elif held and sent.reservation is not None:
        spend.settle(conn, item.job_id, sent.reservation, 0)


def give_back(
    conn: Connection,
    unsent: Sequence[tuple[queue.LeasedItem, PendingCall | None]],
    delay_s: float = 0.0,
) -> None:
    """Items whose calls were never sent, unharmed."""
    for item, sent in unsent:
        if queue.release(conn, [item], delay_s) and sent and sent.reservation:
            spend.settle(conn, item.job_id, sent.reservation, 0)


def not_sent(conn: Connection, item: queue.LeasedItem, sent: PendingCall | None) -> None:
    """An item whose lease was lost before its call was sent: nothing was spent on it."""
    if queue.withdraw_lost(conn, item) and sent and sent.reservation:
        spend.settle(conn, item.job_id, sent.reservation, 0)


def cut_off(conn: Connection, item: queue.LeasedItem, sent: PendingCall) -> None:
    """An item whose call was sent and did not end in time: it may have been charged."""
    error = TransientCallError("The worker stopped before the answer came.", maybe_charged=True)
    if queue.release(conn, [item]):
        _book(conn, item, error, sent)


def refuse(
    conn: Connection, job_id: str, unsent: Sequence[queue.LeasedItem], denied: spend.Denied
) -> None:
    """Items for which a cap left no room go back; the job pauses where nothing can change that."""
    give_back(conn, [(item, None) for item in unsent], 0.0 if denied.certain else CAPPED_S)
    if denied.certain:
        cap, spent = denied.cap_nusd / spend.NUSD, denied.committed_nusd / spend.NUSD
        which, mend = (
            ("job's cap", f"`ruie cap {job_id} USD` raises it")
            if denied.by == "job_cap"
            else ("day's cap", "it goes on tomorrow (UTC), or with a higher RUIE_SPEND_PER_DAY_USD")
        )
        reason = f"the {which} of ${cap:,.4f} is reached, ${spent:,.4f} are spent: {mend}"
        _pause(conn, job_id, reason, denied.by)


def refuse_unpriced(
    conn: Connection, job_id: str, unsent: Sequence[queue.LeasedItem], model: str
) -> None:
    """A cap cannot be held where nobody knows what a call costs: the job pauses."""
    give_back(conn, [(item, None) for item in unsent])
    reason = f"there is a cap, and no price is known for {model}: set RUIE_LLM_PRICES"
    _pause(conn, job_id, reason, "error")


def _pause(conn: Connection, job_id: str, reason: str, by: jobs.PausedBy) -> None:
    """Pause a job that runs; one that somebody paused or ended meanwhile stays as it is."""
    if job_states.get_job_states(conn, [job_id]).get(job_id) == "running":
        job_states.set_job_state(conn, job_id, "paused", reason, by=by)


def _book(conn: Connection, item: queue.LeasedItem, error: CallError, sent: PendingCall) -> None:
    """Keep the call that failed and settle what it cost, or the most it can have cost."""
    cost: int | None = None
    if sent.price is not None:
        if error.usage is not None:
            cost = cost_nusd(sent.price, *error.usage)
        elif error.maybe_charged and sent.reservation is not None:
            cost = sent.reservation.nusd
        else:
            cost = 0
    queue.record_attempt(
        conn,
        item,
        error,
        model=sent.model,
        endpoint=sent.endpoint,
        raw_output=error.raw_output,
        tokens=error.usage or (0, 0),
        cost_usd=None if cost is None else cost / spend.NUSD,
    )
    if sent.reservation is not None:
        spend.settle(conn, item.job_id, sent.reservation, cost or 0)
