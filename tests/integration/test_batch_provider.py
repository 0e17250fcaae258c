"""The scripted batch provider in OpenAI's form: it answers, bills, books and fails as told."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest
from support.batch_provider import BatchProvider, Fault
from support.batch_requests import create, ended, lines, requests, upload
from support.metering import Plan
from support.waiting import wait_until

PLAN = Plan(delay_s=(0.0, 0.0), input_nusd=1000, output_nusd=4000)


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[BatchProvider]:
    with BatchProvider(PLAN, tmp_path) as running:
        yield running


@pytest.fixture
def client(provider: BatchProvider) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=provider.url, api_key="x", max_retries=0, timeout=20.0
    ) as connected:
        yield connected


def test_a_batch_is_answered_billed_at_half_the_price_and_booked(
    provider: BatchProvider, client: openai.OpenAI
) -> None:
    asked = requests(10)
    file_id = upload(client, asked)
    batch = ended(client, create(client, file_id).id)
    assert batch.status == "completed"
    assert batch.error_file_id is None
    assert batch.request_counts is not None
    assert batch.request_counts.model_dump() == {"completed": 10, "failed": 0, "total": 10}
    answers = lines(client, batch.output_file_id)
    assert [a["custom_id"] for a in answers] == [a["custom_id"] for a in asked]

    single = client.chat.completions.create(**asked[0]["body"])
    body = answers[0]["response"]["body"]
    assert body["choices"][0]["message"]["content"] == single.choices[0].message.content
    assert single.usage is not None
    assert body["usage"]["total_tokens"] == single.usage.total_tokens

    books = provider.books()
    (entry, *_), (booked,) = books.answers(), books.batches()
    assert (entry.custom_id, entry.token, entry.shown) == (asked[0]["custom_id"], "t", 1)
    assert (booked.token, booked.input_file, booked.read) == ("t", file_id, True)
    call = provider.log()[-1]
    assert call.prompt == entry.prompt
    assert call.nusd == 2 * entry.nusd > 0
    assert books.bill() == sum(e.nusd for e in books.answers(batch.id))
    assert {f.filename for f in books.files()} == {"ruie-t.jsonl", f"{batch.id}_output.jsonl"}
    for file in client.files.list():
        client.files.delete(file.id)
    assert books.files() == []


def test_files_and_batches_are_listed_in_pages(
    provider: BatchProvider, client: openai.OpenAI
) -> None:
    provider.behave_in_batches(in_progress_s=60.0)
    files = [upload(client, requests(1), f"{n}.jsonl") for n in range(3)]
    made = [create(client, files[n]).id for n in range(3)]
    page = client.batches.list(limit=2)
    assert ([b.id for b in page.data], page.has_more) == ([made[2], made[1]], True)
    assert [b.id for b in client.batches.list(limit=2, after=made[1])] == [made[0]]
    assert [f.id for f in client.files.list(purpose="batch", limit=2)] == files[::-1]
    assert client.files.retrieve(files[0]).filename == "0.jsonl"


def other_model(asked: list[dict[str, Any]]) -> None:
    asked[1]["body"]["model"] = "other"


def same_id(asked: list[dict[str, Any]]) -> None:
    asked[1]["custom_id"] = asked[0]["custom_id"]


@pytest.mark.parametrize(
    ("change", "limits", "code"),
    [
        (other_model, {}, "model_mismatch"),
        (same_id, {}, "duplicate_custom_id"),
        (list.clear, {}, "empty_file"),
        (len, {"most_requests": 1}, "too_many_tasks"),
        (len, {"enqueued_tokens": 20}, "token_limit_exceeded"),
        (len, {"faults": [Fault("token limit")]}, "token_limit_exceeded"),
    ],
)
def test_a_batch_that_is_not_as_it_should_be_fails(
    provider: BatchProvider, client: openai.OpenAI, change: Any, limits: Any, code: str
) -> None:
    provider.behave_in_batches(**limits)
    asked = requests(2)
    change(asked)
    batch = ended(client, create(client, upload(client, asked)).id)
    assert batch.status == "failed"
    assert batch.errors is not None
    assert batch.errors.data is not None
    assert [error.code for error in batch.errors.data] == [code]
    assert provider.books().bill() == 0


def test_a_file_deleted_before_validation_fails_its_batch(
    provider: BatchProvider, client: openai.OpenAI
) -> None:
    provider.behave_in_batches(validating_s=60.0)
    file_id = upload(client, requests(1))
    batch = create(client, file_id)
    client.files.delete(file_id)
    provider.behave_in_batches()
    assert ended(client, batch.id).status == "failed"


def test_requests_fail_into_the_error_file_by_the_plan_of_single_calls(
    provider: BatchProvider, client: openai.OpenAI
) -> None:
    kinds = ("429 bare", "500", "400")
    provider.behave(Plan(**{**PLAN.__dict__, "faults": 0.5, "kinds": kinds, "most": 1}))
    batch = ended(client, create(client, upload(client, requests(60))).id)
    assert batch.status == "completed"
    bad = Counter(a["response"]["status_code"] for a in lines(client, batch.error_file_id))
    assert set(bad) == {429, 500, 400}
    good = lines(client, batch.output_file_id)
    assert bad.total() + len(good) == 60
    assert len(provider.books().answers()) == len(good)

    provider.behave(Plan(**{**PLAN.__dict__, "faults": 1.0, "kinds": ("500",), "most": 9}))
    batch = ended(client, create(client, upload(client, requests(3, series=2))).id)
    assert (batch.status, batch.output_file_id) == ("completed", None)
    assert len(lines(client, batch.error_file_id)) == 3


def test_what_was_done_of_a_batch_that_expired_is_billed_and_returned(
    provider: BatchProvider, client: openai.OpenAI
) -> None:
    provider.behave_in_batches(faults=[Fault("expire", part=0.5)])
    batch = ended(client, create(client, upload(client, requests(10))).id)
    assert batch.status == "expired"
    assert len(lines(client, batch.output_file_id)) == len(provider.books().answers()) == 5
    left = lines(client, batch.error_file_id)
    assert [line["error"]["code"] for line in left] == ["batch_expired"] * 5


def test_a_batch_is_cancelled_half_way(provider: BatchProvider, client: openai.OpenAI) -> None:
    provider.behave_in_batches(faults=[Fault("stuck")])
    batch = create(client, upload(client, requests(12)))
    wait_until(lambda: client.batches.retrieve(batch.id).request_counts.completed == 9)  # type: ignore[union-attr]  # always there
    assert client.batches.cancel(batch.id).status == "cancelling"
    over = ended(client, batch.id)
    assert (over.status, over.error_file_id) == ("cancelled", None)
    assert len(lines(client, over.output_file_id)) == 9
    assert provider.books().batches()[0].cancelled_by == "client"
    with pytest.raises(openai.ConflictError):
        client.batches.cancel(batch.id)


def test_lines_are_dropped_repeated_and_shuffled(
    provider: BatchProvider, client: openai.OpenAI
) -> None:
    provider.behave_in_batches(
        faults=[Fault("drop", share=0.2), Fault("repeat", share=0.2), Fault("shuffle")]
    )
    asked = requests(50)
    batch = ended(client, create(client, upload(client, asked)).id)
    ids = [line["custom_id"] for line in lines(client, batch.output_file_id)]
    shown = {answer.custom_id: answer.shown for answer in provider.books().answers()}
    assert len(shown) == 50
    assert Counter(ids) == Counter(shown)
    assert set(shown.values()) == {0, 1, 2}
    assert ids != sorted(ids, key=list(shown).index)


@pytest.mark.parametrize("kind", ["create lost", "create lost 502", "create late", "create twice"])
def test_what_a_create_without_an_answer_has_made_is_in_the_list(
    provider: BatchProvider, client: openai.OpenAI, kind: str
) -> None:
    kind = "twice" if kind == "create twice" else kind
    provider.behave_in_batches(faults=[Fault(kind, most=1, seconds=0.3)])
    file_id = upload(client, requests(3))
    if kind == "twice":
        create(client, file_id)
    else:
        with pytest.raises((openai.APIConnectionError, openai.InternalServerError)):
            create(client, file_id)
    count = 2 if kind == "twice" else 1
    wait_until(lambda: len(client.batches.list().data) == count)
    for batch in client.batches.list():
        assert batch.metadata == {"ruie": "t"}
        assert ended(client, batch.id).status == "completed"
    booked = provider.books().batches()
    assert {batch.call for batch in booked} == {provider.books().calls("create")[0].number}
    assert [batch.twin_of for batch in booked] == ["", booked[0].id][:count]


def test_a_create_that_hangs_is_done_if_it_was_lost_only(
    provider: BatchProvider, client: openai.OpenAI
) -> None:
    provider.behave_in_batches(
        faults=[Fault("create hang", most=1), Fault("create lost hang", most=1)]
    )
    body = {
        "input_file_id": upload(client, requests(1)),
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
    }

    def came(creates: int, batches: int) -> bool:
        listed = client.batches.list().data
        return (len(provider.books().calls("create")), len(listed)) == (creates, batches)

    for made in (0, 1):
        address = urlsplit(provider.url)
        connection = HTTPConnection(str(address.hostname), address.port)
        connection.request("POST", "/v1/batches", json.dumps(body))
        wait_until(partial(came, made + 1, made))
        connection.sock.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.getresponse()
        connection.close()
    assert [call.status for call in provider.books().calls("create")] == [0, 0]


def test_a_new_batch_is_not_yet_listed_and_an_old_one_vanishes(
    provider: BatchProvider, client: openai.OpenAI
) -> None:
    provider.behave_in_batches(
        in_progress_s=60.0,
        faults=[Fault("unlisted", most=1, seconds=60.0), Fault("vanish", skip=1)],
    )
    file_id = upload(client, requests(2))
    unlisted, vanishing = create(client, file_id), create(client, file_id)
    assert client.batches.list().data == []
    assert client.batches.retrieve(unlisted.id).id == unlisted.id
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve(vanishing.id)
    provider.behave_in_batches()
    wait_until(lambda: all(batch.ended for batch in provider.books().batches()))
    assert [batch.state for batch in provider.books().batches()] == ["completed", "vanished"]
    for batch_id, shown in ((unlisted.id, [1, 1]), (vanishing.id, [0, 0])):
        assert [answer.shown for answer in provider.books().answers(batch_id)] == shown


def test_any_request_fails_as_often_as_scripted(
    provider: BatchProvider, client: openai.OpenAI
) -> None:
    provider.behave_in_batches(
        faults=[
            Fault("content 403", most=2),
            Fault("content half", most=1),
            Fault("list 500", most=1),
            Fault("upload lost", most=1),
            Fault("delete cut", most=1),
        ]
    )
    with pytest.raises(openai.APIConnectionError):
        upload(client, requests(2))
    file_id = upload(client, requests(2))
    assert len(provider.books().files()) == 2
    batch = ended(client, create(client, file_id).id)
    for error in (
        openai.PermissionDeniedError,
        openai.PermissionDeniedError,
        openai.APIConnectionError,
    ):
        with pytest.raises(error):
            lines(client, batch.output_file_id)
    assert len(lines(client, batch.output_file_id)) == 2
    with pytest.raises(openai.InternalServerError):
        client.batches.list()
    with pytest.raises(openai.APIConnectionError):
        client.files.delete(file_id)
    assert client.files.retrieve(file_id).id == file_id
    faults = Counter(call.fault for call in provider.books().calls() if call.fault)
    assert faults == {
        "content 403": 2,
        "content half": 1,
        "list 500": 1,
        "upload lost": 1,
        "delete cut": 1,
    }
