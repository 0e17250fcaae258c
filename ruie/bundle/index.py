"""The vectors of all demonstrations, to find the rows of a partition that are most similar.

A small partition is one list and is searched exactly. A large one is divided into lists of similar
rows, each with a centroid; of these only the lists nearest to the query are searched
(exporter/index.py divides). The file is a FAISS inverted file whose lists are those of all
partitions, one partition after the other. It is mapped into memory, so that the processes of a
machine share its pages.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ruie.bundle.manifest import REBUILD, Partition
from ruie.errors import BundleError

Vectors = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


class Index:
    """The index file, opened on first use: nothing of FAISS exists before a fork."""

    def __init__(self, path: Path, partitions: Sequence[Partition], *, threads: int) -> None:
        self._path = path
        self._threads = threads
        self._first_list: dict[int, int] = {}
        self._lists = 0
        for partition in partitions:
            self._first_list[partition.start] = self._lists
            self._lists += partition.lists
        self._file: Any = None
        self._pid = os.getpid()

    def search(self, queries: Vectors, k: int, partition: Partition) -> tuple[Vectors, Rows]:
        """The k best rows of `partition` for each query, best first.

        queries: float32, shape (n, dimension). Returns scores, float32, and rows, int64, both of
        shape (n, min(k, len(partition))). A query's result does not depend on the other queries.
        """
        import faiss

        file = self._open()
        # OpenMP's threads do not survive a fork; a child searches with one thread.
        faiss.omp_set_num_threads(self._threads if os.getpid() == self._pid else 1)
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        k = min(k, len(partition))
        scores, rows = self._in_lists(file, queries, k, partition, partition.searched)
        short = (rows < 0).any(axis=1)  # its nearest lists have fewer than k rows
        if short.any():
            everywhere = self._in_lists(file, queries[short], k, partition, partition.lists)
            scores[short], rows[short] = everywhere
        return scores, rows

    def _in_lists(
        self, file: Any, queries: Vectors, k: int, partition: Partition, searched: int
    ) -> tuple[Vectors, Rows]:
        """As `search`, in the `searched` lists nearest to each query; row -1 if these have
        fewer."""
        import faiss

        first = self._first_list[partition.start]
        selector = faiss.IDSelectorRange(first, first + partition.lists)
        near, lists = file.quantizer.search(
            queries,
            searched,
            params=faiss.SearchParameters(sel=selector),  # type: ignore[call-arg]  # not in its stub
        )
        scores = np.empty((len(queries), k), dtype=np.float32)
        rows = np.empty((len(queries), k), dtype=np.int64)
        # FAISS's own wrapper takes the number of lists from the index, which threads share.
        file.search_preassigned_c(
            len(queries),
            faiss.swig_ptr(queries),
            k,
            faiss.swig_ptr(lists),
            faiss.swig_ptr(near),
            faiss.swig_ptr(scores),
            faiss.swig_ptr(rows),
            False,
            faiss.SearchParametersIVF(nprobe=searched),  # type: ignore[call-arg]  # not in its stub
        )
        return scores, rows

    @property
    def rows(self) -> int:
        """The number of vectors. Raises `BundleError` if the file does not belong to this
        bundle."""
        return int(self._open().ntotal)

    def _open(self) -> Any:
        if self._file is None:
            self._file = read_file(self._path, self._lists)
        return self._file


def read_file(path: Path, lists: int) -> Any:
    """The FAISS index, mapped into memory. lists: those of all partitions. Raises `BundleError`."""
    import faiss

    try:
        file = faiss.read_index(str(path), faiss.IO_FLAG_MMAP)
    except RuntimeError:
        raise BundleError(f"{path} is not a FAISS index.", REBUILD) from None
    found = getattr(file, "nlist", None)
    if found != lists:
        raise BundleError(
            f"{path} has {found or 'no'} lists, and the manifest's partitions have {lists}.",
            REBUILD,
        )
    return file
