"""Baseline retrievers over a bundle's demonstrations, to compare its encoder with.

`BM25` and `Random` follow the rules of `Bundle.retrieve`: the same partitions, never the query's
own text, no demonstration twice, only the query's labels. Their digests depend on the
demonstrations only: answers obtained with them stay valid when an encoder or a ranking is trained
again.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ruie.bm25 import K1, B, WordIndex, libraries
from ruie.bundle.retrieval import project, retrieval_text, text_key
from ruie.records import Demonstration, Query

if TYPE_CHECKING:
    from ruie.bundle import Bundle

NAMES = ("random", "bm25", "base", "similarity", "trained")
"""From the weakest to the strongest that is expected; tables and charts keep this order."""


class _Pool:
    """A bundle's demonstrations in memory, and which of them a query may have."""

    def __init__(self, bundle: Bundle) -> None:
        self.digest = bundle.content
        self.rows = bundle.demonstrations()
        self.keys = [text_key(row.text) for row in self.rows]
        self.candidates = bundle.candidates

    def first(self, rows: Iterable[int], query: Query, k: int) -> list[Demonstration]:
        """The first k of `rows` whose text is not the query's own."""
        own = text_key(query.text)
        chosen: list[Demonstration] = []
        for row in rows:
            if len(chosen) == k:
                break
            if self.keys[row] != own:
                chosen.append(project(self.rows[row], query))
        return chosen


class Random:
    """A uniform sample; the seed and the query's text (for EAE with its event) determine it."""

    def __init__(self, bundle: Bundle, seed: int = 0) -> None:
        self._pool = _Pool(bundle)
        self._seed = seed
        self.digest = _digest("random", seed, self._pool.digest)

    def retrieve(self, queries: Sequence[Query], k: int) -> list[list[Demonstration]]:
        """For each query k demonstrations, in random order."""
        return [self._retrieve(query, k) for query in queries]

    def _retrieve(self, query: Query, k: int) -> list[Demonstration]:
        rows, repeats = self._pool.candidates(query)
        draw = random.Random(_digest(self._seed, retrieval_text(query)))
        drawn = draw.sample(rows, min(k + repeats, len(rows)))
        return self._pool.first(drawn, query, k)


class BM25:
    """BM25 (`ruie.bm25`) over the texts of the query's partitions; those of EAE begin with the
    event, as for the encoder."""

    def __init__(self, bundle: Bundle) -> None:
        """Raises `UnavailableError` where the library is not installed."""
        libraries()
        self._pool = _Pool(bundle)
        self._indexes: dict[tuple[int, ...], WordIndex] = {}
        self.digest = _digest("bm25", K1, B, self._pool.digest)

    def retrieve(self, queries: Sequence[Query], k: int) -> list[list[Demonstration]]:
        """For each query its k best demonstrations, the best first."""
        return [self._retrieve(query, k) for query in queries]

    def _retrieve(self, query: Query, k: int) -> list[Demonstration]:
        rows, _ = self._pool.candidates(query)
        order = self._index(rows).order(retrieval_text(query))
        return self._pool.first((rows[index] for index in order), query, k)

    def _index(self, rows: list[int]) -> WordIndex:
        """One index over all candidates, as scores depend on the whole collection."""
        key = tuple(rows)
        if key not in self._indexes:
            texts = [retrieval_text(self._pool.rows[row]) for row in rows]
            self._indexes[key] = WordIndex(texts)
        return self._indexes[key]


def _digest(*parts: object) -> str:
    """SHA-256, hexadecimal: answers of different retrievers have different idempotency keys."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
