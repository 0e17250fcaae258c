"""The HTTP interface of the local LLM: the part of OpenAI's API that ruie uses.

POST /v1/chat/completions, POST /v1/completions, GET /v1/models and GET /health. Errors have
OpenAI's shape. What is not supported is refused with 400, never ignored silently.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any, NoReturn, TypeVar

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from ruie.worker.embedded.llm_engine import Answer, Engine, RefusedError
from ruie.worker.embedded.llm_requests import ChatBody, CommonBody, TextBody

Body = TypeVar("Body", bound=CommonBody)


class _RequestError(Exception):
    def __init__(
        self, status: int, message: str, code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param


def application(engine: Engine) -> Starlette:
    """The application that serves one engine."""
    started = int(time.time())

    async def models(_: Request) -> JSONResponse:
        return JSONResponse({"object": "list", "data": [_card(engine, started)]})

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def chat(request: Request) -> JSONResponse:
        body = await _read(request, ChatBody, engine)
        try:
            prompt = engine.render([message.plain() for message in body.messages])
        except RuntimeError as error:
            _refuse(f"The messages do not fit the model's chat template: {error}")
        used, answer = await _complete(request, engine, body, prompt, body.json_schema())
        message = {"role": "assistant", "content": answer.text}
        return _reply(engine, "chat.completion", used, answer, {"message": message})

    async def text(request: Request) -> JSONResponse:
        body = await _read(request, TextBody, engine)
        used, answer = await _complete(request, engine, body, body.prompt, None)
        return _reply(engine, "text_completion", used, answer, {"text": answer.text})

    return Starlette(
        routes=[
            Route("/health", health),
            Route("/v1/models", models),
            Route("/v1/chat/completions", chat, methods=["POST"]),
            Route("/v1/completions", text, methods=["POST"]),
        ],
        exception_handlers=dict.fromkeys((_RequestError, HTTPException, Exception), _on_error),
    )


async def _complete(
    request: Request, engine: Engine, body: CommonBody, prompt: str, schema: str | None
) -> tuple[int, Answer]:
    tokens = engine.tokenise(prompt)
    used = int(tokens.shape[1])
    room = engine.context_tokens - used
    sampling = body.sampling(room, schema)
    if sampling.max_tokens > room:
        _refuse(
            f"The model's context is {engine.context_tokens} tokens; the prompt has {used} and "
            f"{sampling.max_tokens} are requested. Shorten the prompt or lower max_tokens.",
            code="context_length_exceeded",
        )
    work = asyncio.wrap_future(engine.submit(tokens, sampling))
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise _RequestError(499, "The client has disconnected.")
        return used, work.result()
    except RefusedError as error:
        _refuse(f"The engine refused the request: {error}")
    finally:
        work.cancel()
        gone.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _read(request: Request, kind: type[Body], engine: Engine) -> Body:
    try:
        body = kind.model_validate_json(await request.body())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        _refuse(f"{where}: {first['msg']}".lstrip(": "), param=where or None)
    if body.model != engine.model:
        message = f"The model {body.model!r} is not served here; {engine.model!r} is."
        raise _RequestError(404, message, "model_not_found", "model")
    return body


def _reply(
    engine: Engine, kind: str, used: int, answer: Answer, choice: dict[str, Any]
) -> JSONResponse:
    return JSONResponse(
        {
            "id": f"cmpl-{uuid.uuid4().hex}",
            "object": kind,
            "created": int(time.time()),
            "model": engine.model,
            "choices": [
                {
                    "index": 0,
                    **choice,
                    "logprobs": _log_probs(answer),
                    "finish_reason": answer.finish_reason,
                }
            ],
            "usage": {
                "prompt_tokens": used,
                "completion_tokens": answer.tokens,
                "total_tokens": used + answer.tokens,
            },
        }
    )


def _log_probs(answer: Answer) -> dict[str, Any] | None:
    """In the form of a chat's answer. Part of a character has no bytes."""
    if not answer.log_probs:
        return None
    return {
        "content": [
            {
                "token": token,
                "logprob": log_prob,
                "bytes": None if "\ufffd" in token else list(token.encode()),
                "top_logprobs": [],
            }
            for token, log_prob in answer.log_probs
        ],
        "refusal": None,
    }


def _card(engine: Engine, created: int) -> dict[str, Any]:
    card = {"id": engine.model, "object": "model", "created": created, "owned_by": "local"}
    return {**card, "max_model_len": engine.context_tokens}


def _refuse(message: str, *, code: str | None = None, param: str | None = None) -> NoReturn:
    raise _RequestError(400, message, code, param)


def _on_error(_: Request, error: Exception) -> JSONResponse:
    match error:
        case _RequestError():
            failure = error
        case HTTPException():  # an unknown path or method
            failure = _RequestError(error.status_code, error.detail)
        case _:
            failure = _RequestError(500, "The server failed; see its log.")
    kind = "server_error" if failure.status >= 500 else "invalid_request_error"
    body = {"message": str(failure), "type": kind, "param": failure.param, "code": failure.code}
    return JSONResponse({"error": body}, status_code=failure.status)
