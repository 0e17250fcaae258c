"""Items whose requests are sent in batches: built here, and left for the coordinator to send."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from ruie.db import provider_requests, reservations
from ruie.db.provider_requests import NewRequest
from ruie.llm.request import request_body
from ruie.modes import in_mode
from ruie.questions import Question
from ruie.worker.batches import settlement
from ruie.worker.batches.batch_item import BatchItem
from ruie.worker.batches.lanes import Lane
from ruie.worker.batches.outcome import Outcome
from ruie.worker.batches.store import Store
from ruie.worker.batches.stored_question import StoredQuestion
from ruie.worker.prices import most_nusd

Prepared = tuple[BatchItem, Question]

OTHERS_S = 30.0
"""Until it is looked again whether the answer to another job's question has come."""
PROOF_S = 5.0
"""Items of a batch wait so long for the answer that shows what the model takes."""


async def is_proven(lane: Lane, question: Question) -> bool:
    """Whether it is known what the model takes in such a request, so that a batch of them is not
    refused line by line, hours later. Where models are not called one by one, nobody can know."""
    if lane.llm.only_batches:
        return True
    call = replace(question.call, api=lane.llm.api)
    standing = await lane.llm.gate.standing(lane.llm.base_url, call)
    return standing.proven


async def await_others(store: Store, items: Sequence[BatchItem], outcome: Outcome) -> None:
    """Give back the items whose question is in a batch already, for another job: its answer will be
    theirs too."""
    keys = [item.key for item in items]
    asked = await store.read(partial(provider_requests.asked, keys=keys))
    await _give_back(store, [item for item in items if item.key in asked], OTHERS_S, outcome)


def alone(question: Question) -> Question:
    """The same, to be sent by itself."""
    call = question.call
    return replace(question, call=replace(call, parameters=in_mode(call.parameters, "standard")))


async def send(
    store: Store,
    lane: Lane,
    job_id: str,
    prepared: Sequence[Prepared],
    day_cap_nusd: int | None,
    outcome: Outcome,
) -> tuple[list[Prepared], reservations.Denied | None]:
    """Leave the requests for the coordinator, as far as the caps leave room; their items end here.
    Returns what is to be sent alone, and why others were denied: until the model has answered a
    request like these, the first of them goes alone, and the others wait for that."""
    if await is_proven(lane, prepared[0][1]):
        requests = [_request(lane, item, question) for item, question in prepared if item.held]
        submit = partial(
            provider_requests.submit, job_id=job_id, wanted=requests, day_cap_nusd=day_cap_nusd
        )
        submitted, denied = await store.write(submit)
        for item, _ in prepared:
            if item.leased.id in submitted:
                item.end("submitted")
        outcome.submitted += len(submitted)
        return [], denied
    (item, question), *others = prepared
    await _give_back(store, [each for each, _ in others], PROOF_S, outcome)
    return [(item, alone(question))], None


async def _give_back(
    store: Store, items: Sequence[BatchItem], delay_s: float, outcome: Outcome
) -> None:
    if items:
        await store.write(partial(settlement.give_back, items=items, delay_s=delay_s))
    for item in items:
        item.end("returned")
    outcome.returned += len(items)


def _request(lane: Lane, item: BatchItem, question: Question) -> NewRequest:
    question = replace(question, call=replace(question.call, api=lane.llm.api))
    profile = lane.llm.profile(question.call)
    stored = StoredQuestion(
        question=question,
        profile=profile,
        prompt_key=item.extractor.prompt_key(question),
        form=item.extractor.decoding.form,
        bundle_digest=item.shown.bundle_digest,
        sets=item.shown.sets,
    )
    price = item.call.price
    priced = price is not None and not price.free
    return NewRequest(
        item=item.leased,
        key=item.key,
        endpoint=item.call.endpoint,
        model=item.call.model,
        body=request_body(profile, question.call),
        question=stored.body(),
        prompt_tokens=question.call.prompt_tokens,
        most_nusd=most_nusd(price, profile.limited(question.call)) if price and priced else None,
    )
