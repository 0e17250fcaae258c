"""Statistics of the inputs of an exported encoder's matrix products, on real sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

OUTLIER_QUANTILE = 0.96
"""Channels whose largest magnitude is above this quantile of all channels are scaled down to it."""

_LEVELS = 255  # steps between the least and the greatest value of an 8-bit input

Array = npt.NDArray[Any]
Feed = Mapping[str, npt.NDArray[np.int64]]


@dataclass(frozen=True)
class Activations:
    """Statistics of one tensor (tokens, channels) over batches; all are floating point.

    moment: (channels, channels), the mean over tokens of each token's outer product with itself.
    low, high: (batches, channels), the least and greatest values in each batch.
    """

    moment: Array
    low: Array
    high: Array

    @property
    def largest(self) -> Array:
        """(channels,), the largest magnitude of each channel."""
        magnitudes: Array = np.maximum(-self.low, self.high).max(axis=0)
        return magnitudes


def collect_statistics(
    model: Any, scratch: Path, names: Sequence[str], batches: Iterable[Feed]
) -> dict[str, Activations]:
    """Run the ONNX `model` over `batches`. Returns the statistics of its tensors `names`, padding
    excluded; those that have no vector for each token are left out.

    scratch: a path where a file is written and removed again.
    """
    import onnx
    import onnxruntime

    instrumented = onnx.ModelProto()
    instrumented.CopyFrom(model)
    instrumented.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names
    )
    onnx.save(instrumented, scratch)
    session = onnxruntime.InferenceSession(scratch, providers=["CPUExecutionProvider"])
    tokens = 0
    moments: dict[str, Array] = {}
    ranges: dict[str, list[tuple[Array, Array]]] = {}
    for feed in batches:
        real = feed["attention_mask"].astype(bool)
        tokens += int(real.sum())
        for name, values in zip(names, session.run(names, dict(feed)), strict=True):
            if values.ndim == real.ndim + 1 and values.shape[: real.ndim] == real.shape:
                rows = values[real]
                moments[name] = moments.get(name, 0) + rows.T @ rows
                ranges.setdefault(name, []).append((rows.min(axis=0), rows.max(axis=0)))
    scratch.unlink()
    return {
        name: Activations(moment / tokens, *map(np.stack, zip(*ranges[name], strict=True)))
        for name, moment in moments.items()
    }


@dataclass(frozen=True)
class ChannelSplit:
    """Which channels of a product's input are quantised, and which stay in floating point.

    scale: float32 (channels,), the factor of each channel before it is quantised; 0 if it is not.
    exact: int64 (n,), the channels that stay in floating point, ascending.
    moment: (channels, channels), of the scaled input (`Activations.moment`).
    noise: the variance of the rounding error of a quantised channel.
    """

    scale: Array
    exact: Array
    moment: Array
    noise: float


def split_channels(statistics: Activations, max_exact: int) -> ChannelSplit:
    """The `max_exact` largest channels above `OUTLIER_QUANTILE` stay in floating point; the others
    above it are scaled down to it."""
    largest = statistics.largest
    limit = float(np.quantile(largest, OUTLIER_QUANTILE))
    descending = np.argsort(-largest)[:max_exact]
    exact = np.sort(descending[largest[descending] > limit])
    scale = limit / np.maximum(largest, limit) if limit > 0 else np.ones_like(largest)
    scale[exact] = 0
    low = np.minimum(0, (statistics.low * scale).min(axis=1))
    high = np.maximum(0, (statistics.high * scale).max(axis=1))
    return ChannelSplit(
        scale=scale.astype(np.float32),
        exact=exact,
        moment=statistics.moment * np.outer(scale, scale),
        # a uniform rounding error of width d has the variance d² / 12
        noise=float(np.mean(((high - low) / _LEVELS) ** 2)) / 12,
    )
