"""Write vectors as the FAISS file that `ruie.bundle.index` searches; large partitions in lists."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ruie.bundle.index import Rows, Vectors
from ruie.bundle.manifest import Partition, Quantisation

EXACT_ROWS = 20_000
"""A partition of at most so many rows is searched exactly: in 8 bits about 1 ms of one core."""

ROWS_PER_LIST = 500
"""The mean size of a list of a larger partition."""


class Lists(NamedTuple):
    """The lists of a partition. centroids: float32 (lists, dimension). of_rows: each row's list,
    from 0, int64 (rows,)."""

    centroids: Vectors
    of_rows: Rows


def lists_to_search(lists: int) -> int:
    """How many of a partition's lists a query searches for a recall of at least 0.98.

    The more lists there are, the smaller the share that is needed (benchmarks/search.md).
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
    """Write the index of `vectors` to `path`. Returns the partitions with their numbers of lists.

    vectors: float32 unit vectors (rows, dimension), in the order of the demonstrations.
    quantisation: the encoder's. Vectors of an fp32 encoder are stored in 32 bits a component. Those
    of an int8 encoder, which rounds more than this, are stored in 8 bits; in 16 if any partition
    has several lists, because the nearest of very many rows differ by less than 8 bits can show.
    exact_rows: larger partitions are clustered into lists.
    """
    import faiss

    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    lists = np.empty(len(vectors), dtype=np.int64)
    centroids: list[Vectors] = []
    with_lists: list[Partition] = []
    for partition in partitions:
        part = slice(partition.start, partition.stop)
        found = cluster(vectors[part], exact_rows)
        lists[part] = found.of_rows + sum(map(len, centroids))
        centroids.append(found.centroids)
        counts = {"lists": len(found.centroids), "searched": lists_to_search(len(found.centroids))}
        with_lists.append(partition.model_copy(update=counts))
    clustered = any(partition.lists > 1 for partition in with_lists)
    index = empty_index(np.concatenate(centroids), component_type(quantisation, clustered))
    index.train(vectors)
    rows = np.arange(len(vectors), dtype=np.int64)
    index.add_core(
        len(vectors), faiss.swig_ptr(vectors), faiss.swig_ptr(rows), faiss.swig_ptr(lists)
    )
    faiss.write_index(index, str(path))
    return tuple(with_lists)


def cluster(vectors: Vectors, exact_rows: int) -> Lists:
    """The lists of a partition with these vectors: one of all rows where there are at most
    `exact_rows`."""
    import faiss

    count, dimension = vectors.shape
    if count <= exact_rows:
        one = np.zeros((1, dimension), dtype=np.float32)
        return Lists(one, np.zeros(count, dtype=np.int64))
    kmeans = faiss.Kmeans(
        dimension,
        max(1, count // ROWS_PER_LIST),
        niter=10,
        spherical=True,
        max_points_per_centroid=64,  # a sample: training on all rows takes eight times as long
        seed=0,
    )
    kmeans.train(vectors)
    nearest: Rows = kmeans.index.search(vectors, 1)[1][:, 0]
    centroids: Any = kmeans.centroids  # typed as None, which it is before training
    return Lists(centroids, nearest)


def component_type(quantisation: Quantisation, clustered: bool) -> int | None:
    """FAISS' scalar quantizer type for the components; None: they are stored as float32."""
    import faiss

    if quantisation is Quantisation.NONE:
        return None
    kinds = faiss.ScalarQuantizer
    return int(kinds.QT_fp16 if clustered else kinds.QT_8bit)


def empty_index(centroids: Vectors, component_type: int | None) -> Any:
    """A FAISS inverted file index that has lists and no rows."""
    import faiss

    count, dimension = centroids.shape
    coarse = faiss.IndexFlatIP(dimension)
    coarse.add(centroids)
    if component_type is None:
        return faiss.IndexIVFFlat(coarse, dimension, count, faiss.METRIC_INNER_PRODUCT)
    return faiss.IndexIVFScalarQuantizer(
        coarse,
        dimension,
        count,
        component_type,
        faiss.METRIC_INNER_PRODUCT,
        False,  # the vectors themselves are stored, not their residuals from the centroids
    )
