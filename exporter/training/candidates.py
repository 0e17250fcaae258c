"""Stage 1: for each query the examples of its pool that BM25 finds most similar."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ruie.bm25 import WordIndex
from ruie.bundle.retrieval import text_key
from ruie.exporter.training.pools import Pools
from ruie.exporter.training.stages import Figures

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
        index = WordIndex([texts[row] for row in rows])
        for row in asking:
            ranked = (rows[i] for i in index.order(texts[row]))
            others = list(islice((r for r in ranked if texts[r] != texts[row]), top))
            found[place[row], : len(others)] = others
    np.savez_compressed(folder / FILE, candidates=found)
    counts = (found != NONE).sum(axis=1)
    return {
        "queries": len(counts),
        "candidates": int(counts.sum()),
        "queries_without": int((counts == 0).sum()),
    }


def read_candidates(folder: Path) -> Rows:
    """What `find_candidates` wrote."""
    with np.load(folder / FILE, allow_pickle=False) as stored:
        found: Rows = stored["candidates"]
    return found
