"""Stage 1: for each query the examples of its pool that BM25 finds most similar.

BM25 of Lucene (Kamphuis et al. 2020) by bm25s, words stemmed (Snowball) and stop words removed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from exporter.training.pools import Pools
from exporter.training.stages import Figures
from ruie.bundle.retrieval import text_key
from ruie.errors import UnavailableError

FILE = "candidates.npz"
NONE = -1
"""Fills the rows of queries with fewer candidates."""

Rows = npt.NDArray[np.int32]


def find_candidates(
    pools: Pools, top: int, folder: Path, progress: Callable[[float], None]
) -> Figures:
    """Write `FILE`: `candidates`, int32 (queries, top), best first, rows of examples or `NONE`."""
    texts = [text_key(example.text) for example in pools.examples]
    found = np.full((len(pools.queries), top), NONE, dtype=np.int32)
    place = {row: index for index, row in enumerate(pools.queries)}
    members = pools.members()
    for number, rows in enumerate(members):
        progress(number / len(members))
        asking = [row for row in rows if row in place]
        if len(rows) < 2 or not asking:
            continue
        for row, ranked in zip(asking, _ranked(texts, rows, asking, top), strict=True):
            others = [other for other in ranked if texts[other] != texts[row]][:top]
            found[place[row], : len(others)] = others
    np.savez_compressed(folder / FILE, candidates=found)
    counts = (found != NONE).sum(axis=1)
    return {
        "queries": len(counts),
        "candidates": int(counts.sum()),
        "queries_without": int((counts == 0).sum()),
    }


def _ranked(texts: list[str], rows: list[int], asking: list[int], top: int) -> list[list[int]]:
    """For each of `asking` rows of `rows`, the most similar first, its own text among them."""
    bm25s, stemmer = _libraries()
    options = {"stopwords": "en", "stemmer": stemmer, "show_progress": False}
    index = bm25s.BM25(method="lucene")
    index.index(bm25s.tokenize([texts[row] for row in rows], **options), show_progress=False)
    counts: dict[str, int] = {}
    for row in rows:
        counts[texts[row]] = counts.get(texts[row], 0) + 1
    wanted = min(len(rows), top + max(counts.values()))
    words = bm25s.tokenize([texts[row] for row in asking], **options, return_ids=False)
    ranked, _ = index.retrieve(words, k=wanted, show_progress=False)
    return [[rows[place] for place in line] for line in ranked.tolist()]


def _libraries() -> tuple[Any, Any]:
    try:
        import bm25s
        import Stemmer
    except ImportError as error:
        raise UnavailableError(
            f"Training needs {error.name}, which is not installed.",
            'Install it with: pip install "ruie[train]"',
        ) from None
    return bm25s, Stemmer.Stemmer("english")


def read_candidates(folder: Path) -> Rows:
    """What `find_candidates` wrote."""
    with np.load(folder / FILE, allow_pickle=False) as stored:
        found: Rows = stored["candidates"]
    return found
