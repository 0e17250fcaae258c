"""The LLM client: one chat completion at a time, over any OpenAI-compatible endpoint.

The `openai` library sends the requests, with its own retries off: whether, when and at whose cost a
call is repeated is decided where limits and spend are known, not inside a client. A `CallHook` runs
around each call: that is where they plug in.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ruie.errors import (
    CallError,
    ContentFilteredError,
    FatalCallError,
    TransientCallError,
    UnavailableError,
)
from ruie.http_errors import call_error
from ruie.prompts import Message
from ruie.tokens import estimate_tokens

if TYPE_CHECKING:
    import openai


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


@dataclass(frozen=True, slots=True)
class Completion:
    """The answer, with tokens as the provider counted them and the latency in seconds."""

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    latency_s: float
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


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


class LLMClient:
    """Calls one endpoint with at most `max_in_flight` requests at a time.

    timeout_s bounds a whole call, connecting included. Every failure is a `CallError` whose class
    says whether another attempt makes sense. A client belongs to the event loop that used it first.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str = "",
        *,
        timeout_s: float = 120.0,
        max_in_flight: int = 16,
        hook: CallHook | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.hook: CallHook = hook or Unlimited()
        self._api_key = api_key
        self._timeout_s = timeout_s
        self.max_in_flight = max_in_flight
        self._slots: asyncio.Semaphore | None = None
        self._client: openai.AsyncOpenAI | None = None

    def _open(self) -> openai.AsyncOpenAI:
        if self._client is None:
            import openai
            from httpx2 import Limits, Timeout

            # aiohttp underneath: 2.8 ms of CPU a call where the default transport takes 4.5 ms
            # (benchmarks/overhead.md), and 2 cores must carry 200 calls a second.
            transport = openai.DefaultAioHttpClient(
                timeout=Timeout(self._timeout_s, connect=min(10.0, self._timeout_s)),
                limits=Limits(
                    max_connections=self.max_in_flight + 4,
                    max_keepalive_connections=self.max_in_flight + 4,
                ),
            )
            self._client = openai.AsyncOpenAI(
                base_url=self.base_url,
                api_key=self._api_key or "none",
                max_retries=0,
                timeout=self._timeout_s,
                http_client=transport,
            )
        return self._client

    async def complete(
        self, call: Call, sending: Callable[[], Awaitable[object]] | None = None
    ) -> Completion:
        """The model's answer. Raises `CallError`; the hook's `after` runs in any case.

        `sending` is awaited once the hook has admitted the call, which is sent when it returns:
        until then it can be cancelled at no cost. If `sending` raises, the call is not sent.
        """
        if self._slots is None:
            self._slots = asyncio.Semaphore(self.max_in_flight)
        if self._client is None:
            # Loading the library takes seconds on a busy machine. They are not the endpoint's, and
            # the event loop has other things to do meanwhile: a worker renews its leases in it.
            await asyncio.to_thread(importlib.import_module, "openai")
            self._open()
        async with self._slots:
            permit = await self.hook.before(call)
            outcome: Completion | CallError = TransientCallError("The call was not sent.")
            try:
                if sending is not None:
                    await sending()
                outcome = TransientCallError("The call was cancelled.", maybe_charged=True)
                async with asyncio.timeout(self._timeout_s):
                    outcome = await self._send(call)
            except CallError as error:
                outcome = error
                raise
            except TimeoutError:
                outcome = TransientCallError(
                    f"{self.base_url} did not answer within {self._timeout_s:g} s.",
                    "Raise RUIE_LLM_TIMEOUT_S if the model is slow.",
                    maybe_charged=True,
                )
                raise outcome from None
            finally:
                await asyncio.shield(self.hook.after(permit, call, outcome))
        return outcome

    async def _send(self, call: Call) -> Completion:
        import openai
        from httpx2 import ConnectError, ConnectTimeout, Response

        body: dict[str, Any] = {
            "model": call.model,
            "messages": call.messages,
            "temperature": 0,
            "max_tokens": call.max_tokens,
        }
        if call.response_format is not None:
            body["response_format"] = call.response_format
        if call.stop:
            body["stop"] = call.stop
        started = time.monotonic()
        try:
            # The library's method for requests whose types it need not check: `create` validates
            # every message against every type it may have and builds models of the answer, which
            # is half of the CPU time that a call takes here.
            response = await self._open().post("/chat/completions", cast_to=Response, body=body)
            answer = json.loads(response.content)
        except openai.APIStatusError as error:
            raise call_error(error, self.base_url, call.model) from None
        except openai.APIConnectionError as error:
            # the aiohttp transport calls a refused connection a time-out too
            timed_out = isinstance(error, openai.APITimeoutError)
            if timed_out and not isinstance(error.__cause__, ConnectTimeout):
                raise TransientCallError(
                    f"{self.base_url} did not answer within {self._timeout_s:g} s.",
                    maybe_charged=True,
                ) from None
            raise TransientCallError(
                f"{self.base_url} cannot be reached: {error.__cause__ or error}.",
                "Check RUIE_LLM_BASE_URL and that the server runs.",
                maybe_charged=not isinstance(error.__cause__, ConnectError | ConnectTimeout),
            ) from None
        except (openai.OpenAIError, ValueError, RecursionError) as error:
            # an empty body, half a JSON document, the wrong type: an overloaded or broken server
            raise TransientCallError(
                f"{self.base_url} sent a response that cannot be read: {error}.", maybe_charged=True
            ) from None
        return _completion(answer, response.headers, time.monotonic() - started, call)

    async def check(self, model: str) -> list[str]:
        """The names of the endpoint's models, possibly none. Raises `UnavailableError`;
        `FatalCallError` if the key is refused, or if there are names and not that of `model`."""
        import openai

        try:
            async with asyncio.timeout(min(10.0, self._timeout_s)):
                page = await self._open().models.list()
            models = [entry.id for entry in page.data if isinstance(entry.id, str)]
        except openai.AuthenticationError:
            raise FatalCallError(
                f"{self.base_url} refuses the key.", "Set RUIE_LLM_API_KEY."
            ) from None
        except (openai.OpenAIError, TimeoutError, ValueError, TypeError, AttributeError) as error:
            reason = str(error.__cause__ or error) or "too slow"
            raise UnavailableError(
                f"The LLM at {self.base_url} does not answer ({reason}).",
                "Check RUIE_LLM_BASE_URL and that the server runs.",
            ) from None
        if not models and not model:
            raise UnavailableError(
                f"The LLM at {self.base_url} lists no model.", "Set RUIE_LLM_MODEL."
            )
        if models and model and model not in models:
            raise FatalCallError(
                f"{self.base_url} has no model '{model}'.",
                f"Set RUIE_LLM_MODEL to one of: {', '.join(models[:8])}.",
            )
        return models

    async def resolve_model(self, model: str = "") -> str:
        """`model` if the endpoint has it; the first that the endpoint lists if it is empty. Raises
        as `check` does."""
        models = await self.check(model)
        return model or models[0]

    async def close(self) -> None:
        """Close the connections. The client may be used again, also in another event loop."""
        if self._client is not None:
            await self._client.close()
            self._client = None
        self._slots = None  # it belongs to the event loop that ends now


def _completion(
    answer: Any, headers: Mapping[str, str], latency_s: float, call: Call
) -> Completion:
    """Read a response without trusting it: some servers leave out half of the fields."""
    try:
        choice = answer["choices"][0]
        text = choice["message"].get("content")
        finish = str(choice.get("finish_reason") or "stop")
    except (AttributeError, KeyError, IndexError, TypeError):
        raise TransientCallError(
            "The endpoint's response is not a chat completion.", maybe_charged=True
        ) from None
    if text is None:
        text = ""
    if not isinstance(text, str):
        raise TransientCallError("The endpoint's message is not text.", maybe_charged=True)
    usage = answer.get("usage")
    prompt_tokens = _count(usage, "prompt_tokens") or call.prompt_tokens
    completion_tokens = _count(usage, "completion_tokens") or estimate_tokens(text)
    if finish == "content_filter":
        raise ContentFilteredError(
            "The provider's content filter refused.",
            raw_output=text,
            usage=(prompt_tokens, completion_tokens),
        )
    return Completion(
        text=text,
        finish_reason=finish,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        latency_s=latency_s,
        headers=headers,
    )


def _count(usage: object, name: str) -> int:
    """A number of tokens; 0 where it is missing or not a number: an answer that was paid for is not
    discarded because of it."""
    count = usage.get(name) if isinstance(usage, dict) else None
    return count if isinstance(count, int) and count > 0 else 0
