"""Which calls may be sent now: one alone to what has not answered yet, none to what is away.

A request that a model refuses would otherwise be refused once for each call in flight of each
process. What one call has learned, all have: the ledger is the fleet's, in SQL, or this process's.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from ruie.errors import (
    CallError,
    Concern,
    EndpointAwayError,
    FatalCallError,
    ParameterRefusedError,
    RequestRefusedError,
    UnreachableError,
)
from ruie.llm.call import Call, Completion
from ruie.llm.ledger import Failure, Ledger, LocalLedger, Standing, Target
from ruie.llm.profile import DEFAULT, RequestProfile, shape

TURN_S = 15.0
"""A turn that is not renewed for so long is another's: its process was lost."""
REFRESH_S = 1.0
"""How old a process's knowledge of a standing may be."""
POLL_S = (0.1, 0.5)
"""How often one that waits for its turn looks, at first and after a while."""
DIFFERENT_ITEMS = 5
"""So many items that fail alike with no success between them: it is not the items."""
UNREACHED_ITEMS = 3
"""So many whose calls do not reach the endpoint at all: not one lost connection of many."""
REFUSED_ITEMS = 3
"""So many that are refused for account or model: not one document that a firewall refuses."""


class Pass(NamedTuple):
    """Leave to send a call. turn: names the turn of a call that is made alone, while no other of
    its kind is sent; "" for other calls. outages: of the endpoint, so far."""

    target: Target
    profile: RequestProfile
    turn: str = ""
    outages: int = 0


@dataclass(slots=True)
class _Known:
    """What this process knows of a target. failed: the items that failed since its last success, by
    kind of failure."""

    standing: Standing | None = None
    read_at: float = 0.0
    entrance: asyncio.Lock = field(default_factory=asyncio.Lock)
    failed: dict[str, set[str]] = field(default_factory=dict)


class Gate:
    """The gate of one endpoint in one process. It belongs to one event loop at a time."""

    def __init__(self, ledger: Ledger | None = None) -> None:
        self._ledger = ledger or LocalLedger()
        self._known: dict[Target, _Known] = {}
        self._refreshing: asyncio.Task[Standing] | None = None

    def profile(self, endpoint: str, call: Call) -> RequestProfile:
        """The profile as far as this process knows it."""
        known = self._known.get(Target(endpoint, call.model, shape(call)))
        return known.standing.profile if known and known.standing else DEFAULT

    async def standing(self, endpoint: str, call: Call) -> Standing:
        """How the endpoint stands to calls like this one, of which none is sent now."""
        target = Target(endpoint, call.model, shape(call))
        return await self._read(target, self._known.setdefault(target, _Known()))

    async def refused_later(
        self, endpoint: str, call: Call, profile: RequestProfile, error: ParameterRefusedError
    ) -> bool:
        """A call that was sent with this profile, in a batch, was refused. Whether the request was
        adapted, and is to be made again."""
        target = Target(endpoint, call.model, shape(call))
        self._known.setdefault(target, _Known())
        return await self._adapted(Pass(target, profile), call, error)

    @asynccontextmanager
    async def passing(self, endpoint: str, call: Call) -> AsyncIterator[Pass]:
        """Wait until the call may be sent. What is raised inside is a failure of it.

        Raises `EndpointAwayError`.
        """
        target = Target(endpoint, call.model, shape(call))
        known = self._known.setdefault(target, _Known())
        passed = await self._enter(target, known)
        if not passed.turn:
            yield passed
            return
        renewing = asyncio.create_task(self._renew(passed))
        try:
            yield passed
        finally:
            renewing.cancel()
            await asyncio.shield(self._ledger.release(target, passed.turn))
            known.read_at = 0.0

    async def answered(self, passed: Pass, completion: Completion) -> None:
        """The call was answered: what had not answered before is proven."""
        known = self._known[passed.target]
        profile = passed.profile.after_answer(completion, first=bool(passed.turn))
        known.failed.clear()
        if passed.turn or profile != passed.profile:
            await self.settle(passed, profile)

    async def settle(self, passed: Pass, profile: RequestProfile) -> None:
        """The target is proven, as the profile says."""
        await self._ledger.prove(passed.target, profile)
        known = self._known[passed.target]
        known.standing = Standing(profile, proven=True, outages=passed.outages)
        known.read_at = time.monotonic()

    async def failed(self, passed: Pass, call: Call, error: CallError) -> bool:
        """The call failed. Says in the error how often it failed alike, and whether it concerns
        more than this item. True: the request was adapted, and is to be repeated."""
        if isinstance(error, ParameterRefusedError) and await self._adapted(passed, call, error):
            return True
        known = self._known[passed.target]
        if isinstance(error, FatalCallError | RequestRefusedError):
            await self._refused(passed, known, call, error)
        elif error.concern is Concern.ENDPOINT:
            error.outages = passed.outages
            await self._suspect(passed, known, call, error)
        return False

    async def unreachable(self, endpoint: str, reason: str) -> None:
        """No call reaches the endpoint, as a request other than a call has shown."""
        await self._ledger.failed(endpoint, Failure("unreachable", reason), certain=True)

    def close(self) -> None:
        """Forget the event loop, which ends; what is known stays."""
        for known in self._known.values():
            known.entrance = asyncio.Lock()
        self._refreshing = None

    async def _enter(self, target: Target, known: _Known) -> Pass:
        if (standing := known.standing) is not None and standing.proven and not standing.away:
            if time.monotonic() - known.read_at > REFRESH_S:
                self._refresh(target, known)
            return Pass(target, standing.profile, outages=standing.outages)
        turn, pause_s = uuid.uuid4().hex, POLL_S[0]
        async with known.entrance:
            while True:
                standing = await self._read(target, known)
                if standing.away:
                    raise EndpointAwayError(f"{target.endpoint} is away: {standing.away}")
                if standing.proven:
                    return Pass(target, standing.profile, outages=standing.outages)
                if not standing.taken and await self._ledger.claim(target, turn, TURN_S):
                    standing = await self._read(target, known)
                    if not standing.proven and not standing.away:
                        return Pass(target, standing.profile, turn, standing.outages)
                    await self._ledger.release(target, turn)  # found out just before
                    continue
                await asyncio.sleep(pause_s)
                pause_s = min(POLL_S[1], pause_s * 1.2)

    def _refresh(self, target: Target, known: _Known) -> None:
        """Read again, while calls go on with what is known."""
        known.read_at = time.monotonic()
        # kept: an event loop holds its tasks by weak references only
        self._refreshing = asyncio.create_task(self._read(target, known))

    async def _read(self, target: Target, known: _Known) -> Standing:
        standing = await self._ledger.standing(target)
        known.standing, known.read_at = standing, time.monotonic()
        return standing

    async def _renew(self, passed: Pass) -> None:
        while True:
            await asyncio.sleep(TURN_S / 3)
            await self._ledger.claim(passed.target, passed.turn, TURN_S)

    async def _adapted(self, passed: Pass, call: Call, error: ParameterRefusedError) -> bool:
        profile = passed.profile.after_refusal(call, error)
        if profile is None:
            if error.parameter in call.parameters:
                error.hint = "It is set by RUIE_LLM_PARAMETERS, or by the job's --parameters."
            return False
        await self._ledger.learn(passed.target, passed.profile, profile)
        self._known[passed.target].standing = None
        return True

    async def _refused(
        self, passed: Pass, known: _Known, call: Call, error: FatalCallError | RequestRefusedError
    ) -> None:
        """Count the refusal. Once several items were refused with no answer between, nothing is
        proven any more, and the next call goes alone."""
        items = known.failed.setdefault(error.kind, set())
        items.add(call.key)
        by_item = isinstance(error, RequestRefusedError)
        error.alike = len(items)
        if not passed.turn and len(items) < (DIFFERENT_ITEMS if by_item else REFUSED_ITEMS):
            return
        known.standing = None  # at once: no other call is sent meanwhile as if it were proven
        failure = Failure(error.kind, error.message, tuple(items))
        error.alike = await self._ledger.refused(passed.target, failure, by_item=by_item)
        known.standing = None

    async def _suspect(self, passed: Pass, known: _Known, call: Call, error: CallError) -> None:
        """One item that fails is its own matter; several with no success between are not, nor one
        whose call was sent before an outage that is over by now."""
        items = known.failed.setdefault(Concern.ENDPOINT, set())
        items.add(call.key)
        unreached = isinstance(error, UnreachableError)
        if not passed.turn and len(items) < (UNREACHED_ITEMS if unreached else DIFFERENT_ITEMS):
            return
        known.standing = None
        failure = Failure(error.kind, error.message, tuple(items), passed.outages)
        if await self._ledger.failed(passed.target.endpoint, failure, certain=unreached):
            error.systemic = True
            items.clear()
            known.standing = None
