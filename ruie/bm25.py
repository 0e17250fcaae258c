"""BM25 over a list of texts: stemmed (Snowball), English stop words removed.

Lucene's form (Kamphuis et al. 2020) of Robertson et al., "Okapi at TREC-3" (1994), by the library
bm25s: a sum over the query's words of ln(1 + (N - n + 0.5) / (n + 0.5)) · f / (f + k1 · (1 - b +
b · l / L)), with N texts, n of them with the word, f times in this one, which has l words of L on
average.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ruie.errors import UnavailableError

K1, B = 1.5, 0.75
"""How fast repeated words saturate, and how much long texts are discounted."""


class WordIndex:
    """The texts, ready to be scored."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Raises `UnavailableError` where the library is not installed."""
        self._library, self._stemmer = libraries()
        self._size = len(texts)
        self._index: Any = None
        if any(words := self._words(texts)):
            self._index = self._library.BM25(method="lucene", k1=K1, b=B)
            self._index.index(words, show_progress=False)

    def scores(self, text: str) -> npt.NDArray[np.float32]:
        """float32, shape (texts,); 0 for a text with none of the query's words."""
        (words,) = self._words([text])
        known = [w for w in words if self._index is not None and w in self._index.vocab_dict]
        if not known:
            return np.zeros(self._size, dtype=np.float32)
        scores: npt.NDArray[np.float32] = self._index.get_scores(known)
        return scores

    def order(self, text: str) -> list[int]:
        """The texts' indices, the best first; texts of equal score in their own order."""
        ranked: list[int] = np.argsort(-self.scores(text), kind="stable").tolist()
        return ranked

    def _words(self, texts: Sequence[str]) -> list[list[str]]:
        tokens: list[list[str]] = self._library.tokenize(
            list(texts),
            stopwords="en",
            stemmer=self._stemmer,
            return_ids=False,
            show_progress=False,
        )
        return tokens


def libraries() -> tuple[Any, Any]:
    """bm25s and a stemmer. Raises `UnavailableError`."""
    try:
        import bm25s
        import Stemmer
    except ImportError:
        raise UnavailableError(
            "BM25 needs the libraries bm25s and PyStemmer.",
            'Install them, alone or with everything for training: pip install "ruie[train]".',
        ) from None
    return bm25s, Stemmer.Stemmer("english")
