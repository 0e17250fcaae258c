"""The types of answers, learned from a partition's own demonstrations: ridge regression.

With X (N, F) the features of `ruie.bundle.type_model`, Y (N, T) which types the answers have and
their mean m, W = Xᵀ (X Xᵀ + λ I)⁻¹ (Y - m): there are more features than demonstrations, so the
N × N system is the smaller one (Saunders et al., "Ridge Regression Learning Algorithm in Dual
Variables", 1998).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ruie.bundle.type_model import Floats, TypeModel, Words
from ruie.records import Demonstration

LAMBDA = 1.0
ROWS = 4096
"""Learned from at most so many demonstrations of a partition, drawn by chance."""


@dataclass(frozen=True)
class Fitted:
    """A model, and what one that had not seen a demonstration would say of it."""

    model: TypeModel
    unseen: Floats
    """(N, T): for those learned from by leave-one-out."""


def fit(vectors: Floats, tokens: Sequence[Sequence[int]], types: Floats) -> Fitted:
    """Learn from the texts of N demonstrations, as if they were queries.

    vectors: (N, D), unit vectors. tokens: of each text. types: (N, T), 1 where the answer has it.
    """
    chosen = np.arange(len(vectors))
    if len(chosen) > ROWS:
        chosen = np.sort(np.random.default_rng(0).permutation(len(chosen))[:ROWS])
    words = _words([tokens[row] for row in chosen.tolist()])
    x = _features(words, vectors[chosen], [tokens[row] for row in chosen.tolist()])
    mean = types[chosen].mean(0)
    y = types[chosen] - mean
    inverse = np.linalg.inv(x @ x.T + LAMBDA * np.eye(len(x), dtype=np.float32))
    dual = inverse @ y
    weights = x.T @ dual
    scale = np.maximum(np.abs(weights).max(0), 1e-6) / 127
    whole = np.rint(weights / scale).astype(np.int8)
    model = TypeModel(words, mean.astype(np.float32), scale.astype(np.float32), whole)
    # of those left out: what they differ by from what is found with them, over 1 - their leverage,
    # which in dual variables is the solution over the inverse's diagonal (Cook & Weisberg, 1982)
    unseen = np.empty_like(types)
    unseen[chosen] = types[chosen] - dual / np.diag(inverse)[:, None]
    for row in np.setdiff1d(np.arange(len(vectors)), chosen):
        unseen[row] = model.probabilities(vectors[row], tokens[row])
    return Fitted(model, unseen.clip(0, 1))


def type_table(demonstrations: Sequence[Demonstration], labels: Sequence[str]) -> Floats:
    """Which of `labels` the answers have: float32 (demonstrations, labels), 1 or 0."""
    column = {label: index for index, label in enumerate(labels)}
    found = np.zeros((len(demonstrations), len(labels)), dtype=np.float32)
    for row, each in enumerate(demonstrations):
        found[row, [column[item.type] for item in each.items]] = 1
    return found


def _words(tokens: Sequence[Sequence[int]]) -> Words:
    seen = [np.unique(np.asarray(each, dtype=np.int64)) for each in tokens]
    ids, texts = np.unique(np.concatenate(seen), return_counts=True)
    ids, texts = ids[texts > 1], texts[texts > 1]
    idf = np.log((1 + len(tokens)) / (1 + texts)) + 1
    return Words(ids.astype(np.int64), idf.astype(np.float32))


def _features(
    words: Words, vectors: Floats, tokens: Sequence[Sequence[int]]
) -> npt.NDArray[np.float32]:
    dimension = vectors.shape[1]
    x = np.zeros((len(vectors), dimension + len(words.ids)), dtype=np.float32)
    x[:, :dimension] = vectors
    for row, each in enumerate(tokens):
        places, weights = words.weigh(each)
        x[row, dimension + places] = weights
    return x
