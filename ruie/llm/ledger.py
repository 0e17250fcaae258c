"""What is known of an endpoint and its models, and by whom the first call is made."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from ruie.llm.profile import DEFAULT, RequestProfile


class Target(NamedTuple):
    """Calls that are refused alike. shape: see `ruie.llm.profile.shape`."""

    endpoint: str
    model: str
    shape: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How a target stands. proven: it has answered, as the profile says. away: why no call reaches
    its endpoint, or "". taken: somebody has the turn to make a call alone. outages: how often its
    endpoint was away, this time included."""

    profile: RequestProfile = DEFAULT
    proven: bool = False
    away: str = ""
    taken: bool = False
    outages: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure and the items that failed so, by their keys; kind: of the error. outages: of the
    endpoint, as the call was sent; None for what is no call."""

    kind: str
    reason: str
    items: tuple[str, ...] = ()
    outages: int | None = None


class Ledger(Protocol):
    """Where standings are kept. Each method is one step, whoever else takes one."""

    async def standing(self, target: Target) -> Standing:
        """The target's standing; a model that is known in another shape begins with its profile."""

    async def claim(self, target: Target, owner: str, ttl_s: float) -> bool:
        """Take, or hold on to, the turn to make a call alone, for so many seconds."""

    async def release(self, target: Target, owner: str) -> None:
        """Give back a turn."""

    async def prove(self, target: Target, profile: RequestProfile) -> None:
        """The target has answered a request of this profile, and its endpoint is not away."""

    async def learn(self, target: Target, old: RequestProfile, new: RequestProfile) -> None:
        """A request of the old profile was refused: unless another process knew it first, the
        target has the new one, and is to answer it."""

    async def refused(self, target: Target, failure: Failure, *, by_item: bool) -> int:
        """Count a refusal, and make the target answer again; returns how often it was refused in
        this way with no answer between. by_item: how many different items were."""

    async def failed(self, endpoint: str, failure: Failure, *, certain: bool) -> bool:
        """Calls failed. Returns whether their endpoint is away, or has been since they were sent:
        if that is certain, or was being tried, or if enough different items failed with no answer
        between."""


class LocalLedger:
    """The ledger of one process. An endpoint that is away is not waited for: whoever uses the
    library alone wants to know."""

    def __init__(self) -> None:
        self._standings: dict[Target, Standing] = {}
        self._turns: dict[Target, tuple[str, float]] = {}
        self._refusals: dict[Target, tuple[str, int, frozenset[str]]] = {}

    async def standing(self, target: Target) -> Standing:
        if target not in self._standings:
            others = [t for t in self._standings if t[:2] == target[:2]]
            profile = self._standings[others[-1]].profile if others else DEFAULT
            self._standings[target] = Standing(profile)
        return self._standings[target]

    async def claim(self, target: Target, owner: str, ttl_s: float) -> bool:
        holder, until = self._turns.get(target, (owner, 0.0))
        if holder != owner and until > time.monotonic():
            return False
        self._turns[target] = (owner, time.monotonic() + ttl_s)
        return True

    async def release(self, target: Target, owner: str) -> None:
        if self._turns.get(target, ("", 0.0))[0] == owner:
            del self._turns[target]

    async def prove(self, target: Target, profile: RequestProfile) -> None:
        self._standings[target] = Standing(profile, proven=True)
        self._refusals.pop(target, None)

    async def learn(self, target: Target, old: RequestProfile, new: RequestProfile) -> None:
        if (await self.standing(target)).profile == old:
            self._standings[target] = Standing(new)

    async def refused(self, target: Target, failure: Failure, *, by_item: bool) -> int:
        kind, count, items = self._refusals.get(target, (failure.kind, 0, frozenset()))
        if kind != failure.kind:
            count, items = 0, frozenset()
        items |= set(failure.items)
        count = len(items) if by_item else max(count + 1, len(items))
        self._refusals[target] = (failure.kind, count, items)
        self._standings[target] = replace(await self.standing(target), proven=False)
        return count

    async def failed(self, endpoint: str, failure: Failure, *, certain: bool) -> bool:
        return False
