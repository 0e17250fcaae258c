"""Other ways to choose demonstrations from a bundle, to compare its encoder with.

`BM25` and `Random` obey the bundle's rules (`Bundle.retrieve`): the same partitions serve, never
the query's own text, no demonstration twice, labels as if only the query's had been looked for.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ruie.bundle.retrieval import project, retrieval_text, serving, text_key
from ruie.errors import UnavailableError
from ruie.records import Demonstration, Query

if TYPE_CHECKING:
    from ruie.bundle import Bundle

NAMES = ("random", "bm25", "base", "trained")
"""From the weakest to the strongest, as the paper has them; tables and charts keep this order."""

K1, B = 1.5, 0.75
"""Of BM25: how fast repeated words saturate, and how much long texts are discounted."""


class _Pool:
    """A bundle's demonstrations in memory, and which of them may serve a query."""

    def __init__(self, bundle: Bundle) -> None:
        self.partitions = bundle.manifest.partitions
        self.rows = bundle.demonstrations()
        self.keys = [text_key(row.text) for row in self.rows]

    def serving(self, query: Query) -> tuple[list[int], int]:
        """The rows that serve, and how many of them may be of the query's own text, at most."""
        parts = serving(query, self.partitions)
        rows = [row for part in parts for row in range(part.start, part.stop)]
        return rows, sum(part.repeats for part in parts)

    def first(self, rows: Iterable[int], query: Query, k: int) -> list[Demonstration]:
        """The first k of `rows` that are not of the query's own text."""
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
        self.digest = _digest("random", seed, bundle.digest)

    def retrieve(self, queries: Sequence[Query], k: int) -> list[list[Demonstration]]:
        """For each query k demonstrations, in random order."""
        return [self._retrieve(query, k) for query in queries]

    def _retrieve(self, query: Query, k: int) -> list[Demonstration]:
        rows, repeats = self._pool.serving(query)
        draw = random.Random(_digest(self._seed, retrieval_text(query)))
        drawn = draw.sample(rows, min(k + repeats, len(rows)))
        return self._pool.first(drawn, query, k)


class BM25:
    """Best match by words: stemmed, English stop words removed.

    Lucene's form of Robertson et al., "Okapi at TREC-3" (1994), by the library bm25s: a sum over
    the query's words of ln(1 + (N - n + 0.5) / (n + 0.5)) · f / (f + k1 · (1 - b + b · l / L)),
    with N texts, n of them with the word, f times in this one, which has l words of L on average.
    The texts are those of the serving partitions, and for EAE begin with the event, as for the
    encoder. Where scores are equal the order is that of the rows.
    """

    def __init__(self, bundle: Bundle) -> None:
        """Raises `UnavailableError` where the library is not installed."""
        try:
            import bm25s
            import Stemmer
        except ImportError:
            raise UnavailableError(
                "BM25 needs the libraries bm25s and PyStemmer.",
                'Install them, alone or with everything for training: pip install "ruie[train]".',
            ) from None
        self._library: Any = bm25s
        self._stemmer = Stemmer.Stemmer("english")
        self._pool = _Pool(bundle)
        self._indexes: dict[tuple[int, ...], Any] = {}
        self.digest = _digest("bm25", K1, B, bundle.digest)

    def retrieve(self, queries: Sequence[Query], k: int) -> list[list[Demonstration]]:
        """For each query its k best demonstrations, the best first."""
        words = self._words([retrieval_text(query) for query in queries])
        return [self._retrieve(*asked, k) for asked in zip(queries, words, strict=True)]

    def _retrieve(self, query: Query, words: list[str], k: int) -> list[Demonstration]:
        import numpy as np

        rows, _ = self._pool.serving(query)
        index = self._index(rows)
        known = [word for word in words if index is not None and word in index.vocab_dict]
        if known:
            order = np.argsort(-index.get_scores(known), kind="stable")
            rows = [rows[place] for place in order.tolist()]
        return self._pool.first(rows, query, k)

    def _index(self, rows: list[int]) -> Any:
        """Over all that serves together; None where there is no word at all."""
        key = tuple(rows)
        if key not in self._indexes:
            words = self._words([retrieval_text(self._pool.rows[row]) for row in rows])
            index = None
            if any(words):
                index = self._library.BM25(method="lucene", k1=K1, b=B)
                index.index(words, show_progress=False)
            self._indexes[key] = index
        return self._indexes[key]

    def _words(self, texts: list[str]) -> list[list[str]]:
        found: list[list[str]] = self._library.tokenize(
            texts, stopwords="en", stemmer=self._stemmer, return_ids=False, show_progress=False
        )
        return found


def _digest(*parts: object) -> str:
    """SHA-256 (hex): another retriever's answers have other idempotency keys."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
