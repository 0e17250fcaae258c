"""Requests of a batch about documents of `support.corpus`, and what a client does with them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import openai
from openai.types import Batch
from support.corpus import rows
from support.waiting import wait_until


def requests(count: int, series: int = 1, token: str = "t") -> list[dict[str, Any]]:
    """One for each document, about its entities."""
    return [
        {
            "custom_id": f"{row['id']}-1-{token}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {
                "model": "scripted",
                "max_tokens": 48,
                "messages": [{"role": "user", "content": f"Sentence: {row['text']}\nEntities:"}],
            },
        }
        for row in rows(count, series)
    ]


def upload(client: openai.OpenAI, lines: Sequence[Any], name: str = "ruie-t.jsonl") -> str:
    content = "".join(f"{json.dumps(line)}\n" for line in lines).encode()
    return client.files.create(file=(name, content), purpose="batch").id


def create(client: openai.OpenAI, file_id: str, token: str = "t") -> Batch:
    return client.batches.create(
        input_file_id=file_id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata={"ruie": token},
    )


def ended(client: openai.OpenAI, batch_id: str) -> Batch:
    last = ("completed", "failed", "expired", "cancelled")
    wait_until(lambda: client.batches.retrieve(batch_id).status in last)
    return client.batches.retrieve(batch_id)


def lines(client: openai.OpenAI, file_id: str | None) -> list[dict[str, Any]]:
    assert file_id is not None
    return [json.loads(line) for line in client.files.content(file_id).text.splitlines()]


def ask(method: str, url: str, body: object = None) -> tuple[int, Any]:
    """A request in JSON: the status and what came back, JSON or lines of it."""
    data = None if body is None else json.dumps(body).encode()
    request = Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urlopen(request, timeout=20) as response:
            status, text = response.status, response.read().decode()
    except HTTPError as error:
        with error:
            status, text = error.code, error.read().decode()
    try:
        return status, json.loads(text)
    except ValueError:
        return status, [json.loads(line) for line in text.splitlines()]
