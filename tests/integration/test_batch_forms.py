"""Each form of a provider's batch endpoint, against the scripted provider: what is sent, found,
read and cleared away, and what lost answers and refusals are taken for."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
from support.batch_forms import WITH_FILES, Client
from support.batch_provider import BatchProvider, Fault
from support.batch_requests import requests
from support.metering import Plan

from ruie.errors import CallError, TransientCallError
from ruie.llm.batches import (
    NotCreated,
    Phase,
    RemoteBatch,
    Unconfirmed,
)
from ruie.llm.batches.forms import BatchForm
from ruie.llm.batches.lines_body import PART
from ruie.llm.transport import Transport

PLAN = Plan(delay_s=(0.0, 0.0), input_nusd=1000, output_nusd=4000)
FORMS = [BatchForm.OPENAI, BatchForm.ANTHROPIC, BatchForm.MISTRAL, BatchForm.INLINE]


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BatchProvider]:
    with BatchProvider(PLAN, tmp_path_factory.mktemp("provider")) as running:
        yield running


@pytest.fixture(params=FORMS, ids=str)
def client(request: pytest.FixtureRequest, provider: BatchProvider, tmp_path: Path) -> Client:
    provider.behave(PLAN)
    provider.behave_in_batches()
    return Client(request.param, provider, tmp_path)


def test_a_batch_from_its_file_to_its_end(client: Client) -> None:
    batch = client.made()
    assert batch.phase is Phase.RUNNING
    ended = client.ended(batch)
    assert (ended.id, ended.phase, ended.complete) == (batch.id, Phase.ENDED, True)
    lines = client.lines(ended)
    assert sorted(line.custom_id for line in lines) == sorted(
        r["custom_id"] for r in requests(6, token=client.token)
    )
    assert {line.status for line in lines} == {200}
    assert client.found() == ([batch.id], 0)
    client.ask("discard", ended)
    assert client.provider.books().files(client.began) == []
    client.ask("discard", ended)  # once more changes nothing
    gone = client.form not in WITH_FILES
    assert (client.ask("get", batch.id) is None) == gone
    assert list(client.folder.iterdir()) == [client.folder / "requests.jsonl"]


def test_a_create_whose_answer_is_lost_is_found(client: Client) -> None:
    for how in ("lost", "lost 502", "lost 529"):
        client.provider.behave_in_batches(faults=[Fault(f"create {how}", most=1)])
        token = f"{client.token}{how[-1:].encode().hex()}"
        assert isinstance(client.create(token=token), Unconfirmed), how
        (batch,) = client.provider.books().batches(client.began)[-1:]
        client.ended(RemoteBatch(batch.id, "", Phase.RUNNING))
        assert client.found(token=token) == ([batch.id], 0)


def test_a_create_that_is_refused_made_nothing(client: Client) -> None:
    client.provider.behave_in_batches(faults=[Fault("create 429", most=1)])
    assert isinstance(client.create(), NotCreated)
    client.provider.behave_in_batches(faults=[Fault("create cut", most=1)])
    assert isinstance(client.create(), Unconfirmed)
    assert client.found() == ([], 0)


def test_what_is_not_there_cannot_be_reached(client: Client) -> None:
    client.transport = Transport("http://127.0.0.1:1/v1", form=client.transport.form)
    path = client.file()
    assert isinstance(client.ask("create", "file", path, client.token, "scripted"), NotCreated)


def test_two_of_one_are_found(client: Client) -> None:
    client.provider.behave_in_batches(faults=[Fault("twice", most=1)])
    batch = client.made()
    first, second = client.provider.books().batches(client.began)
    assert (batch.id, second.twin_of) == (first.id, first.id)
    for each in (first, second):
        client.ended(RemoteBatch(each.id, "", Phase.RUNNING))
    assert client.found() == ([first.id, second.id], 0)


def test_other_batches_are_not_taken_for_it(client: Client) -> None:
    other, shorter = client.made(token="b2" * 12), client.made(count=5)
    client.ended(other)
    client.ended(shorter)
    expected = [] if client.form is BatchForm.ANTHROPIC else [shorter.id]
    assert client.found() == (expected, 0)


def test_a_batch_is_cancelled(client: Client) -> None:
    client.provider.behave_in_batches(in_progress_s=600.0)
    batch = client.made()
    time_of = client.provider.books
    while time_of().batches(client.began)[0].state != "in_progress":
        time.sleep(0.02)
    client.ask("cancel", batch.id)
    if client.form is BatchForm.INLINE:  # which cannot be cancelled
        assert client.ask("get", batch.id).state == "in_progress"
        client.provider.behave_in_batches()
    ended = client.ended(batch)
    done = 6 if client.form is BatchForm.INLINE else 3
    assert ended.complete == (done == 6)
    assert len(client.lines(ended)) == done
    client.ask("cancel", batch.id)  # it has ended: nothing to be done


def test_a_batch_that_expires_has_what_it_did(client: Client) -> None:
    client.provider.behave_in_batches(faults=[Fault("expire", part=0.5)])
    ended = client.ended(client.made())
    assert (ended.phase, ended.complete) == (Phase.ENDED, False)
    assert len(client.lines(ended)) == 3


def test_requests_that_fail_have_their_error(client: Client) -> None:
    client.provider.behave(Plan(**{**PLAN.__dict__, "faults": 1.0, "kinds": ("500",), "most": 0}))
    lines = client.lines(client.ended(client.made()))
    assert len(lines) == 6
    assert {line.status for line in lines} <= {500, None}
    assert all("scripted" in json.dumps(line.body) for line in lines)


def test_half_of_the_results_is_none(client: Client) -> None:
    ended = client.ended(client.made())
    asked = "content" if client.form in WITH_FILES else "results"
    client.provider.behave_in_batches(faults=[Fault(f"{asked} half", most=1)])
    with pytest.raises(TransientCallError):
        client.lines(ended)
    assert len(client.lines(ended)) == 6


@pytest.mark.parametrize("client", WITH_FILES, indirect=True, ids=str)
def test_a_file_is_uploaded_once(client: Client) -> None:
    path = client.file()
    staged = [client.ask("stage", path, f"ruie-{client.token}-1.jsonl") for _ in range(2)]
    assert staged[0] == staged[1]
    client.ask("unstage", staged[0])
    assert client.ask("stage", path, f"ruie-{client.token}-1.jsonl") != staged[0]
    assert isinstance(
        client.ask("create", staged[0], path, client.token, "scripted"), NotCreated
    ) or (client.ended(client.ask("get", client.found()[0][0])).phase is Phase.FAILED)


@pytest.mark.parametrize("asked", ["poll", "list", "cancel"])
def test_a_provider_that_fails_is_asked_again_later(client: Client, asked: str) -> None:
    batch = client.ended(client.made())
    client.provider.behave_in_batches(faults=[Fault(f"{asked} 500")])
    fails: AbstractContextManager[object] = pytest.raises(CallError)
    if (client.form, asked) == (BatchForm.INLINE, "cancel"):  # which is not asked for
        fails = nullcontext()
    with fails:
        if asked == "list":
            client.found()
        else:
            client.ask({"poll": "get"}.get(asked, asked), batch.id)


def test_many_requests_are_sent_without_being_held(provider: BatchProvider, tmp_path: Path) -> None:
    """The document is sent in parts, also one that is larger than a part."""
    client = Client(BatchForm.INLINE, provider, tmp_path)
    batch = client.made(count=1500)
    assert (tmp_path / "requests.jsonl").stat().st_size > PART
    ended = client.ended(batch)
    assert len(client.lines(ended)) == 1500
