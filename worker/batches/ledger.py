"""The fleet's ledger of endpoints and models (`ruie.llm.ledger.Ledger`), in SQL."""

from __future__ import annotations

from functools import partial

from ruie.db import endpoints, targets
from ruie.llm.ledger import Failure, Standing, Target
from ruie.llm.profile import RequestProfile
from ruie.worker.batches.store import Store


class FleetLedger:
    """The ledger as one process uses it. Its transactions go ahead of others: calls wait for
    them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def standing(self, target: Target) -> Standing:
        while True:
            find = partial(targets.find, target=target)
            if (standing := await self._store.read(find)) is not None:
                return standing
            await self._store.write(partial(targets.add, target=target), urgent=True)

    async def claim(self, target: Target, owner: str, ttl_s: float) -> bool:
        claim = partial(targets.claim, target=target, turn=owner, ttl_s=ttl_s)
        return await self._store.write(claim, urgent=True)

    async def release(self, target: Target, owner: str) -> None:
        release = partial(targets.release, target=target, turn=owner)
        await self._store.write(release, urgent=True)

    async def prove(self, target: Target, profile: RequestProfile) -> None:
        prove = partial(targets.prove, target=target, profile=profile)
        await self._store.write(prove, urgent=True)

    async def learn(self, target: Target, old: RequestProfile, new: RequestProfile) -> None:
        learn = partial(targets.learn, target=target, old=old, new=new)
        await self._store.write(learn, urgent=True)

    async def refused(self, target: Target, failure: Failure, *, by_item: bool) -> int:
        refused = partial(targets.refused, target=target, failure=failure, by_item=by_item)
        return await self._store.write(refused, urgent=True)

    async def failed(self, endpoint: str, failure: Failure, *, certain: bool) -> bool:
        failed = partial(endpoints.failed, endpoint=endpoint, failure=failure, certain=certain)
        return await self._store.write(failed, urgent=True)
