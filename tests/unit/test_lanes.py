"""What a lane makes of a job and an item's overrides: the extractor, and the idempotency key."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ruie.db.job_settings import JobSettings
from ruie.db.jobs import Job, Priority
from ruie.db.queue import NO_OVERRIDES, Overrides
from ruie.decoding import Decoding
from ruie.llm import LLMClient
from ruie.schema import Schema
from ruie.worker.batches.demonstrations import Demonstrations
from ruie.worker.batches.lanes import Lane

SCHEMA = Schema("news", entities={"person": "", "place": ""})
QUERY = SCHEMA.query(SCHEMA.tasks[0], "Ada met Bo .")
JOB = Job(
    id="job_1", name="n", state="running", reason=None, schema_name="news",
    schema_body=SCHEMA.body(), schema_digest=SCHEMA.digest, model="small",
    endpoint="http://llm/v1", bundle_digest="", prompt_version="5",
    settings=JobSettings(Decoding()), priority=0, cap_nusd=None, paused_by=None, forced=False,
    corpus=None, question=None, scope=None, enqueue_key=None,
    created_at=datetime(2026, 1, 1, tzinfo=UTC), enqueued_at=None, finished_at=None,
    demonstration_set=None, refreshed=False,
)  # fmt: skip  # a row
KEY = "561e27189949607063124597e0b1ff9fee7f700b335220b9921577d303560544"


def lane() -> Lane:
    return Lane(
        Priority.NORMAL, LLMClient("http://llm/v1"), Demonstrations(None), "default", lambda _: None
    )


def test_overrides_take_the_place_of_the_job_s_model_and_decoding() -> None:
    overrides = Overrides("large", max_tokens=512, demonstrations=0)
    extractor = lane().extractor(JOB, overrides)
    assert extractor.model == "large"
    assert extractor.decoding == Decoding(demonstrations=0, max_tokens=512)
    assert lane().extractor(JOB).decoding == Decoding()


def test_a_job_without_a_model_has_the_worker_s() -> None:
    assert lane().extractor(replace(JOB, model="")).model == "default"


@pytest.mark.parametrize(
    "overrides", [NO_OVERRIDES, Overrides(max_tokens=512), Overrides(demonstrations=0)]
)
def test_the_key_is_the_job_s_however_the_item_is_answered(overrides: Overrides) -> None:
    assert lane().key(JOB, overrides, QUERY) == KEY


def test_another_model_or_a_forced_job_has_a_key_of_its_own() -> None:
    keys = {
        KEY,
        lane().key(JOB, Overrides(model="large"), QUERY),
        lane().key(replace(JOB, forced=True), NO_OVERRIDES, QUERY),
    }
    assert len(keys) == 3


def test_a_job_s_parameters_come_before_the_worker_s() -> None:
    one = Lane(
        Priority.NORMAL,
        LLMClient("http://llm/v1"),
        Demonstrations(None),
        "",
        lambda _: None,
        {"seed": 1, "service_tier": "flex"},
        99,
    )
    own = replace(JOB, id="job_2", settings=JobSettings(Decoding(parameters={"seed": 2})))
    calls = [one.extractor(job).prepare([QUERY])[0].call for job in (JOB, own)]
    assert [call.parameters for call in calls] == [
        {"seed": 1, "service_tier": "flex"},
        {"seed": 2, "service_tier": "flex"},
    ]
    assert [call.reasoning_tokens for call in calls] == [99, 99]
    assert len({KEY, one.key(JOB, NO_OVERRIDES, QUERY), one.key(own, NO_OVERRIDES, QUERY)}) == 3


def test_slots_are_given_back_but_for_those_of_tasks_that_run() -> None:
    async def use() -> None:
        one = Lane(
            Priority.NORMAL,
            LLMClient("http://llm", max_in_flight=1),
            Demonstrations(None),
            "m",
            lambda _: None,
        )
        ended = asyncio.Event()
        with one.slots() as slots:
            await slots.take(17)  # of one call in flight and those prepared ahead
            task = asyncio.ensure_future(ended.wait())
            task.add_done_callback(slots.hand_over().free)
        with one.slots() as slots:
            await slots.take(16)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(slots.take(1), 0.01)
            ended.set()
            await asyncio.wait_for(slots.take(1), 1)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(slots.take(1), 0.01)
            one.widen()
            one.widen()
            await asyncio.wait_for(slots.take(16), 1)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(slots.take(1), 0.01)

    asyncio.run(use())


def test_a_job_that_was_changed_is_asked_with_its_new_settings() -> None:
    one = lane()
    first = one.extractor(JOB)
    for changes in (
        {"max_tokens": 512},
        {"stop": ()},
        {"parameters": {"seed": 1}},
        {"parameters": {"service_tier": "flex"}},
    ):
        settings = JobSettings(replace(Decoding(), **changes))
        changed = one.extractor(replace(JOB, settings=settings))
        assert changed.decoding == settings.decoding
    assert one.extractor(replace(JOB, model="large")).model == "large"
    assert one.extractor(JOB) is first
