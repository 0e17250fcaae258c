"""A request to a model, its answer, and what happens around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ruie.errors import CallError, TransientCallError
from ruie.llm.api import Api
from ruie.llm.log_probs import LogProbs
from ruie.prompts import Message
from ruie.usage import Usage


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `prompt_tokens` is an estimate, to reserve from a budget before the answer."""

    model: str
    messages: tuple[Message, ...]
    max_tokens: int
    prompt_tokens: int
    key: str = ""
    """Idempotency key of the question; "" where answers are not stored."""
    response_format: Mapping[str, Any] | None = None
    stop: tuple[str, ...] = ()
    reasoning_tokens: int = 0
    """Room for what a model thinks, beside `max_tokens` of its answer, where it is one that
    does."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Merged into the request's JSON document."""
    grammar: str = ""
    """What the answer is held to, in the notation of `ruie.grammar`."""
    constraint: str = ""
    """How the endpoint takes the grammar (`ruie.llm.profile.GRAMMARS`)."""
    log_probs: bool = False
    """Whether the endpoint is asked how probable each token of the answer was."""
    timeout_s: float | None = None
    """The answer is waited for at least so long, seconds; None: as the client waits."""
    api: Api = Api.CHAT
    """In which form it is sent; the client that sends it sets its endpoint's."""


@dataclass(frozen=True, slots=True)
class Completion:
    """The answer, with what it used and the latency in seconds."""

    text: str
    finish_reason: str
    usage: Usage
    latency_s: float
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    reasoned: bool = False
    """Whether the model visibly thought before it answered."""
    model: str = ""
    """The model that answered, as the endpoint calls it; "" where it does not say."""
    log_probs: LogProbs = field(default=(), repr=False)
    """Of the tokens that it wrote; empty where the endpoint does not say."""

    @property
    def prompt_tokens(self) -> int:
        return self.usage.prompt

    @property
    def completion_tokens(self) -> int:
        return self.usage.completion


class NotSentError(TransientCallError):
    """Of a call that was admitted, and then not sent: what `CallHook.after` is told of it."""


class CallHook(Protocol):
    """What happens around each call.

    `before` may wait (a rate limit) or raise (`RateLimitedError`, a spent budget). What it returns
    is passed to `after`, which is called exactly once for each `before` that returned, with the
    completion or the error, also when the call is cancelled.
    """

    async def before(self, call: Call) -> Any: ...

    async def after(self, permit: Any, call: Call, outcome: Completion | CallError) -> None: ...


class Unlimited:
    """The hook without limits: every call is sent at once."""

    async def before(self, call: Call) -> None:
        return None

    async def after(self, permit: Any, call: Call, outcome: Completion | CallError) -> None:
        return None
