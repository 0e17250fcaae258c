"""Descriptions of endpoints that people use: tests/contract/endpoints, one TOML file for each.

name: as docs/endpoints.md calls it. In every part `source` says where the facts are from (a page of
the documentation, or an issue that quotes a response), and `unconfirmed` marks what no source shows
word for word.

`[request]`
    url: the base URL as a user sets it; base: the path of it. model, any_model: whether another
    name is served as well.
    api: of RUIE_LLM_API, where the URL does not say it; form: "messages" where it is not chat.
    header, scheme, query: how a request authenticates, `header: scheme KEY`. headers: others that
    it must have. roles. parameters:
    what is taken beside `model` and `messages`; ignored: what has no effect ("*": all else).
`[[request.refused]]`
    A parameter that this model does not take, and the answer. only: if its value is this, or
    "blank": if one of its texts is white space alone; unless: if its value is not this.
`[request.others]`
    The answer to a parameter that is not named above, `{parameter}` being its name.
`[answer]`
    body: `{text}` is what the model says. usage: how ruie should read it. stop_cuts: where the
    model thinks aloud, which text a stop sequence cuts first. finish: its reasons. headers: sent
    with each answer. `[answer.NAME]`: another response, or the part of one that matters, and its
    usage.
`[models]`
    The answer to GET /models.
`[errors.NAME]`
    An answer that is a failure; means: the class of `ruie.errors` that it should be read as.
    retry_after: the seconds to wait that should be read from headers or body.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from support.replies import JSON, Reply

from ruie import errors
from ruie.errors import CallError
from ruie.llm.api import Api, models_page, page_of
from ruie.usage import Usage

FOLDER = Path(__file__).parents[1] / "contract" / "endpoints"
KEY = "sk-secret"


@dataclass(frozen=True)
class Refusal:
    """A parameter that a model does not take, and the answer to it."""

    parameter: str
    reply: Reply
    only: str = ""
    unless: object = None

    def concerns(self, body: Mapping[str, Any]) -> bool:
        if self.parameter not in body:
            return False
        value = body[self.parameter]
        if self.only == "blank":
            return any(not text.strip() for text in ([value] if isinstance(value, str) else value))
        if self.only:
            return bool(value["type"] == self.only)
        return self.unless is None or value != self.unless


@dataclass(frozen=True)
class Failure:
    """An answer that is a failure, and what it means."""

    name: str
    reply: Reply
    means: type[CallError]
    retry_after: float | None = None


@dataclass(frozen=True)
class Answer:
    """A response with `{text}` in it, and how its usage should be read."""

    body: dict[str, Any]
    usage: Usage
    stop_cuts: str = ""


@dataclass(frozen=True)
class Provider:
    """One endpoint, as its file describes it."""

    key: str
    """The name of the file."""
    name: str
    request: dict[str, Any]
    answer: Answer
    other_answers: dict[str, Answer]
    headers: dict[str, str]
    models: Reply
    refusals: list[Refusal]
    failures: dict[str, Failure]
    finish: dict[str, str] = field(default_factory=dict)

    @property
    def model(self) -> str:
        return str(self.request["model"])

    @property
    def public_url(self) -> str:
        """The base URL as a user sets it."""
        return str(self.request["url"])

    @property
    def base(self) -> str:
        return str(self.request["base"])

    @property
    def header(self) -> str:
        """Of the key; "" where none is needed."""
        return str(self.request["header"])

    @property
    def credentials(self) -> str:
        """What the header should be."""
        return f"{self.request['scheme']} {KEY}".strip()

    @property
    def auth(self) -> str:
        """The value of RUIE_LLM_AUTH."""
        return {"Authorization": "bearer", "": "none"}.get(self.header, self.header)

    @property
    def form(self) -> Api:
        """In which form it is spoken to."""
        return Api(self.request.get("form", "chat"))

    @property
    def api(self) -> str:
        """The value of RUIE_LLM_API for the endpoint that plays it, whose URL is another."""
        return str(self.form)

    @property
    def page(self) -> str:
        """The path of its calls."""
        return self.base + page_of(self.form, self.base)

    @property
    def models_page(self) -> str:
        return self.base + models_page(self.form, self.base)

    @property
    def headers_wanted(self) -> dict[str, str]:
        return dict(self.request.get("headers", {}))

    @property
    def query(self) -> dict[str, str]:
        return dict(self.request.get("query", {}))

    @cached_property
    def taken(self) -> frozenset[str]:
        """The parameters that are not refused by name."""
        return frozenset(["model", "messages", *self.request["parameters"], *self.ignored])

    @cached_property
    def ignored(self) -> frozenset[str]:
        return frozenset(self.request.get("ignored", ()))

    def refusal(self, body: Mapping[str, Any]) -> tuple[str, Reply] | None:
        """The first parameter that it refuses, and its answer: providers name one at a time."""
        for refusal in self.refusals:
            if refusal.concerns(body):
                return refusal.parameter, refusal.reply
        others = self.request.get("others")
        if others and (unknown := sorted(set(body) - self.taken)):
            told = {**others, "body": others["body"].replace("{parameter}", unknown[0])}
            return unknown[0], _reply(told)
        return None


def load(path: Path) -> Provider:
    told = tomllib.loads(path.read_text(encoding="utf-8"))
    request, answer = told["request"], told["answer"]
    others = {key: _answer(part) for key, part in answer.items() if _is_answer(part)}
    assert "others" in request or "ignored" in request, path
    return Provider(
        path.stem,
        told["name"],
        request,
        _answer(answer),
        others,
        answer.get("headers", {}),
        _reply(told["models"]),
        [_refusal(part) for part in request.get("refused", [])],
        {name: _failure(name, part) for name, part in told["errors"].items()},
        answer["finish"],
    )


def providers() -> list[Provider]:
    return [load(path) for path in sorted(FOLDER.glob("*.toml"))]


def _reply(part: Mapping[str, Any]) -> Reply:
    body = json.dumps(json.loads(part["body"])).encode()
    return Reply(body, part.get("status", 200), JSON | part.get("headers", {}))


def _refusal(part: Mapping[str, Any]) -> Refusal:
    return Refusal(part["parameter"], _reply(part), part.get("only", ""), part.get("unless"))


def _failure(name: str, part: Mapping[str, Any]) -> Failure:
    means = getattr(errors, part["means"])
    return Failure(name, _reply(part), means, part.get("retry_after"))


def _is_answer(part: object) -> bool:
    return isinstance(part, dict) and "body" in part


def _answer(part: Mapping[str, Any]) -> Answer:
    return Answer(json.loads(part["body"]), Usage(**part["usage"]), part.get("stop_cuts", ""))
