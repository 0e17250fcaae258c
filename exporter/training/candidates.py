"""Stage 1: for each query the examples of its pool that are most similar by BM25."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ruie.bm25 import WordIndex
from ruie.bundle.retrieval import text_key
from ruie.exporter.training.pools import Pools
from ruie.exporter.training.stages import Figures, Progress

FILE = "candidates.npz"
NONE = -1
"""Fills the rows of queries that have fewer candidates."""

Rows = npt.NDArray[np.int32]


def find_candidates(pools: Pools, top: int, folder: Path, progress: Progress) -> Figures:
    """Write `FILE`: `candidates`, int32 (queries, top), rows of examples, best first, or `NONE`.

    An example with the query's own text (`text_key`) is never a candidate.
    """
    texts = [text_key(example.text) for example in pools.examples]
    candidates = np.full((len(pools.queries), top), NONE, dtype=np.int32)
    position = {row: index for index, row in enumerate(pools.queries)}
    members = pools.members()
    for number, rows in enumerate(members):
        progress(number, len(members), "pools")
        queries = [row for row in rows if row in position]
        if len(rows) < 2 or not queries:
            continue
        index = WordIndex([texts[row] for row in rows])
        for query in queries:
            ranked = (rows[i] for i in index.order(texts[query]))
            others = list(islice((r for r in ranked if texts[r] != texts[query]), top))
            candidates[position[query], : len(others)] = others
    np.savez_compressed(folder / FILE, candidates=candidates)
    counts = (candidates != NONE).sum(axis=1)
    return {
        "queries": len(counts),
        "candidates": int(counts.sum()),
        "queries_without": int((counts == 0).sum()),
    }


def read_candidates(folder: Path) -> Rows:
    """What `find_candidates` wrote: int32 (queries, top)."""
    with np.load(folder / FILE, allow_pickle=False) as arrays:
        candidates: Rows = arrays["candidates"]
    return candidates
