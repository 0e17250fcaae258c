"""What the scripted batch provider looks at in the requests of a batch before it begins."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.batch_provider_books import Batch
from support.batch_provider_lines import Lines
from support.batch_provider_state import Provider
from support.metering import prompt_tokens

CHUNK = 500
"""Lines that are read in one go, while nobody else is served."""
MOST_PROBLEMS = 10


@dataclass(frozen=True)
class Problem:
    """Why a batch failed, as OpenAI says it; line: from 1."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None


async def validate(
    provider: Provider, batch: Batch, lines: Lines, source: Path, refused: bool
) -> list[Problem]:
    """Count the requests and their tokens, and say what is wrong with them. refused: scripted to
    be too much for the limit of enqueued tokens."""
    look = _Look(batch, lines)
    with source.open("rb") as raw:
        for number, line in enumerate(raw, 1):
            look.line(number, line)
            if len(look.problems) == MOST_PROBLEMS:
                break
            if number % CHUNK == 0:
                await asyncio.sleep(0)
    batch.total, most = len(look.seen), provider.plan.most_requests
    if look.problems:
        return look.problems
    if not batch.total:
        return [Problem("empty_file", "The batch has no requests.")]
    if batch.input_file and batch.total > most:
        return [Problem("too_many_tasks", f"{batch.total} requests; the limit is {most}.")]
    limit = provider.plan.enqueued_tokens if lines.whole else 0
    enqueued = provider.enqueued(batch.model) + look.tokens
    if refused or 0 < limit < enqueued:
        message = f"Enqueued token limit reached for {batch.model}. Limit: {limit or 'scripted'}."
        return [Problem("token_limit_exceeded", message)]
    batch.prompt_tokens = look.tokens
    return []


class _Look:
    def __init__(self, batch: Batch, lines: Lines) -> None:
        self._batch = batch
        self._lines = lines
        self.seen: set[str] = set()
        self.tokens = 0
        self.problems: list[Problem] = []

    def line(self, number: int, raw: bytes) -> None:
        if not raw.strip():
            return
        try:
            line: dict[str, Any] = json.loads(raw)
            custom_id, body = self._lines.request(line)
            self.tokens += prompt_tokens(body["messages"])
        except ValueError:
            self._problem("invalid_json_line", "This line is not JSON.", number)
            return
        except (KeyError, TypeError, AttributeError) as error:
            self._problem("missing_required_parameter", f"Missing: {error}.", number)
            return
        batch = self._batch
        batch.model = batch.model or body.get("model", "")
        if custom_id in self.seen:
            self._problem("duplicate_custom_id", f"{custom_id!r} stands twice.", number)
        other = body.get("model", batch.model) != batch.model or not batch.model
        if self._lines.whole and other:
            message = f"{body.get('model')!r} is not the model of the first, {batch.model!r}."
            self._problem("model_mismatch", message, number)
        if line.get("url", batch.endpoint) != batch.endpoint:
            self._problem("url_mismatch", f"{line['url']!r} is not {batch.endpoint!r}.", number)
        if line.get("method", "POST") != "POST":
            self._problem("invalid_method", f"{line['method']!r} is not POST.", number)
        self.seen.add(custom_id)
        if not batch.token:
            batch.token = custom_id.rpartition("-")[2]

    def _problem(self, code: str, message: str, line: int) -> None:
        self.problems.append(Problem(code, message, line))
