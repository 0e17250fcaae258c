"""`ruie doctor` makes one real call to each model."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.endpoint import Reply, ScriptedEndpoint, answer
from support.gates import reasoning_model
from support.replies import JSON, message, refused

Run = Callable[..., subprocess.CompletedProcess[str]]
ANSWER = answer("person: Ada Lovelace; place: London", usage=(310, 12))


@pytest.fixture
def doctor(ruie: Run, redis_url: str, bundle_path: Path) -> Callable[..., dict[str, Any]]:
    """The checks by part, with `exit`: the exit code."""
    ruie("db", "upgrade")

    def run(url: str, *options: str, **settings: str) -> dict[str, Any]:
        known = {"RUIE_REDIS_URL": redis_url, "RUIE_BUNDLE": str(bundle_path)}
        done = ruie("doctor", "--json", *options, RUIE_LLM_BASE_URL=url, **known, **settings)
        assert "Traceback" not in done.stderr
        return {c["part"]: c for c in json.loads(done.stdout)} | {"exit": done.returncode}

    return run


def detail(checks: Mapping[str, Any], part: str) -> str:
    return str(checks[part]["detail"])


def test_what_a_call_tells(doctor: Callable[..., dict[str, Any]]) -> None:
    limits = {
        "x-ratelimit-limit-requests": "500",
        "x-ratelimit-remaining-requests": "499",
        "x-ratelimit-reset-requests": "120ms",
    }
    with ScriptedEndpoint(Reply(ANSWER.body, headers={**JSON, **limits})) as endpoint:
        checks = doctor(endpoint.url, RUIE_LLM_PRICES='{"scripted": [1, 4]}')
        (request,) = endpoint.requests
    assert checks["exit"] == 0
    assert "scripted answers in" in detail(checks, "model")
    assert detail(checks, "answer") == "person: Ada Lovelace; place: London"
    assert detail(checks, "tokens").startswith("310 in (")
    assert detail(checks, "learned") == "nothing: it takes what ruie sends"
    assert "$1 in, $4 out" in detail(checks, "price")
    assert detail(checks, "limits") == "500 requests a minute"
    assert "Ada Lovelace" in request.prompt


def test_the_form_of_anthropic(doctor: Callable[..., dict[str, Any]]) -> None:
    limits = {
        "anthropic-ratelimit-requests-limit": "1000",
        "anthropic-ratelimit-requests-remaining": "999",
        "anthropic-ratelimit-output-tokens-limit": "16000",
        "anthropic-ratelimit-output-tokens-remaining": "16000",
    }

    def script(body: dict[str, Any], _: int) -> Reply:
        if "temperature" in body:
            return refused(400, "invalid_request_error", "`temperature` is deprecated for it.")
        said = message("person: Ada Lovelace; place: London", usage=(310, 12))
        return Reply(said.body, headers={**JSON, **limits})

    with ScriptedEndpoint(script) as endpoint:
        checks = doctor(endpoint.url, RUIE_LLM_API="messages", RUIE_LLM_MODEL="scripted")
    assert checks["exit"] == 0
    assert detail(checks, "answer") == "person: Ada Lovelace; place: London"
    assert detail(checks, "tokens").startswith("310 in (")
    assert detail(checks, "learned") == "no temperature"
    assert detail(checks, "limits") == "1,000 requests a minute, 16,000 tokens out a minute"


def test_what_it_learns_is_kept_until_it_is_forgotten(
    doctor: Callable[..., dict[str, Any]], ruie: Run
) -> None:
    with ScriptedEndpoint(reasoning_model) as endpoint:
        learned = "limit as max_completion_tokens, no temperature, reasons"
        for options, requests in (((), 3), ((), 1), (("--forget",), 3)):
            before = len(endpoint.requests)
            checks = doctor(endpoint.url, *options)
            assert len(endpoint.requests) - before == requests
            assert detail(checks, "learned") == learned
        before = len(endpoint.requests)
        assert set(doctor(endpoint.url, "--no-call")) == {
            "database", "redis", "bundle", "llm", "exit",
        }  # fmt: skip  # one line
        assert len(endpoint.requests) == before


def test_the_model_of_an_open_job_is_called_too(
    doctor: Callable[..., dict[str, Any]], ruie: Run, tmp_path: Path
) -> None:
    (tmp_path / "d.jsonl").write_text('{"id": "1", "text": "Ada went to Rome ."}\n')
    with ScriptedEndpoint(ANSWER, models=("scripted", "other")) as endpoint:
        settings = {"RUIE_LLM_BASE_URL": endpoint.url}
        enqueue = ("enqueue", "d.jsonl", "--schema", "news.yaml", "--model", "other")
        assert ruie(*enqueue, **settings).returncode == 0
        doctor(endpoint.url)
        assert [r.body["model"] for r in endpoint.requests] == ["scripted", "other"]


def test_an_answer_without_its_form_is_shown(doctor: Callable[..., dict[str, Any]]) -> None:
    with ScriptedEndpoint(answer("I am a language model.")) as endpoint:
        checks = doctor(endpoint.url)
    assert "not in the form" in detail(checks, "answer")
    assert "I am a language model." in detail(checks, "answer")
    assert checks["answer"]["hint"]


def test_what_is_wrong_with_a_call_is_said(doctor: Callable[..., dict[str, Any]]) -> None:
    refused = Reply(b'{"error": {"message": "Incorrect API key provided."}}', 401, dict(JSON))
    with ScriptedEndpoint(refused) as endpoint:
        checks = doctor(endpoint.url)
    assert checks["exit"] == 1
    assert "Incorrect API key provided." in detail(checks, "model")
    assert not checks["model"]["ok"]
    gone = doctor("http://127.0.0.1:9/v1")
    assert gone["exit"] == 1
    assert "127.0.0.1:9" in detail(gone, "llm")
