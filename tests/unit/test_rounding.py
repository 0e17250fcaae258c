"""Weights in eight bits: what the processor can add, and what rounding costs the products."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ruie.exporter.rounding import LARGEST, column_scales, quantise_weights

Floats = NDArray[np.float64]

INPUT_LARGEST = 255
SIXTEEN_BITS = 2**15 - 1


def correlated(rng: np.random.Generator, tokens: int, channels: int) -> Floats:
    """Inputs that share a few directions, as the channels of an encoder do."""
    shared = rng.normal(size=(tokens, 4)) @ rng.normal(size=(4, channels))
    inputs: Floats = shared + 0.5 * rng.normal(size=(tokens, channels))
    return inputs


def moment(inputs: Floats) -> Floats:
    products: Floats = inputs.T @ inputs / len(inputs)
    return products


def nearest(weights: Floats, largest: int) -> Floats:
    scales = np.abs(weights).max(axis=0) / largest
    products: Floats = np.rint(weights / scales) * scales
    return products


def error(inputs: Floats, weights: Floats, exact: Floats) -> float:
    return float(np.mean((inputs @ weights - exact) ** 2))


@pytest.mark.parametrize("channels", [2, 7, 64, 130])
@pytest.mark.parametrize("tails", [1.5, 30])
def test_two_neighbours_never_overflow_sixteen_bits(channels: int, tails: float) -> None:
    rng = np.random.default_rng(channels)
    weights = rng.standard_t(tails, size=(channels, 40)) * rng.gamma(1, size=(channels, 1))
    quantised, _ = quantise_weights(weights, moment(correlated(rng, 300, channels)), 0.01)
    quantised = quantised.astype(np.int64)
    assert np.abs(quantised).max() <= LARGEST
    if channels % 2:
        quantised = np.concatenate([quantised, np.zeros_like(quantised[:1])])
    for sign in (1, -1):  # inputs that are 0 where a weight has the other sign, and 255 elsewhere
        pairs = np.maximum(sign * quantised[::2], 0) + np.maximum(sign * quantised[1::2], 0)
        assert pairs.max() * INPUT_LARGEST <= SIXTEEN_BITS
    assert np.abs(quantised).max() > LARGEST / 2, "the bits are used"


def test_products_change_less_than_with_the_nearest_integers() -> None:
    rng = np.random.default_rng(0)
    inputs, weights = correlated(rng, 2000, 96), rng.normal(size=(96, 48))
    quantised, scales = quantise_weights(weights, moment(inputs), 0)
    exact = inputs @ weights
    ours = error(inputs, quantised * scales, exact)
    assert ours < 0.5 * error(inputs, nearest(weights, LARGEST), exact)
    assert ours < 0.15 * error(inputs, nearest(weights, LARGEST // 2), exact)


def test_noisy_inputs_ask_for_other_weights() -> None:
    rng = np.random.default_rng(1)
    inputs, weights = correlated(rng, 4000, 32), rng.normal(size=(32, 16))
    noisy = inputs + rng.normal(size=inputs.shape) * 0.5
    errors = {}
    for noise in (0.0, 0.25):
        quantised, scales = quantise_weights(weights, moment(inputs), noise)
        errors[noise] = error(noisy, quantised * scales, inputs @ weights)
    assert errors[0.25] < 0.95 * errors[0]


def test_columns_and_channels_of_zeros_are_no_error() -> None:
    weights = np.random.default_rng(2).normal(size=(8, 4))
    weights[:, 1] = 0
    inputs = correlated(np.random.default_rng(3), 50, 8)
    inputs[:, 5] = 0
    quantised, scales = quantise_weights(weights, moment(inputs), 0)
    assert not quantised[:, 1].any()
    assert np.isfinite(scales).all()
    assert np.allclose(inputs @ (quantised * scales), inputs @ weights, atol=0.2)
    nothing, _ = quantise_weights(weights, np.zeros((8, 8)), 0)
    assert np.abs(nothing * column_scales(weights) - weights).max() < 0.05
