"""The lines of a batch, as each provider writes them; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from support.metered import Entry
from support.metered_answer import completion
from support.replies import failure


class Lines(Protocol):
    """How a form writes what became of a request. number: of the request among all."""

    whole: bool
    """A batch has one model, and fails as a whole if a request is not as it should be."""

    def request(self, line: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        """The custom_id and the body, as a chat request, of a line of the input."""

    def good(self, number: int, custom_id: str, entry: Entry) -> bytes: ...

    def bad(self, number: int, custom_id: str, status: int) -> bytes: ...

    def undone(self, number: int, custom_id: str, state: str) -> bytes | None:
        """Of a request that was left when its batch expired or was cancelled, if it says so."""


class OpenAILines:
    """OpenAI's form. What is left of a cancelled batch is in no file."""

    whole = True

    def request(self, line: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        return line["custom_id"], line["body"]

    def good(self, number: int, custom_id: str, entry: Entry) -> bytes:
        body = completion(entry, id=f"chatcmpl-{number}", model=entry.model).body
        return _response(number, custom_id, 200, body)

    def bad(self, number: int, custom_id: str, status: int) -> bytes:
        return _response(number, custom_id, status, failure(status, "scripted").body)

    def undone(self, number: int, custom_id: str, state: str) -> bytes | None:
        if state != "expired":
            return None
        message = "This request could not be executed before the completion window expired."
        error = {"code": "batch_expired", "message": message}
        line = {"id": f"batch_req_{number}", "custom_id": custom_id, "response": None}
        return json.dumps({**line, "error": error}).encode() + b"\n"


class MistralLines(OpenAILines):
    """As OpenAI's, and what is left of a batch whose time is over is in no file either."""

    def undone(self, number: int, custom_id: str, state: str) -> bytes | None:
        return None


def _response(number: int, custom_id: str, status: int, body: bytes) -> bytes:
    start = f'{{"id": "batch_req_{number}", "custom_id": {json.dumps(custom_id)}, '
    response = f'"response": {{"status_code": {status}, "request_id": "req_{number}", "body": '
    return start.encode() + response.encode() + body + b'}, "error": null}\n'
