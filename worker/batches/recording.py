"""How a work item ends in the database that was answered: by a call, or by an answer that is kept.

Each function is one transaction, as in `ruie.worker.batches.settlement`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

from sqlalchemy import Connection

from ruie.db import (
    jobs,
    kept_answers,
    many_results,
    queue,
    spend,
)
from ruie.db.argument_items import Roles
from ruie.db.leased_item import Lease
from ruie.db.results import NewExtraction, keep_result
from ruie.db.reused_results import link_results, reuse_result
from ruie.db.usage_columns import usage_columns
from ruie.modes import mode_of
from ruie.prompts import PROMPT_VERSION
from ruie.questions import Answer
from ruie.worker.batches.batch_item import BatchItem
from ruie.worker.batches.settlement import cost_of, settle


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
    cost = cost_of(item, answer.completion.usage, answer.completion.latency_s)
    extraction = replace(
        _extraction(saving.job, item, answer), cost_usd=None if cost is None else cost / spend.NUSD
    )
    reserved = item.call.reservation
    refunds = spend.unused(item.leased.job_id, reserved, cost or 0) if reserved else ()
    return many_results.Result(item.leased, extraction, answer.items, saving.roles, refunds)


@dataclass(frozen=True, slots=True)
class Rereading:
    """What the same prompt was answered before, and how it is read for an item's own text."""

    item: BatchItem
    answer: Answer
    kept: kept_answers.KeptAnswer


def reread(
    conn: Connection, job: jobs.Job, rereadings: Sequence[Rereading], roles: Roles
) -> set[Lease]:
    """End items with what their prompts were answered before, at no cost. Returns the leases that
    still held."""
    results = [
        many_results.Result(
            each.item.leased,
            replace(
                _extraction(job, each.item, each.answer),
                endpoint=each.kept.endpoint,
                cost_usd=0.0,
                reused_from=each.kept.id,
                mode=None,
            ),
            each.answer.items,
            roles,
        )
        for each in rereadings
    ]
    return many_results.save_results(conn, results)


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


def link(
    conn: Connection,
    links: Sequence[tuple[BatchItem, kept_answers.PaidExtraction]],
    roles: Roles,
) -> set[Lease]:
    """End items with extractions of their own chunks. Returns the leases of those that ended."""
    linked = link_results(conn, [(item.leased, paid) for item, paid in links], roles)
    refunds = (
        spend.unused(item.leased.job_id, item.call.reservation, 0)
        for item, _ in links
        if item.leased.lease in linked and item.call.reservation is not None
    )
    spend.refund(conn, chain.from_iterable(refunds))
    return linked


def reuse(
    conn: Connection,
    item: BatchItem,
    paid: kept_answers.PaidExtraction,
    roles: Roles,
) -> bool:
    """End an item with an answer that was paid for before. False: the lease was lost."""
    reused = reuse_result(conn, item.leased, paid, roles)
    if reused:
        settle(conn, item, 0)
    return reused
