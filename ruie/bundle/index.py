"""The vectors of all demonstrations: exact inner-product search within a range of rows.

The one file that knows FAISS.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ruie.bundle.manifest import REBUILD
from ruie.errors import BundleError

Vectors = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


class Index:
    """A flat index. Rows of a partition are contiguous, so a search costs what its range costs."""

    def __init__(self, path: Path, *, threads: int) -> None:
        self._path = path
        self._threads = threads
        self._flat: Any = None
        self._pid = os.getpid()

    def search(self, queries: Vectors, k: int, start: int, stop: int) -> tuple[Vectors, Rows]:
        """The k best rows of `start:stop` for each query, best first.

        queries: float32 (n, dimension). Gives scores, float32, and rows, int64, both of shape
        (n, min(k, stop - start)).
        """
        import faiss

        flat = self._opened()
        # OpenMP's threads do not survive a fork; a child searches with its own thread alone.
        faiss.omp_set_num_threads(self._threads if os.getpid() == self._pid else 1)
        selector = faiss.IDSelectorRange(start, stop)
        scores, rows = flat.search(
            np.ascontiguousarray(queries, dtype=np.float32),
            min(k, stop - start),
            params=faiss.SearchParameters(sel=selector),  # type: ignore[call-arg]  # not in its stub
        )
        return scores, rows

    @property
    def rows(self) -> int:
        """How many vectors there are."""
        return int(self._opened().ntotal)

    def vectors(self) -> Vectors:
        """All of them: float32, (rows, dimension)."""
        flat = self._opened()
        found: Vectors = flat.reconstruct_n(0, flat.ntotal)
        return found

    def _opened(self) -> Any:
        if self._flat is None:
            self._flat = read_index(self._path)
        return self._flat


def read_index(path: Path) -> Any:
    """Raises `BundleError` naming the file."""
    import faiss

    try:
        return faiss.read_index(str(path))
    except RuntimeError:
        raise BundleError(f"{path} is not a FAISS index.", REBUILD) from None


def write_index(path: Path, vectors: Vectors) -> None:
    """vectors: float32 (rows, dimension), in the order of the demonstrations."""
    import faiss

    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(np.ascontiguousarray(vectors, dtype=np.float32))
    faiss.write_index(flat, str(path))
