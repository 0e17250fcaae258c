"""The requests of one batch and the files of what became of them, in the scripted batch provider.
Nothing here holds a batch in memory."""

from __future__ import annotations

import asyncio
import json
import random
from array import array
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from support.batch_provider_books import Answer, Batch
from support.batch_provider_lines import Lines
from support.batch_provider_state import Provider, new_id
from support.corpus import POISON, Question
from support.metered import Entry
from support.metered_answer import answered, asked
from support.metering import Plan

CHUNK = 200
"""Requests that are answered in one go, while nobody else is served."""
IN_BATCHES = ("length", "429 seconds", "429 date", "429 bare", "400", "401", "500", "503")
"""The faults of a plan that a request in a batch can have."""


class Answering:
    def __init__(self, provider: Provider, batch: Batch, lines: Lines, source: Path) -> None:
        self._provider = provider
        self._batch = batch
        self._lines = lines
        self._source = source
        self._offset = 0
        self._done = 0
        self._output = provider.results(batch)
        self._separate = batch.form in ("openai", "mistral")
        self._errors = self._output.with_suffix(".errors") if self._separate else self._output

    async def go_on(self, until: int) -> None:
        """Answer so many requests in all."""
        while self._done < until:
            self._chunk(min(CHUNK, until - self._done), state="")
            await asyncio.sleep(0)

    async def leave_rest(self, state: str) -> None:
        """The batch has ended: it says what it has to say about requests that it has not done."""
        while self._done < self._batch.total:
            self._chunk(min(CHUNK, self._batch.total - self._done), state)
            await asyncio.sleep(0)

    def publish(self, shuffled: bool) -> None:
        """The files are there for clients, if they have a line."""
        if shuffled:
            for file in {self._output, self._errors}:
                shuffle(file, self._provider.plan.seed)
        if self._separate:
            self._batch.output_file = self._published(self._output, "output")
            self._batch.error_file = self._published(self._errors, "error")

    def _published(self, lines: Path, what: str) -> str:
        if not lines.exists() or not lines.stat().st_size:
            return ""
        file_id = new_id("file-")
        lines.rename(self._provider.path(file_id))
        name = f"{self._batch.id}_{what}.jsonl"
        return self._provider.new_file(file_id, name, "batch_output", self._batch.id).id

    def _chunk(self, count: int, state: str) -> None:
        with (
            self._source.open("rb") as source,
            self._output.open("ab") as output,
            self._errors.open("ab") as errors,
            self._provider.books.together(),
        ):
            source.seek(self._offset)
            while count:
                raw = source.readline()
                if raw.strip():
                    count -= 1
                    self._done += 1
                    custom_id, body = self._lines.request(json.loads(raw))
                    if state:
                        self._leave(custom_id, state, errors)
                    else:
                        self._answer(custom_id, body, output, errors)
            self._offset = source.tell()
            self._provider.books.put(self._batch)

    def _leave(self, custom_id: str, state: str, errors: BinaryIO) -> None:
        said = self._lines.undone(self._provider.next_request(), custom_id, state)
        self._batch.undone += 1
        self._batch.failed += said is not None
        errors.write(said or b"")

    def _answer(
        self, custom_id: str, body: Mapping[str, Any], output: BinaryIO, errors: BinaryIO
    ) -> None:
        number = self._provider.next_request()
        ordinary, draws = self._provider.ordinary, self._provider.draws
        try:
            entry, question = asked({"model": self._batch.model, **body}, number)
        except (KeyError, IndexError, TypeError):
            self._batch.failed += 1
            errors.write(self._lines.bad(number, custom_id, 400))
            return
        entry = answer_in_batch(entry, question, ordinary.plan, ordinary.count_prompt(entry.prompt))
        if entry.status != 200:
            self._batch.failed += 1
            errors.write(self._lines.bad(number, custom_id, entry.status))
            return
        self._batch.completed += 1
        shown = draws.shown()
        output.write(shown * self._lines.good(number, custom_id, entry))
        entry = replace(entry, answer="", nusd=int(entry.nusd * self._provider.plan.price))
        batch = self._batch
        kept = Answer(
            **vars(entry), batch=batch.id, custom_id=custom_id, token=batch.token, shown=shown
        )
        self._provider.books.put(kept)


def answer_in_batch(entry: Entry, question: Question, plan: Plan, nth: int) -> Entry:
    """The answer to the `nth` request (from 0) for a prompt, with the fault it has by the plan."""
    fault = plan.fault(entry.prompt, nth)
    if fault not in IN_BATCHES or question.person.startswith(POISON):
        fault = ""
    return answered(entry, question, plan, nth, fault)


def shuffle(file: Path, seed: int) -> None:
    """The lines in another order; only where they begin is held in memory."""
    if not file.exists():
        return
    starts = array("Q")
    with file.open("rb") as lines:
        position = 0
        for line in lines:
            starts.append(position)
            position += len(line)
    random.Random(seed).shuffle(starts)
    mixed = file.with_suffix(".mixed")
    with file.open("rb") as lines, mixed.open("wb") as output:
        for start in starts:
            lines.seek(start)
            output.write(lines.readline())
    mixed.rename(file)
