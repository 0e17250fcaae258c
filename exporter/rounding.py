"""Matrix weights in eight bits, rounded so that their products change least.

For a product x W of inputs x (tokens, K) and weights W (K, N); rows of W are input channels.
Weights take -127 to 127 with one scale for each column. Three things make the difference to
rounding each weight by itself:

- Without VNNI, x86 adds the products of two neighbouring channels in 16 bits. With inputs of 0 to
  255 that overflows as soon as two neighbouring weights of one sign exceed 128 together, so scales
  keep every such pair within it. Seven bits would do too, and lose twice as much.
- Rows are rounded one after the other, and each one's error is made good in those that follow, as
  far as the inputs' correlation allows (GPTQ, arXiv 2210.17323).
- The inputs are rounded as well. That is noise of a known size, and the best weights for noisy
  inputs are a little smaller than those for exact ones (ridge regression).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

LARGEST = 127
PAIR = 128  # 255 * 128 is the largest multiple of 255 that 16 bits hold

_DAMPING = 0.01  # of the mean of the moment's diagonal, as in GPTQ
_BLOCK = (
    64  # rows whose errors reach the rows after them together; even, so that no pair is divided
)


def rounded(weights: Array, moment: Array, noise: float) -> tuple[Array, Array]:
    """The weights in eight bits, int8 (K, N), and the columns' scales, float32 (N,).

    weights: (K, N). moment: (K, K), of the inputs (`Activations`). noise: the variance that each
    input is rounded with.
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
    return _rows_in_turn(exact / scales, moment).astype(np.int8), scales.astype(np.float32)


def column_scales(weights: Array) -> Array:
    """(N,): the smallest that keep single weights and pairs within their limits."""
    evens, odds = weights[::2], weights[1::2]
    if len(odds) < len(evens):
        odds = np.concatenate([odds, np.zeros_like(evens[:1])])
    largest = np.abs(weights).max(axis=0) / LARGEST
    for sign in (1, -1):
        pairs = np.maximum(sign * evens, 0) + np.maximum(sign * odds, 0)
        largest = np.maximum(largest, pairs.max(axis=0) / PAIR)
    return np.where(largest > 0, largest, 1.0)


def _rows_in_turn(weights: Array, moment: Array) -> Array:
    """Whole numbers for `weights`, which are in units of their scales.

    With moment = R D Rᵀ, R upper triangular with ones on its diagonal, row k is rounded after the
    sum over rows j before it of R[j, k] times the error of row j is added: the form of GPTQ that
    needs no inverse (LDLQ, arXiv 2307.13304).
    """
    upper = np.linalg.cholesky(moment[::-1, ::-1])[::-1, ::-1]
    shares = upper / np.diagonal(upper)
    whole, errors = np.zeros_like(weights), np.zeros_like(weights)
    for start in range(0, len(weights), _BLOCK):
        stop = min(start + _BLOCK, len(weights))
        wanted = weights[start:stop] + shares[:start, start:stop].T @ errors[:start]
        for row in range(start, stop):
            at = row - start
            before = whole[row - 1] if row % 2 else np.zeros_like(whole[row])
            after = wanted[at + 1] if row % 2 == 0 and row + 1 < stop else 0
            whole[row] = _within_limits(wanted[at], before, after)
            errors[row] = weights[row] - whole[row]
            wanted[at + 1 :] += shares[row, row + 1 : stop, None] * errors[row]
    return whole


def _within_limits(weights: Array, before: Array, after: Array | int) -> Array:
    """One row in whole numbers. before: the pair's first, in whole numbers, if this is its second.
    after: the pair's second if this is its first; what both are too large by is divided."""
    excess = np.maximum(0, np.abs(weights) + np.abs(after) - PAIR) * (weights * after > 0)
    whole: Array = np.clip(
        np.rint(weights - np.sign(weights) * excess / 2),
        np.maximum(-LARGEST, -PAIR - np.minimum(before, 0)),
        np.minimum(LARGEST, PAIR - np.maximum(before, 0)),
    )
    return whole
