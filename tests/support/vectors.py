"""Vectors as those of sentences, in partitions, and their index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ruie.bundle.index import Index, Rows, Vectors
from ruie.bundle.manifest import Partition, Quantisation
from ruie.exporter.index import write_index
from ruie.records import Task

EXACT_ROWS = 2_000
"""In these tests."""


def unit(vectors: np.ndarray) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / lengths, dtype=np.float32)


def partitions(*sizes: int, names: Sequence[str] = ()) -> tuple[Partition, ...]:
    """names: of their schemas; by default s0, s1, and so on."""
    stops = np.cumsum(sizes).tolist()
    return tuple(
        Partition(
            task=Task.NER,
            schema_name=names[number] if names else f"s{number}",
            labels=("A",),
            start=stop - size,
            stop=stop,
            repeats=1,
        )
        for number, (size, stop) in enumerate(zip(sizes, stops, strict=True))
    )


def clustered(count: int, dimension: int = 32, seed: int = 0) -> Vectors:
    """Unit vectors around 60 topics, as sentences are."""
    rng = np.random.default_rng(seed)
    topics = unit(np.random.default_rng(7).normal(size=(60, dimension)))
    noise = rng.normal(size=(count, dimension)) * 0.7 / np.sqrt(dimension)
    return unit(topics[rng.integers(60, size=count)] + noise)


def best(vectors: Vectors, queries: Vectors, k: int, partition: Partition) -> tuple[Vectors, Rows]:
    """By brute force."""
    scores = queries @ vectors[partition.start : partition.stop].T
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, order, 1), order + partition.start


def overlap(rows: Rows, expected: Rows) -> float:
    pairs = zip(rows.tolist(), expected.tolist(), strict=True)
    return float(np.mean([len(set(a) & set(b)) / len(b) for a, b in pairs]))


def written(
    path: Path, vectors: Vectors, parts: tuple[Partition, ...], quantisation: Quantisation
) -> tuple[Index, tuple[Partition, ...]]:
    parts = write_index(path, vectors, parts, quantisation, exact_rows=EXACT_ROWS)
    return Index(path, parts, threads=2), parts
