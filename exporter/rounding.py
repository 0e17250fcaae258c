"""Quantise matrix weights to int8 so that their products change least.

For a product x W of inputs x (tokens, K) and weights W (K, N); rows of W are input channels.
Weights are -127 to 127 with one scale a column. Three things differ from rounding every weight to
the nearest integer:

- Without VNNI, x86 adds the products of two neighbouring channels in 16 bits. With inputs of 0 to
  255 that overflows as soon as two neighbouring weights of one sign exceed 128 together, so scales
  keep every such pair within it. Weights of seven bits would do too, and lose twice as much.
- Rows are rounded one after the other, and the error of each is compensated in those that follow,
  as far as the inputs' correlation allows (GPTQ, arXiv 2210.17323).
- The inputs are rounded as well. That is noise of a known size, and the best weights for noisy
  inputs are a little smaller than those for exact ones (ridge regression).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

LARGEST = 127
"""The largest magnitude of a weight."""
PAIR = 128
"""The largest sum of two neighbouring weights of one sign: 255 * 129 would not fit in 16 bits."""

_DAMPING = 0.01  # share of the mean of the moment's diagonal, as in GPTQ
_BLOCK = 64
"""Rows whose errors are passed on to later rows together; even, so that no pair is split."""


def quantise_weights(weights: Array, moment: Array, noise: float) -> tuple[Array, Array]:
    """The quantised weights, int8 (K, N), and the columns' scales, float32 (N,): their product is
    close to `weights`.

    weights: float, (K, N). moment: float, (K, K), of the inputs (`Activations.moment`). noise: the
    variance of an input's rounding error.
    """
    exact: Array = weights.astype(np.float64)
    moment = moment.astype(np.float64)
    diagonal = np.einsum("ii->i", moment)  # a view
    damping = _DAMPING * float(diagonal.mean()) or 1.0
    if noise > 0:
        shrinking = moment.copy()
        np.einsum("ii->i", shrinking)[:] += noise
        exact = np.linalg.solve(shrinking, moment @ exact)
    diagonal += noise + damping
    scales = column_scales(exact)
    return _round_rows(exact / scales, moment).astype(np.int8), scales.astype(np.float32)


def column_scales(weights: Array) -> Array:
    """(N,): the smallest scales that keep each weight within `LARGEST` and each pair within `PAIR`.
    weights: (K, N)."""
    evens, odds = weights[::2], weights[1::2]
    if len(odds) < len(evens):
        odds = np.concatenate([odds, np.zeros_like(evens[:1])])
    largest = np.abs(weights).max(axis=0) / LARGEST
    for sign in (1, -1):
        pairs = np.maximum(sign * evens, 0) + np.maximum(sign * odds, 0)
        largest = np.maximum(largest, pairs.max(axis=0) / PAIR)
    return np.where(largest > 0, largest, 1.0)


def _round_rows(weights: Array, moment: Array) -> Array:
    """Integers for `weights`, (K, N), which are in units of their scales.

    With moment = R D Rᵀ, R upper triangular with ones on its diagonal, row k is rounded after
    adding the sum over earlier rows j of R[j, k] times the error of row j: the form of GPTQ that
    needs no inverse (LDLQ, arXiv 2307.13304).
    """
    upper = np.linalg.cholesky(moment[::-1, ::-1])[::-1, ::-1]
    factors = upper / np.diagonal(upper)  # R
    integers, errors = np.zeros_like(weights), np.zeros_like(weights)
    for start in range(0, len(weights), _BLOCK):
        stop = min(start + _BLOCK, len(weights))
        targets = weights[start:stop] + factors[:start, start:stop].T @ errors[:start]
        for row in range(start, stop):
            at = row - start
            before = integers[row - 1] if row % 2 else np.zeros_like(integers[row])
            after = targets[at + 1] if row % 2 == 0 and row + 1 < stop else 0
            integers[row] = _round_within_limits(targets[at], before, after)
            errors[row] = weights[row] - integers[row]
            targets[at + 1 :] += factors[row, row + 1 : stop, None] * errors[row]
    return integers


def _round_within_limits(weights: Array, before: Array, after: Array | int) -> Array:
    """Integers for one row of a pair. before: the pair's first row, rounded, if this is its second;
    else zeros. after: the second row, not yet rounded, if this is the first: each gives up half of
    what both exceed `PAIR` by."""
    excess = np.maximum(0, np.abs(weights) + np.abs(after) - PAIR) * (weights * after > 0)
    integers: Array = np.clip(
        np.rint(weights - np.sign(weights) * excess / 2),
        np.maximum(-LARGEST, -PAIR - np.minimum(before, 0)),
        np.minimum(LARGEST, PAIR - np.maximum(before, 0)),
    )
    return integers
