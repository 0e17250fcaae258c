"""A scripted endpoint that plays a description: as strict as the provider is.

    with ProviderEndpoint(provider, says) as endpoint:
        endpoint.fail("rate_limit", where="Ada")
        LLMClient(endpoint.url, KEY)

It checks path, query, authentication, the name of the model, roles and parameters, and answers in
the provider's form; `says` is the model: what it says to a request.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from support.endpoint import ScriptedEndpoint
from support.provider import Provider
from support.replies import JSON, Reply, failure

from ruie.llm.api import Api

Says = Callable[[Mapping[str, Any]], str]


class ProviderEndpoint(ScriptedEndpoint):
    """A running endpoint; a context manager.

    answered: its answers so far. refused: how often each parameter was refused, and how often each
    of the description's errors was sent, by its name.
    """

    def __init__(self, provider: Provider, says: Says = lambda _: "None") -> None:
        super().__init__(lambda body, _: self._answer(body))
        self.provider = provider
        self.answered = 0
        self.refused: Counter[str] = Counter()
        self._says = says
        self._failing: list[tuple[str, str, int]] = []

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        return f"{self.root}{self.provider.base}"

    @property
    def base_url(self) -> str:
        """The value of RUIE_LLM_BASE_URL."""
        query = urlencode(self.provider.query)
        return f"{self.url}?{query}" if query else self.url

    def fail(self, error: str, where: str = "", times: int = 1) -> None:
        """Send an error of the description to the next requests whose prompt has `where` in it."""
        self._failing.append((error, where, times))

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post(self.provider.page, self._chat),
            web.get(self.provider.models_page, self._list),
        ]

    async def _list(self, request: web.Request) -> web.StreamResponse:
        return await self._send(self._not_admitted(request) or self.provider.models, request)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        if refusal := self._not_admitted(request):
            return await self._send(refusal, request)
        return await super()._chat(request)

    def _not_admitted(self, request: web.Request) -> Reply | None:
        provider = self.provider
        if any(request.query.get(name) != value for name, value in provider.query.items()):
            self.refused["query"] += 1
            return failure(404, "404", "Resource not found")
        for name, value in provider.headers_wanted.items():
            if request.headers.get(name) != value:
                self.refused[name] += 1
                return failure(400, message=f"{name}: header is required")
        if provider.header and request.headers.get(provider.header) != provider.credentials:
            return self._error("bad_key")
        return None

    def _error(self, name: str) -> Reply:
        self.refused[name] += 1
        return self.provider.failures[name].reply

    def _answer(self, body: dict[str, Any]) -> Reply:
        provider = self.provider
        if error := self._scripted(body):
            return self._error(error)
        if body["model"] != provider.model and not provider.request.get("any_model"):
            return self._error("unknown_model")
        for message in body["messages"]:
            if message["role"] not in provider.request["roles"]:
                self.refused["role"] += 1
                return failure(400, message=f"'{message['role']}' is not one of the roles")
        if provider.form is Api.MESSAGES and not isinstance(body.get("max_tokens"), int):
            self.refused["max_tokens"] += 1
            return failure(400, message="max_tokens: Field required")
        if refusal := provider.refusal(body):
            self.refused[refusal[0]] += 1
            return refusal[1]
        self.answered += 1
        told = _filled(provider.answer.body, self._says(body))
        if provider.form is Api.MESSAGES:
            _stop_message(told, body.get("stop_sequences") or [])
        else:
            _stop(told, body.get("stop") or [], provider.answer.stop_cuts)
        return Reply(json.dumps(told).encode(), headers=JSON | provider.headers)

    def _scripted(self, body: Mapping[str, Any]) -> str:
        prompt = body["messages"][-1]["content"]
        for place, (error, where, times) in enumerate(self._failing):
            if times and where in prompt:
                self._failing[place] = (error, where, times - 1)
                return error
        return ""


def _filled(body: Any, text: str) -> Any:
    """A copy of a response in which the model says `text`."""
    if isinstance(body, dict):
        return {key: _filled(value, text) for key, value in body.items()}
    if isinstance(body, list):
        return [_filled(each, text) for each in body]
    return body.replace("{text}", text) if isinstance(body, str) else body


def _stop(body: dict[str, Any], stop: str | list[str], cuts: str) -> None:
    """End the output where the first stop sequence is, as the model's server does: in the thoughts,
    where they are a part of the text that it looks at."""
    message = body["choices"][0]["message"]
    sequences = [stop] if isinstance(stop, str) else stop
    if cuts == "reasoning":
        for name in ("reasoning", "reasoning_content"):
            if name in message and (cut := _cut(message[name], sequences)) != message[name]:
                message[name], message["content"] = cut, None
    if isinstance(message["content"], str):
        message["content"] = _cut(message["content"], sequences)


def _stop_message(body: dict[str, Any], sequences: list[str]) -> None:
    """The same of a message."""
    for block in body["content"]:
        said = block.get("text", "")
        if said and (cut := _cut(said, sequences)) != said:
            block["text"] = cut
            body["stop_reason"] = "stop_sequence"
            body["stop_sequence"] = next(s for s in sequences if said.startswith(s, len(cut)))


def _cut(text: str, sequences: list[str]) -> str:
    return text[: min((text.index(s) for s in sequences if s in text), default=len(text))]
