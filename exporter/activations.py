"""What an exported encoder's matrix products are fed with, seen on real sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

OUTLIER_QUANTILE = 0.96
"""Channels above this quantile of the channels' largest values are brought down to it."""

_STEPS = 255  # of an input's scale

Array = npt.NDArray[Any]
Feed = Mapping[str, npt.NDArray[np.int64]]


@dataclass(frozen=True)
class Activations:
    """Statistics of one tensor (tokens, channels) over batches.

    moment: (channels, channels), the mean over tokens of the outer product of a token with itself.
    low, high: (batches, channels), a batch's least and greatest values.
    """

    moment: Array
    low: Array
    high: Array

    @property
    def largest(self) -> Array:
        """(channels,), the largest magnitude of each."""
        found: Array = np.maximum(-self.low, self.high).max(axis=0)
        return found


def observe(
    model: Any, scratch: Path, names: Sequence[str], batches: Iterable[Feed]
) -> dict[str, Activations]:
    """Run `model` over `batches`, and give the statistics of its tensors `names`.

    Padding does not count. A tensor that is not one vector a token is left out. scratch: a file
    that is written and removed.
    """
    import onnx
    import onnxruntime

    observed = onnx.ModelProto()
    observed.CopyFrom(model)
    observed.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names
    )
    onnx.save(observed, scratch)
    session = onnxruntime.InferenceSession(scratch, providers=["CPUExecutionProvider"])
    tokens = 0
    moments: dict[str, Array] = {}
    ends: dict[str, list[tuple[Array, Array]]] = {}
    for feed in batches:
        real = feed["attention_mask"].astype(bool)
        tokens += int(real.sum())
        for name, values in zip(names, session.run(names, dict(feed)), strict=True):
            if values.ndim == real.ndim + 1 and values.shape[: real.ndim] == real.shape:
                rows = values[real]
                moments[name] = moments.get(name, 0) + rows.T @ rows
                ends.setdefault(name, []).append((rows.min(axis=0), rows.max(axis=0)))
    scratch.unlink()
    return {
        name: Activations(moment / tokens, *map(np.stack, zip(*ends[name], strict=True)))
        for name, moment in moments.items()
    }


@dataclass(frozen=True)
class Split:
    """How the channels of a product's input are divided between integers and floating point.

    inverse: (channels,), what each is multiplied by before it is rounded; 0 if it stays exact.
    exact: the channels that stay in floating point.
    moment: (channels, channels), of the input after that multiplication.
    noise: the variance that each of them is rounded with.
    """

    inverse: Array
    exact: Array
    moment: Array
    noise: float


def divide(seen: Activations, exact: int) -> Split:
    """At most `exact` channels stay exact, the largest of those above `OUTLIER_QUANTILE`."""
    largest = seen.largest
    usual = float(np.quantile(largest, OUTLIER_QUANTILE))
    descending = np.argsort(-largest)[:exact]
    kept = np.sort(descending[largest[descending] > usual])
    inverse = usual / np.maximum(largest, usual) if usual > 0 else np.ones_like(largest)
    inverse[kept] = 0
    low = np.minimum(0, (seen.low * inverse).min(axis=1))
    high = np.maximum(0, (seen.high * inverse).max(axis=1))
    return Split(
        inverse=inverse.astype(np.float32),
        exact=kept,
        moment=seen.moment * np.outer(inverse, inverse),
        noise=float(np.mean(((high - low) / _STEPS) ** 2)) / 12,
    )
