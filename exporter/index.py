"""Vectors as the file that `ruie.bundle.index` searches, in lists where there are many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ruie.bundle.index import Rows, Vectors
from ruie.bundle.manifest import Partition, Quantisation

EXACT_ROWS = 20_000
"""Up to so many rows a partition is searched exactly: in 8 bits about 1 ms of one core."""

ROWS_PER_LIST = 500
"""On average, where a partition is divided."""


def lists_to_search(lists: int) -> int:
    """How many of a partition's lists a query searches, for a recall of 0.98 or more.

    The more lists, the smaller the share that is needed: benchmarks/search.md has the measurements.
    """
    return min(lists, round(5 * math.cbrt(lists)))


def write_index(
    path: Path,
    vectors: Vectors,
    partitions: Sequence[Partition],
    quantisation: Quantisation,
    *,
    exact_rows: int = EXACT_ROWS,
) -> tuple[Partition, ...]:
    """Write the index of `vectors` to `path`, and give the partitions with their numbers of lists.

    vectors: float32 unit vectors (rows, dimension), in the order of the demonstrations.
    quantisation: the encoder's. Components of fp32 vectors are stored as they are. Those of an int8
    encoder, whose own rounding is larger, take 8 bits; 16 if a partition is divided, because the
    nearest of very many rows differ by less than what 8 bits round away.
    exact_rows: larger partitions are divided.
    """
    import faiss

    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    lists = np.empty(len(vectors), dtype=np.int64)
    centroids: list[Vectors] = []
    divided: list[Partition] = []
    for partition in partitions:
        part = slice(partition.start, partition.stop)
        centres, nearest = _divide(vectors[part], exact_rows)
        lists[part] = nearest + sum(map(len, centroids))
        centroids.append(centres)
        numbers = {"lists": len(centres), "searched": lists_to_search(len(centres))}
        divided.append(partition.model_copy(update=numbers))
    many = any(partition.lists > 1 for partition in divided)
    file = _empty_file(np.concatenate(centroids), _component(quantisation, many))
    file.train(vectors)
    rows = np.arange(len(vectors), dtype=np.int64)
    file.add_core(
        len(vectors), faiss.swig_ptr(vectors), faiss.swig_ptr(rows), faiss.swig_ptr(lists)
    )
    faiss.write_index(file, str(path))
    return tuple(divided)


def _divide(vectors: Vectors, exact_rows: int) -> tuple[Vectors, Rows]:
    """The centroids, (lists, dimension), and the list of each row."""
    import faiss

    count, dimension = vectors.shape
    if count <= exact_rows:
        return np.zeros((1, dimension), dtype=np.float32), np.zeros(count, dtype=np.int64)
    means = faiss.Kmeans(
        dimension,
        max(1, count // ROWS_PER_LIST),
        niter=10,
        spherical=True,
        max_points_per_centroid=64,  # a sample: all rows would take eight times as long
        seed=0,
    )
    means.train(vectors)
    nearest: Rows = means.index.search(vectors, 1)[1][:, 0]
    centroids: Any = means.centroids  # None before training
    return centroids, nearest


def _component(quantisation: Quantisation, many: bool) -> int | None:
    """How FAISS stores a component; None: as float32."""
    import faiss

    if quantisation is Quantisation.NONE:
        return None
    kinds = faiss.ScalarQuantizer
    return int(kinds.QT_fp16 if many else kinds.QT_8bit)


def _empty_file(centroids: Vectors, component: int | None) -> Any:
    """A FAISS inverted file that has lists and no rows."""
    import faiss

    count, dimension = centroids.shape
    coarse = faiss.IndexFlatIP(dimension)
    coarse.add(centroids)
    if component is None:
        return faiss.IndexIVFFlat(coarse, dimension, count, faiss.METRIC_INNER_PRODUCT)
    return faiss.IndexIVFScalarQuantizer(
        coarse,
        dimension,
        count,
        component,
        faiss.METRIC_INNER_PRODUCT,
        False,  # the vectors themselves, not what they differ from their centroids by
    )
