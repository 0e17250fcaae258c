"""Fit a `TypeModel` to the demonstrations of a partition: ridge regression.

X (N, F) are the features of `ruie.bundle.type_model`; Y (N, T) is 1 where an answer has a type, and
m is its mean over N. Then W = Xᵀ (X Xᵀ + λ I)⁻¹ (Y - m): there are more features than
demonstrations, so the N × N system is the smaller one (Saunders et al., "Ridge Regression Learning
Algorithm in Dual Variables", 1998).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ruie.bundle.type_model import Floats, TypeModel, Vocabulary
from ruie.records import Demonstration

LAMBDA = 1.0
"""λ, the strength of the regularisation."""
MAX_ROWS = 4096
"""A model is fitted to at most so many demonstrations, drawn at random from larger partitions."""


@dataclass(frozen=True)
class Fitted:
    """A model, and its held-out predictions for the demonstrations themselves."""

    model: TypeModel
    held_out: Floats
    """float32 (N, T), probabilities: leave-one-out for the demonstrations that it was fitted to."""


def fit(vectors: Floats, tokens: Sequence[Sequence[int]], types: Floats) -> Fitted:
    """Fit a model to the texts of N demonstrations, read as queries.

    vectors: float32 (N, D), unit vectors. tokens: the token ids of each text. types: float32
    (N, T), 1 where the answer has the type, else 0 (`type_table`).
    """
    sample = np.arange(len(vectors))
    if len(sample) > MAX_ROWS:
        sample = np.sort(np.random.default_rng(0).permutation(len(sample))[:MAX_ROWS])
    sampled_tokens = [tokens[row] for row in sample.tolist()]
    vocabulary = _vocabulary(sampled_tokens)
    x = _features(vocabulary, vectors[sample], sampled_tokens)
    mean = types[sample].mean(0)
    y = types[sample] - mean
    inverse = np.linalg.inv(x @ x.T + LAMBDA * np.eye(len(x), dtype=np.float32))
    dual = inverse @ y
    weights = x.T @ dual
    scale = np.maximum(np.abs(weights).max(0), 1e-6) / 127
    quantised = np.rint(weights / scale).astype(np.int8)
    model = TypeModel(
        vocabulary, mean.astype(np.float32), scale.astype(np.float32), quantised, len(vectors)
    )
    # A leave-one-out residual is the residual over 1 - leverage, which in dual variables is the
    # dual solution over the inverse's diagonal (Cook & Weisberg, 1982).
    held_out = np.empty_like(types)
    held_out[sample] = types[sample] - dual / np.diag(inverse)[:, None]
    for row in np.setdiff1d(np.arange(len(vectors)), sample):
        held_out[row] = model.probabilities(vectors[row], tokens[row])
    return Fitted(model, held_out.clip(0, 1))


def type_table(demonstrations: Sequence[Demonstration], labels: Sequence[str]) -> Floats:
    """Which of `labels` the answers have: float32 (demonstrations, labels), 1 or 0."""
    column = {label: index for index, label in enumerate(labels)}
    table = np.zeros((len(demonstrations), len(labels)), dtype=np.float32)
    for row, demonstration in enumerate(demonstrations):
        table[row, [column[item.type] for item in demonstration.items]] = 1
    return table


def _vocabulary(tokens: Sequence[Sequence[int]]) -> Vocabulary:
    """The tokens that at least two of the texts have."""
    distinct = [np.unique(np.asarray(each, dtype=np.int64)) for each in tokens]
    ids, texts = np.unique(np.concatenate(distinct), return_counts=True)
    ids, texts = ids[texts > 1], texts[texts > 1]
    idf = np.log((1 + len(tokens)) / (1 + texts)) + 1
    return Vocabulary(ids.astype(np.int64), idf.astype(np.float32))


def _features(
    vocabulary: Vocabulary, vectors: Floats, tokens: Sequence[Sequence[int]]
) -> npt.NDArray[np.float32]:
    """X, float32 (N, D + V)."""
    dimension = vectors.shape[1]
    x = np.zeros((len(vectors), dimension + len(vocabulary.ids)), dtype=np.float32)
    x[:, :dimension] = vectors
    for row, each in enumerate(tokens):
        positions, weights = vocabulary.weigh(each)
        x[row, dimension + positions] = weights
    return x
