"""The types that a query's answer is likely to have: `types.npz`, a linear model per partition.

    p(q) = mean + W · [v(q); t(q)]        clipped to 0 … 1, one for each label

v is the query's vector. t are the tokens of its text by the encoder's own tokenizer, with weights
ln(1 + count) · (ln((1 + N) / (1 + n)) + 1) for N texts, n of which have the token, scaled to unit
length (Salton & Buckley, "Term-weighting approaches", 1988); tokens of only one demonstration are
ignored. W is learned by ridge regression on the partition's own demonstrations
(exporter/type_model.py), so that it works for any labels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import numpy as np
import numpy.typing as npt

from ruie.bundle.manifest import REBUILD, Partition
from ruie.errors import BundleError

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

ARRAYS = ("tokens", "ids", "idf", "means", "scales", "weights")
"""What `types.npz` holds."""
FITTED = "fitted"
"""What it has besides since version 0.3."""


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of a partition's texts: ids and inverse document frequencies, shape (V,)."""

    ids: Ids
    """Ascending."""
    idf: Floats

    def weigh(self, tokens: Sequence[int]) -> tuple[Ids, Floats]:
        """t of a text with these tokens: the positions in `ids` of the known ones, and their
        weights."""
        unique, counts = np.unique(np.asarray(tokens, dtype=np.int64), return_counts=True)
        positions = np.searchsorted(self.ids, unique)
        known = positions < len(self.ids)
        known[known] = self.ids[positions[known]] == unique[known]
        positions = positions[known]
        weights = np.log1p(counts[known]).astype(np.float32) * self.idf[positions]
        length = float(np.linalg.norm(weights))
        return positions, (weights / length if length else weights).astype(np.float32)


@dataclass(frozen=True)
class TypeModel:
    """The model of one partition, with T labels, D dimensions of a vector, and V tokens."""

    vocabulary: Vocabulary
    mean: Floats
    """Shape (T,)."""
    scale: Floats
    """Shape (T,), of the weights."""
    weights: npt.NDArray[np.int8]
    """Shape (D + V, T): W is `scale` times these."""
    fitted: int = 0
    """The rows that the partition had; 0: unknown, in bundles of earlier versions."""

    def probabilities(self, vector: Floats, tokens: Sequence[int]) -> Floats:
        """p of a query: float32, shape (T,). vector: shape (D,), of unit length."""
        positions, token_weights = self.vocabulary.weigh(tokens)
        dense = self.weights[: len(vector)].astype(np.float32)
        sparse = self.weights[len(vector) + positions].astype(np.float32)
        deviation = self.scale * (vector @ dense + token_weights @ sparse)
        probabilities: Floats = (self.mean + deviation).clip(0, 1)
        return probabilities


def write_models(path: Path, models: Sequence[TypeModel]) -> None:
    """Write the models of all partitions, in their order."""
    with path.open("wb") as file:
        np.savez(
            file,
            tokens=np.array([len(model.vocabulary.ids) for model in models], dtype=np.int64),
            ids=np.concatenate([model.vocabulary.ids for model in models]).astype(np.int32),
            idf=np.concatenate([model.vocabulary.idf for model in models]),
            means=np.concatenate([model.mean for model in models]),
            scales=np.concatenate([model.scale for model in models]),
            weights=np.concatenate([model.weights.ravel() for model in models]),
            fitted=np.array([model.fitted for model in models], dtype=np.int64),
        )


def read_models(path: Path, partitions: Sequence[Partition], dimension: int) -> list[TypeModel]:
    """Read what `write_models` wrote. Raises `BundleError` if it does not fit the partitions."""
    try:
        arrays = _arrays(path)
        counts = arrays["tokens"].tolist()
        fitted = arrays.get(FITTED, np.zeros(len(counts), dtype=np.int64)).tolist()
        models = []
        token = label = weight = 0
        for count, rows, partition in zip(counts, fitted, partitions, strict=True):
            tokens = slice(token, token + count)
            vocabulary = Vocabulary(arrays["ids"][tokens], arrays["idf"][tokens])
            labels = len(partition.labels)
            size = (dimension + count) * labels
            models.append(
                TypeModel(
                    vocabulary,
                    arrays["means"][label : label + labels],
                    arrays["scales"][label : label + labels],
                    arrays["weights"][weight : weight + size].reshape(dimension + count, labels),
                    rows,
                )
            )
            token, label, weight = token + count, label + labels, weight + size
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise BundleError(f"{path} does not belong to this bundle: {error}.", REBUILD) from None
    return models


def _arrays(path: Path) -> dict[str, Any]:
    """The arrays of the file, which takes no more memory than the file has bytes: none is
    compressed, as `write_models` compresses none. Raises what zipfile and numpy raise."""
    arrays: dict[str, Any] = {}
    left = path.stat().st_size
    with ZipFile(path) as stored:
        names = {name.removesuffix(".npy") for name in stored.namelist()}
        for name in (*ARRAYS, *({FITTED} & names)):
            member = stored.getinfo(f"{name}.npy")
            left -= member.file_size
            if member.compress_type != ZIP_STORED or left < 0:
                raise ValueError(f"'{name}' would be larger than its file")
            with stored.open(member) as file:
                np.lib.format.read_magic(file)
                shape, _, kind = np.lib.format.read_array_header_1_0(file)
                if math.prod(shape) * kind.itemsize > member.file_size:
                    raise ValueError(f"'{name}' is shorter than it says")
            with stored.open(member) as file:
                arrays[name] = np.lib.format.read_array(file, allow_pickle=False)
    return arrays
