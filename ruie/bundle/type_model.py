"""Which types a query's answer is likely to have: `types.npz`, a linear model for each partition.

    p(q) = mean + W · [v(q); t(q)]        clipped to 0 … 1, one for each label

v is the query's vector. t are the tokens that the encoder's own tokenizer finds in its text, each
weighing ln(1 + how often) · (ln((1 + N) / (1 + n)) + 1) with N texts, n of which have it, at unit
length (Salton & Buckley, "Term-weighting approaches", 1988); only tokens that two demonstrations
have count. W comes from ridge regression on the partition's own demonstrations
(exporter/type_model.py): whatever labels a partition has, its demonstrations are what is learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from ruie.bundle.manifest import REBUILD, Partition
from ruie.errors import BundleError

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Words:
    """The tokens of a partition's texts."""

    ids: Ids
    """Ascending."""
    idf: Floats

    def weigh(self, tokens: Sequence[int]) -> tuple[Ids, Floats]:
        """t of a text with these tokens: the places in `ids` of those known, and their weights."""
        found, counts = np.unique(np.asarray(tokens, dtype=np.int64), return_counts=True)
        places = np.searchsorted(self.ids, found)
        known = places < len(self.ids)
        known[known] = self.ids[places[known]] == found[known]
        places = places[known]
        weights = np.log1p(counts[known]).astype(np.float32) * self.idf[places]
        length = float(np.linalg.norm(weights))
        return places, (weights / length if length else weights).astype(np.float32)


@dataclass(frozen=True)
class TypeModel:
    """One partition's: T labels, D dimensions of a vector, V tokens."""

    words: Words
    mean: Floats
    """(T,)"""
    scale: Floats
    """(T,): of the weights."""
    weights: npt.NDArray[np.int8]
    """(D + V, T): W is `scale` times these."""

    def probabilities(self, vector: Floats, tokens: Sequence[int]) -> Floats:
        """p, float32 (T,), of a query with this unit vector (D,) and these tokens."""
        places, weighed = self.words.weigh(tokens)
        dense = self.weights[: len(vector)].astype(np.float32)
        rows = self.weights[len(vector) + places].astype(np.float32)
        told = self.scale * (vector @ dense + weighed @ rows)
        found: Floats = (self.mean + told).clip(0, 1)
        return found


def write_models(path: Path, models: Sequence[TypeModel]) -> None:
    """One a partition, in their order."""
    with path.open("wb") as file:
        np.savez(
            file,
            tokens=np.array([len(model.words.ids) for model in models], dtype=np.int64),
            ids=np.concatenate([model.words.ids for model in models]).astype(np.int32),
            idf=np.concatenate([model.words.idf for model in models]),
            means=np.concatenate([model.mean for model in models]),
            scales=np.concatenate([model.scale for model in models]),
            weights=np.concatenate([model.weights.ravel() for model in models]),
        )


def read_models(path: Path, partitions: Sequence[Partition], dimension: int) -> list[TypeModel]:
    """What `write_models` wrote. Raises `BundleError` where it is not of these partitions."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays: dict[str, Any] = {name: stored[name] for name in stored.files}
        counts = arrays["tokens"].tolist()
        models = []
        word = label = weight = 0
        for count, partition in zip(counts, partitions, strict=True):
            words = Words(arrays["ids"][word : word + count], arrays["idf"][word : word + count])
            labels = len(partition.labels)
            size = (dimension + count) * labels
            models.append(
                TypeModel(
                    words,
                    arrays["means"][label : label + labels],
                    arrays["scales"][label : label + labels],
                    arrays["weights"][weight : weight + size].reshape(dimension + count, labels),
                )
            )
            word, label, weight = word + count, label + labels, weight + size
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise BundleError(f"{path} is not of this bundle: {error}.", REBUILD) from None
    return models
