"""What lies over the bundle for a job: read from SQL as it changes, encoded once for all hosts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from ruie.bundle import Bundle
from ruie.bundle.encoder import Vectors
from ruie.db import demonstrations, jobs
from ruie.questioner import Retriever
from ruie.worker.batches.store import Store

log = logging.getLogger("ruie.batch")

KEPT = 8
"""Bundles with demonstrations over them that a process keeps; they share the bundle's memory."""
ENCODED_AT_A_TIME = 256
STORED = np.dtype("<f4")


@dataclass(frozen=True, slots=True)
class Shown:
    """Where a batch's demonstrations come from. bundle_digest: of the bundle's files, "" without
    one. sets: the versions of what lies over it (ruie.db.demonstrations)."""

    retriever: Retriever | None
    bundle_digest: str = ""
    sets: tuple[int, ...] = ()


class Demonstrations:
    """The bundle of a process, and what lies over it for its jobs."""

    def __init__(self, retriever: Retriever | None) -> None:
        self.plain = Shown(retriever, retriever.digest if retriever else "")
        """The bundle as it is."""
        self._over: dict[tuple[str, ...], Shown] = {}
        self._loading = asyncio.Lock()

    async def for_job(self, store: Store, job: jobs.Job) -> Shown:
        """What the next batch of the job is shown. A set that is new is read, and what of it nobody
        has encoded yet is encoded."""
        bundle = self.plain.retriever
        if not isinstance(bundle, Bundle):
            return self.plain
        sets = await store.read(
            partial(demonstrations.sets_for, own=job.demonstration_set, schema_name=job.schema_name)
        )
        if not sets:
            return self.plain
        digests = tuple(each.digest for each in sets)
        async with self._loading:
            if (known := self._over.pop(digests, None)) is None:
                ids = tuple(each.id for each in sets)
                log.info("demonstrations of version %s are used from here on", ids)
                known = Shown(await _over(store, bundle, ids), self.plain.bundle_digest, ids)
            self._over[digests] = known  # the last one used is the last to go
            while len(self._over) > KEPT:
                del self._over[next(iter(self._over))]
        return known


async def _over(store: Store, bundle: Bundle, set_ids: Sequence[int]) -> Bundle:
    encoder = bundle.encoder_digest
    rows = await store.read(partial(demonstrations.read, set_ids=set_ids, encoder=encoder))
    added = [row.demonstration for row in rows]
    texts = bundle.passages(added)
    known = known_vectors(bundle, rows)
    new = list(dict.fromkeys(text for text in texts if text not in known))
    for start in range(0, len(new), ENCODED_AT_A_TIME):
        some = new[start : start + ENCODED_AT_A_TIME]
        known |= zip(some, await asyncio.to_thread(bundle.encoder.encode, some), strict=True)
    unsaved = {
        row.digest: _stored(known[text])
        for text, row in zip(texts, rows, strict=True)
        if row.vector is None
    }
    if unsaved:
        await store.write(partial(demonstrations.save_vectors, encoder=encoder, vectors=unsaved))
    return await asyncio.to_thread(bundle.over, added, known)


def known_vectors(
    bundle: Bundle, rows: Sequence[demonstrations.StoredDemonstration]
) -> dict[str, Vectors]:
    """The vectors of rows that have been encoded, by the text that was."""
    texts = bundle.passages([row.demonstration for row in rows])
    return {
        text: np.frombuffer(row.vector, STORED).astype(np.float32)
        for text, row in zip(texts, rows, strict=True)
        if row.vector is not None
    }


def _stored(vector: Vectors) -> bytes:
    return vector.astype(STORED).tobytes()
