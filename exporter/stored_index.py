"""An index file that is written again for other rows: what it has of them stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ruie.bundle.index import Rows, Vectors, read_file
from ruie.bundle.manifest import Partition, Quantisation
from ruie.exporter.index import (
    EXACT_ROWS,
    ROWS_PER_LIST,
    Lists,
    cluster,
    component_type,
    empty_index,
    lists_to_search,
    write_index,
)

LEAST_COSINE = 0.999
"""Between a vector and what is stored of it. New ones for which the ranges of the stored components
are too narrow come less close: then the ranges are chosen anew, for all."""


@dataclass(frozen=True, slots=True)
class StoredIndex:
    """An index file, taken apart. codes: uint8 (rows, bytes of a vector). lists: the list of each
    row. centroids: float32 (lists, dimension). first: of each partition, by its key, the partition
    and the first of its lists."""

    file: Any
    codes: npt.NDArray[np.uint8]
    lists: Rows
    centroids: Vectors
    first: dict[tuple[str, str, str, tuple[str, ...]], tuple[Partition, int]]

    @classmethod
    def read(cls, path: Path, partitions: Sequence[Partition]) -> StoredIndex:
        """Raises `BundleError` if the file does not fit the partitions."""
        import faiss

        file = read_file(path, sum(part.lists for part in partitions))
        codes = np.empty((file.ntotal, file.code_size), dtype=np.uint8)
        lists = np.empty(file.ntotal, dtype=np.int64)
        for number in range(file.nlist):
            size = file.invlists.list_size(number)
            if size:
                ids = faiss.rev_swig_ptr(file.invlists.get_ids(number), size)
                stored = faiss.rev_swig_ptr(file.invlists.get_codes(number), size * file.code_size)
                codes[ids], lists[ids] = stored.reshape(size, file.code_size), number
        first, at = {}, 0
        for part in partitions:
            first[part.key] = part, at
            at += part.lists
        centroids = file.quantizer.reconstruct_n(0, file.nlist)
        return cls(file, codes, lists, centroids, first)

    @property
    def component_type(self) -> int | None:
        """As `ruie.exporter.index.component_type` says it."""
        sq = getattr(self.file, "sq", None)
        return None if sq is None else int(sq.qtype)

    def coded(self, vectors: Vectors) -> npt.NDArray[np.uint8]:
        """The codes of new vectors, in the ranges that the file has."""
        if self.component_type is None:
            return vectors.view(np.uint8).reshape(len(vectors), self.file.code_size)
        found: npt.NDArray[np.uint8] = self.file.sq.compute_codes(vectors)
        return found

    def decoded(self, codes: npt.NDArray[np.uint8]) -> Vectors:
        """What codes stand for, float32 (rows, dimension)."""
        if self.component_type is None:
            return codes.view(np.float32)
        found: Vectors = self.file.sq.decode(codes)
        return found


def write_index_again(
    path: Path,
    stored: StoredIndex,
    origin: Rows,
    vectors: Vectors,
    partitions: Sequence[Partition],
    quantisation: Quantisation,
    *,
    exact_rows: int = EXACT_ROWS,
) -> tuple[tuple[Partition, ...], Vectors]:
    """Write the index of other rows to `path`.

    origin: of each row, which one of the stored it is; -1: a new one, whose vector is the next of
    `vectors`, float32 unit vectors (new rows, dimension). quantisation: as in `write_index`.
    Returns the partitions with their numbers of lists, and the vectors of all rows, the old ones as
    they are stored.
    """
    import faiss

    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    new = origin < 0
    codes = np.empty((len(origin), stored.codes.shape[1]), dtype=np.uint8)
    codes[~new] = stored.codes[origin[~new]]
    if new.any():
        codes[new] = stored.coded(vectors)
    every = stored.decoded(codes)
    close = (every[new] * vectors).sum(1) / np.linalg.norm(every[new], axis=1)
    every[new] = vectors
    clustered = any(len(part) > exact_rows for part in partitions)
    kind = component_type(quantisation, clustered)
    if kind != stored.component_type or (close < LEAST_COSINE).any():
        return write_index(path, every, partitions, quantisation, exact_rows=exact_rows), every
    chosen = [_lists(stored, part, origin, every, exact_rows) for part in partitions]
    index = empty_index(np.concatenate([each.centroids for each in chosen]), kind)
    if kind is not None:
        faiss.copy_array_to_vector(faiss.vector_to_array(stored.file.sq.trained), index.sq.trained)
    index.is_trained = True
    at = 0
    for part, lists in zip(partitions, chosen, strict=True):
        for number in range(len(lists.centroids)):
            rows = part.start + np.flatnonzero(lists.of_rows == number)
            some = np.ascontiguousarray(codes[rows])
            index.invlists.add_entries(
                at + number, len(rows), faiss.swig_ptr(rows), faiss.swig_ptr(some)
            )
        at += len(lists.centroids)
    index.ntotal = len(origin)
    faiss.write_index(index, str(path))
    counted = (
        {"lists": len(each.centroids), "searched": lists_to_search(len(each.centroids))}
        for each in chosen
    )
    made = zip(partitions, counted, strict=True)
    return tuple(part.model_copy(update=counts) for part, counts in made), every


def _lists(
    stored: StoredIndex, part: Partition, origin: Rows, every: Vectors, exact_rows: int
) -> Lists:
    """The lists of a partition: those that it has, unless it grew or shrank out of them."""
    here = slice(part.start, part.stop)
    old, first = stored.first.get(part.key, (None, 0))
    if old is None or old.lists == 1 or not _fitting(old, part, exact_rows):
        return cluster(every[here], exact_rows)
    centroids = stored.centroids[first : first + old.lists]
    of_rows = stored.lists[origin[here]] - first
    new = origin[here] < 0
    of_rows[new] = (every[here][new] @ centroids.T).argmax(1)
    return Lists(centroids, of_rows)


def _fitting(old: Partition, part: Partition, exact_rows: int) -> bool:
    return exact_rows < len(part) <= 2 * ROWS_PER_LIST * old.lists
