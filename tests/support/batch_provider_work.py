"""A batch's way from its creation to its last state, in the scripted batch provider."""

from __future__ import annotations

import asyncio
import json
import time
import traceback
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from support.batch_provider_answers import Answering
from support.batch_provider_books import Batch
from support.batch_provider_lines import Lines
from support.batch_provider_plan import OF_BATCHES, Fault
from support.batch_provider_state import Provider
from support.batch_provider_validation import Problem, validate

POLL_S = 0.02
STEPS = 4
"""So often a batch in progress gets on."""


class VanishedError(Exception):
    """The batch does nothing more."""


class Work:
    """One batch. source: its requests, one a line. faults: what was drawn for it, by kind."""

    def __init__(
        self,
        provider: Provider,
        batch: Batch,
        lines: Lines,
        source: Path,
        faults: Mapping[str, Fault],
    ) -> None:
        self._provider = provider
        self._batch = batch
        self._lines = lines
        self._source = source
        self._faults = faults
        self._input = provider.folder / "inputs" / batch.id
        self._answering = Answering(provider, batch, lines, self._input)
        self._last = "completed"

    async def run(self) -> None:
        try:
            await self._run()
        except VanishedError:
            self._enter("vanished")
        except Exception:
            traceback.print_exc()
            self._fail([Problem("server_error", "The provider itself failed.")])
        finally:
            self._input.unlink(missing_ok=True)

    async def _run(self) -> None:
        await self._wait("validating_s", self._batch.created_at)
        try:
            self._input.hardlink_to(self._source)  # the file itself may be deleted from now on
        except FileNotFoundError:
            self._fail([Problem("file_not_found", "The input file is not there any more.")])
            return
        refused = "token limit" in self._faults
        problems = await validate(self._provider, self._batch, self._lines, self._input, refused)
        if problems:
            self._fail(problems)
            return
        if self._batch.state == "validating":
            self._batch.in_progress_at = time.time()
            self._enter("in_progress")
        await self._progress()
        await self._finalize()

    async def _progress(self) -> None:
        """Answer the requests, evenly over the time in progress, until something ends it."""
        batch = self._batch
        early = next((self._faults[k] for k in ("expire", "cancelled") if k in self._faults), None)
        most = int(batch.total * early.part) if early else batch.total
        async for step in self._steps():
            await self._answering.go_on(most * step // STEPS)
        if batch.state == "cancelling":
            if batch.in_progress_at:
                await self._answering.go_on(int(batch.total * self._provider.plan.cancel_part))
        elif early and early.kind == "expire":
            self._last = "expired"
        elif early:
            self._provider.cancel(batch, by="provider")

    async def _steps(self) -> AsyncIterator[int]:
        for step in range(1, STEPS + 1):
            if self._batch.state != "cancelling":
                await self._wait("in_progress_s", self._batch.in_progress_at, step / STEPS)
            while step == STEPS and self._stuck():
                self._look()
                await asyncio.sleep(POLL_S)
            if self._batch.state == "cancelling":
                return
            yield step

    def _stuck(self) -> bool:
        scripted = any(fault.kind == "stuck" for fault in self._provider.plan.faults)
        return scripted and "stuck" in self._faults and self._batch.state != "cancelling"

    async def _finalize(self) -> None:
        batch = self._batch
        if batch.state == "in_progress":
            batch.finalizing_at = time.time()
            self._enter("finalizing")
            await self._wait("finalizing_s", batch.finalizing_at)
        if batch.state == "cancelling":
            self._last = "cancelled"
            await self._wait("cancelling_s", batch.cancelling_at)
        await self._answering.leave_rest(self._last)
        if self._provider.vanished(batch):
            self._provider.books.hide(batch.id)
            raise VanishedError
        self._answering.publish(shuffled="shuffle" in self._faults)
        self._enter(self._last)

    async def _wait(self, name: str, since: float, part: float = 1.0) -> None:
        """As long as the plan of the moment says, or until the batch is cancelled."""
        while True:
            self._look()
            left = since + part * float(getattr(self._provider.plan, name)) - time.time()
            cancelled = self._batch.state == "cancelling" and name != "cancelling_s"
            if left <= 0 or cancelled:
                return
            await asyncio.sleep(min(left, POLL_S))

    def _look(self) -> None:
        if "vanish free" in self._faults and self._provider.vanished(self._batch):
            raise VanishedError

    def _enter(self, state: str) -> None:
        self._batch.state = state
        if self._batch.ended:
            self._batch.ended_at = time.time()
        self._provider.books.put(self._batch)

    def _fail(self, problems: list[Problem]) -> None:
        self._batch.errors = json.dumps([problem.__dict__ for problem in problems])
        self._enter("failed")


class Works:
    """Every batch that is on its way."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, batch: Batch, lines: Lines, source: Path) -> None:
        """Draw the faults of a new batch and let it go its way; also of its twin."""
        faults = self._drawn(batch, lines)
        self._start(batch, lines, source, faults)
        if self._provider.draws.hit("twice"):
            twin = self._provider.twin(batch)
            self._start(twin, lines, source, self._drawn(twin, lines))

    def _start(self, batch: Batch, lines: Lines, source: Path, faults: Mapping[str, Fault]) -> None:
        self._provider.books.put(batch)
        task = asyncio.create_task(
            Work(self._provider, batch, lines, source, faults).run(), name=batch.id
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _drawn(self, batch: Batch, lines: Lines) -> dict[str, Fault]:
        kinds = [kind for kind in OF_BATCHES if kind != "twice"]
        if not lines.whole:
            kinds.remove("token limit")
        drawn = {kind: self._provider.draws.hit(kind) for kind in kinds}
        faults = {kind: fault for kind, fault in drawn.items() if fault}
        batch.faults = ", ".join(faults)
        if "unlisted" in faults:
            batch.listed_from = batch.created_at + faults["unlisted"].seconds
        for kind in ("vanish", "vanish free"):
            if kind in faults:
                batch.vanishes_at = batch.created_at + max(faults[kind].seconds, 0.001)
        return faults
