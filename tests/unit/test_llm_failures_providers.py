"""What providers say when a call fails, in their own words, and what it means."""

from __future__ import annotations

import json
import tomllib
from typing import Any, NamedTuple

import pytest
from support.commands import ROOT

from ruie import errors
from ruie.errors import (
    AccountError,
    CallError,
    ModelError,
    RateLimitedError,
    TransientCallError,
)
from ruie.llm.failures import answered_error


class Case(NamedTuple):
    name: str
    status: int
    body: str


TOLD = tomllib.loads((ROOT / "tests/support/failures.toml").read_text(encoding="utf-8"))
CASES = {getattr(errors, name): [Case(**case) for case in cases] for name, cases in TOLD.items()}
ALL = [
    pytest.param(kind, case, id=f"{kind.__name__}-{case.name}")
    for kind, cases in CASES.items()
    for case in cases
]


def error(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


def named(kind: type[CallError], name: str) -> Case:
    return next(case for case in CASES[kind] if case.name == name)


def read(status: int | None, body: Any, secrets: tuple[str, ...] = ()) -> CallError:
    content = body if isinstance(body, str) else json.dumps(body)
    return answered_error(status, {}, content.encode(), "http://e/v1", "gpt-9", secrets)


@pytest.mark.parametrize(("kind", "case"), ALL)
def test_what_a_provider_means(kind: type[CallError], case: Case) -> None:
    error = read(case.status, case.body)
    assert type(error) is kind, error
    assert error.message.startswith("http://e/v1 ")
    assert str(case.status) in error.message
    assert len(error.message) < 500
    assert "\n" not in error.message


@pytest.mark.parametrize(("kind", "case"), ALL)
def test_it_means_the_same_behind_a_gateway(kind: type[CallError], case: Case) -> None:
    """OpenRouter and others repeat what the provider said as JSON in a string."""
    if not case.body.startswith(("{", "[")):
        return
    wrapped = {
        "error": {
            "message": "Provider returned error",
            "code": case.status,
            "metadata": {"raw": case.body, "provider_name": "P"},
        }
    }
    assert type(read(case.status, wrapped)) is kind
    assert type(read(None, wrapped)) is kind, "with status 200 the code counts"


def test_the_providers_words_are_told() -> None:
    assert "Overloaded" in read(529, named(RateLimitedError, "Anthropic").body).message
    assert "502 Bad Gateway" in read(502, named(TransientCallError, "nginx").body).message
    spent = read(None, {"error": {"code": 402, "message": "Insufficient credits"}})
    assert type(spent) is AccountError
    assert "credit is spent" in spent.message
    assert "Insufficient credits" in spent.message


def test_a_wrong_address_says_so() -> None:
    for body in ({"detail": "Not Found"}, "404 page not found", ""):
        error = read(404, body)
        assert "/chat/completions" in error.message
        assert "RUIE_LLM_BASE_URL" in error.hint
        assert "/v1" in error.hint
    assert "RUIE_LLM_MODEL" in read(404, named(ModelError, "OpenAI").body).hint


def test_no_key_is_repeated() -> None:
    body = error("Incorrect API key provided: sk-proj-abc123def456. Yours is hunter2hunter2.")
    said = read(401, body, secrets=("hunter2hunter2",)).message
    assert "abc123" not in said
    assert "hunter2" not in said
    assert "Incorrect API key provided: ***" in said


def test_when_google_wants_the_next_call() -> None:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
    body = error("Quota", code=429, status="RESOURCE_EXHAUSTED", details=[info])
    assert read(429, [body]).retry_after == 34.5


def test_a_gateway_that_gave_up_may_have_been_charged() -> None:
    assert read(504, "").maybe_charged
    assert not read(500, "").maybe_charged
    assert not read(401, "").maybe_charged
