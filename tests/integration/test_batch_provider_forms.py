"""The scripted batch provider in the forms of Anthropic, Mistral, OpenRouter and vLLM: each answers
as OpenAI's does, in its own words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.batch_file import run_batch
from support.batch_provider import BatchPlan, BatchProvider, Fault
from support.batch_requests import ask, requests
from support.metering import Plan
from support.waiting import wait_until

PLAN = Plan(delay_s=(0.0, 0.0), input_nusd=1000, output_nusd=4000)


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[BatchProvider]:
    with BatchProvider(PLAN, tmp_path) as running:
        yield running


def params(count: int) -> list[dict[str, Any]]:
    """The same requests as Messages calls."""
    return [{"custom_id": r["custom_id"], "params": r["body"]} for r in requests(count)]


def inline(count: int) -> list[dict[str, Any]]:
    """The same requests without what the batch says."""
    return [
        {
            "custom_id": r["custom_id"],
            "body": {key: r["body"][key] for key in ("max_tokens", "messages")},
        }
        for r in requests(count)
    ]


def until(url: str, holds: Callable[[Any], object]) -> Any:
    """Poll a batch until something holds of it."""
    wait_until(lambda: holds(ask("GET", url)[1]))
    return ask("GET", url)[1]


def messages_ended(batch: Any) -> bool:
    return bool(batch["processing_status"] == "ended")


def test_messages_are_answered_and_their_batch_is_deleted(provider: BatchProvider) -> None:
    batches = f"{provider.url}/messages/batches"
    status, made = ask("POST", batches, {"requests": params(6)})
    assert (status, made["type"], made["results_url"]) == (200, "message_batch", None)
    assert made["request_counts"]["processing"] == 6
    batch = until(f"{batches}/{made['id']}", messages_ended)
    assert batch["request_counts"]["succeeded"] == 6
    _, results = ask("GET", batch["results_url"])
    assert [line["custom_id"] for line in results] == [r["custom_id"] for r in params(6)]
    _, single = ask("POST", f"{provider.url}/messages", params(1)[0]["params"])
    assert results[0]["result"]["message"]["content"] == single["content"]
    usage = results[0]["result"]["message"]["usage"]
    assert usage == {**single["usage"], "service_tier": "batch"}
    (entry, *_), call = provider.books().answers(), provider.log()[-1]
    assert (entry.prompt, entry.token) == (call.prompt, "t")
    assert call.nusd == 2 * entry.nusd > 0
    assert ask("DELETE", f"{batches}/{made['id']}")[1]["type"] == "message_batch_deleted"
    assert ask("GET", f"{batches}/{made['id']}")[1]["error"]["type"] == "not_found_error"


@pytest.mark.parametrize(
    ("kind", "counted"), [("expire", "expired"), ("cancelled", "canceled"), ("", "errored")]
)
def test_messages_that_are_not_done_say_so(
    provider: BatchProvider, kind: str, counted: str
) -> None:
    provider.behave_in_batches(faults=[Fault(kind, part=0.5)] if kind else [])
    asked = params(6)
    if not kind:
        for line in asked[::2]:
            del line["params"]["messages"]
    batches = f"{provider.url}/messages/batches"
    made = ask("POST", batches, {"requests": asked})[1]
    batch = until(f"{batches}/{made['id']}", messages_ended)
    counts = {name: count for name, count in batch["request_counts"].items() if count}
    assert counts == {"succeeded": 3, counted: 3}
    types = [line["result"]["type"] for line in ask("GET", batch["results_url"])[1]]
    assert sorted(types) == sorted(["succeeded"] * 3 + [counted] * 3)


@pytest.mark.parametrize("custom_id", ["a b", "", "x" * 65, "1-1-t"])
def test_a_custom_id_of_messages_fits_and_stands_once(
    provider: BatchProvider, custom_id: str
) -> None:
    asked = params(2)
    asked[0]["custom_id"] = custom_id
    asked[1]["custom_id"] = "1-1-t"
    status, answer = ask("POST", f"{provider.url}/messages/batches", {"requests": asked})
    assert (status, answer["error"]["type"]) == (400, "invalid_request_error")


def test_message_batches_are_listed_in_both_directions(provider: BatchProvider) -> None:
    batches = f"{provider.url}/messages/batches"
    made = [ask("POST", batches, {"requests": params(1)})[1]["id"] for _ in range(4)][::-1]

    def listed(query: str) -> tuple[list[str], bool]:
        page = ask("GET", f"{batches}?{query}")[1]
        return [batch["id"] for batch in page["data"]], page["has_more"]

    assert listed("limit=3") == (made[:3], True)
    assert listed(f"limit=3&after_id={made[2]}") == (made[3:], False)
    assert listed(f"limit=2&before_id={made[3]}") == (made[1:3], True)
    assert listed(f"limit=2&before_id={made[2]}") == (made[:2], False)


def test_a_message_batch_is_cancelled_and_a_create_is_lost(provider: BatchProvider) -> None:
    provider.behave_in_batches(
        in_progress_s=600.0, faults=[Fault("create lost 529", most=1), Fault("poll 500", most=1)]
    )
    batches = f"{provider.url}/messages/batches"
    assert ask("POST", batches, {"requests": params(4)})[0] == 529
    (batch,) = ask("GET", batches)[1]["data"]
    url = f"{batches}/{batch['id']}"
    assert ask("GET", url)[1]["error"]["type"] == "api_error"
    until(url, lambda _: provider.books().batches()[0].state == "in_progress")
    assert ask("DELETE", url)[0] == 409
    assert ask("POST", f"{url}/cancel")[1]["processing_status"] == "canceling"
    over = until(url, messages_ended)
    assert (over["request_counts"]["succeeded"], over["request_counts"]["canceled"]) == (2, 2)


def test_a_job_of_mistral_is_found_by_its_metadata(provider: BatchProvider) -> None:
    jobs = f"{provider.url}/batch/jobs"
    create = {"endpoint": "/v1/chat/completions", "model": "scripted", "timeout_hours": 24}
    for token in ("a", "b"):
        body = {**create, "requests": inline(3), "metadata": {"ruie": token}}
        assert ask("POST", jobs, body)[1]["status"] == "QUEUED"
    found = ask("GET", f"{jobs}?page=0&page_size=100&ruie=b&order_by=-created")[1]
    assert [job["metadata"] for job in found["data"]] == [{"ruie": "b"}]
    assert found["total"] == 1
    url = f"{jobs}/{found['data'][0]['id']}"
    job = until(url, lambda job: job["status"] == "SUCCESS")
    assert (job["total_requests"], job["succeeded_requests"], job["error_file"]) == (3, 3, None)
    _, lines = ask("GET", f"{provider.url}/files/{job['output_file']}/content")
    assert lines == ask("GET", f"{url}?inline=true")[1]["outputs"]
    assert [line["custom_id"] for line in lines] == [line["custom_id"] for line in inline(3)]
    assert lines[0]["response"]["body"]["model"] == "scripted"
    assert ask("GET", f"{provider.url}/files?page=0&page_size=1")[1]["total"] == 2
    assert ask("DELETE", url)[1]["deleted"]


@pytest.mark.parametrize(
    ("kind", "status"),
    [("expire", "TIMEOUT_EXCEEDED"), ("cancelled", "CANCELLED"), ("token limit", "FAILED")],
)
def test_a_job_of_mistral_ends_otherwise(provider: BatchProvider, kind: str, status: str) -> None:
    provider.behave_in_batches(faults=[Fault(kind)])
    body = {"endpoint": "/v1/chat/completions", "model": "scripted", "requests": inline(4)}
    made = ask("POST", f"{provider.url}/batch/jobs", body)[1]
    job = until(f"{provider.url}/batch/jobs/{made['id']}", lambda job: job["status"] not in ACTIVE)
    assert job["status"] == status
    assert bool(job["errors"]) == (status == "FAILED")
    assert job["succeeded_requests"] == (0 if status == "FAILED" else 2)


ACTIVE = ("QUEUED", "RUNNING", "CANCELLATION_REQUESTED")


def test_a_batch_with_its_requests_inline_has_its_results_inline(
    provider: BatchProvider,
) -> None:
    batches = f"{provider.url}/batches"
    create = {"endpoint": "/v1/chat/completions", "model": "scripted", "metadata": {"ruie": "t"}}
    assert ask("POST", batches, {"requests": inline(1), **create})[0] == 400
    assert ask("POST", batches, {**create, "requests": []})[0] == 400
    status, made = ask("POST", batches, {**create, "requests": inline(3)})
    assert (status, made["status"]) == (202, "validating")
    url = f"{batches}/{made['id']}"
    batch = until(url, lambda batch: batch["status"] == "completed")
    assert (batch["output_file_id"], provider.books().files()) == (None, [])
    assert [line["custom_id"] for line in batch["results"]] == [r["custom_id"] for r in inline(3)]
    page = ask("GET", f"{url}/results?limit=2")[1]
    rest = ask("GET", f"{url}/results?limit=2&cursor={page['next_cursor']}")[1]
    assert [*page["data"], *rest["data"]] == batch["results"]
    assert rest["next_cursor"] is None
    assert ask("POST", f"{url}/cancel")[0] == 404
    assert ask("DELETE", url)[1]["deleted"]
    assert ask("GET", url)[0] == 404


def test_a_file_of_requests_becomes_a_file_of_answers(tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(f"{json.dumps(r)}\n" for r in requests(20)))
    plan = Plan(faults=0.3, kinds=("500",), most=0)
    run_batch(source, target, plan, BatchPlan(faults=[Fault("drop", most=2), Fault("shuffle")]))
    answers = [json.loads(line) for line in target.read_text().splitlines()]
    assert len(answers) == 18
    assert {a["response"]["status_code"] for a in answers} == {200, 500}
    ids = [r["custom_id"] for r in requests(20)]
    places = [ids.index(a["custom_id"]) for a in answers]
    assert places != sorted(places)
