"""Ending items with answers that were paid for before: by their question, or by their prompt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from sqlalchemy import Connection

from ruie.db import jobs, kept_answers
from ruie.db.argument_items import Roles
from ruie.db.leased_item import Lease
from ruie.db.reused_results import AnswerPrunedError, is_link
from ruie.errors import CallError
from ruie.llm import Completion
from ruie.questions import Question
from ruie.usage import Usage
from ruie.worker.batches import recording
from ruie.worker.batches.batch_item import BatchItem
from ruie.worker.batches.recording import Rereading
from ruie.worker.batches.store import Store


async def by_question(store: Store, items: Sequence[BatchItem], roles: Roles) -> int:
    """End the items whose question was answered before; returns how many."""
    keys = [item.key for item in items]
    paid = await store.read(lambda conn: kept_answers.find_paid(conn, keys))
    answered = [(item, paid[item.key]) for item in items if item.key in paid]
    links = [each for each in answered if is_link(each[0].leased, each[1])]
    linked = await _end_all(
        store, [item for item, _ in links], partial(recording.link, links=links, roles=roles)
    )
    reused = len(linked)
    for item, extraction in answered:
        if item.leased.lease not in linked:
            end = partial(recording.reuse, item=item, paid=extraction, roles=roles)
            with suppress(AnswerPrunedError):  # the item is asked
                reused += await _end(store, item, end)
    return reused


async def by_prompt(
    store: Store, job: jobs.Job, prepared: Sequence[tuple[BatchItem, Question]], roles: Roles
) -> int:
    """End the items whose prompt was answered before, whatever chose its demonstrations; returns
    how many.

    What was answered is read and grounded in the item's own text: a prompt has no offsets, and
    white space is not as in the text. What cannot be read for it is asked anew.
    """
    keyed = [(item.extractor.prompt_key(q), item, q) for item, q in prepared if item.held]
    keys = [key for key, _, _ in keyed]
    kept = await store.read(lambda conn: kept_answers.find_kept(conn, keys))
    rereadings = []
    for key, item, question in keyed:
        answered = kept.get(key)
        if answered is None:
            continue
        completion = Completion(answered.text, answered.finish_reason, Usage(), latency_s=0.0)
        try:
            answer = item.extractor.read(question, completion)
        except CallError:
            continue
        rereadings.append(Rereading(item, answer, answered))
    reread = partial(recording.reread, job=job, rereadings=rereadings, roles=roles)
    ended = await _end_all(store, [each.item for each in rereadings], reread)
    for each in rereadings:
        if each.item.held:
            each.item.end("lost")
    return len(ended)


async def _end(store: Store, item: BatchItem, end: Callable[[Connection], bool]) -> bool:
    """Whether the item was still ours to end."""
    ended = await store.write(end)
    if item.held:
        item.end("reused" if ended else "lost")
    return ended


async def _end_all(
    store: Store, items: Sequence[BatchItem], end: Callable[[Connection], set[Lease]]
) -> set[Lease]:
    """The leases of those that it ended."""
    if not items:
        return set()
    ended = await store.write(end)
    for item in items:
        if item.held and item.leased.lease in ended:
            item.end("reused")
    return ended
