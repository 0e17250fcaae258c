"""Eight-bit weights for an exported encoder, with its outlier channels tamed first.

The runtime quantises the input of a matrix product with one scale for the whole tensor. A BERT has
a few channels ten times larger than the rest, which take most of that scale's 256 steps. Each
such channel is divided by a constant before the product, and the matching row of the weights is
multiplied by it: the product is the same, and the scale is spent on all channels.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

OUTLIER_QUANTILE = 0.99
"""Channels above this quantile of the channels' largest values are brought down to it. Of 0.5 to
0.99 the best for MiniLM: benchmarks/encode.md."""

_LARGE_TABLE = 256  # rows; an embedding table of words or positions, and not of token types

Feed = Mapping[str, npt.NDArray[np.int64]]
Largest = dict[str, npt.NDArray[np.float32]]


def quantise_int8(fp32: Path, path: Path, calibration: Iterable[Feed]) -> None:
    """Write the encoder in `fp32` to `path` with int8 weights, those of embeddings included.

    calibration: batches of real sentences, to find the outlier channels by.

    Per channel: one scale for each column of the matrix weights, and for each row of embeddings.
    Seven bits (`reduce_range`) in the matrices: without VNNI the processor adds pairs of products
    in 16 bits, which eight-bit weights overflow.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load(fp32)
    tame_outliers(model, largest_values(model, fp32.with_suffix(".calibration"), calibration))
    quantise_embeddings(model)
    tamed = fp32.with_suffix(".tamed")
    onnx.save(model, tamed)
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)  # it advises a pre-processing that changes nothing here
    try:
        quantize_dynamic(
            tamed,
            path,
            op_types_to_quantize=["MatMul"],
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
        )
    finally:
        logger.setLevel(level)
        tamed.unlink()


def largest_values(model: Any, scratch: Path, calibration: Iterable[Feed]) -> Largest:
    """The largest magnitude of each channel of each weighted product's input, by its name."""
    import onnx
    import onnxruntime

    names = list(dict.fromkeys(node.input[0] for node in _products(model)))
    observed = onnx.ModelProto()
    observed.CopyFrom(model)
    observed.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names
    )
    onnx.save(observed, scratch)
    session = onnxruntime.InferenceSession(scratch, providers=["CPUExecutionProvider"])
    largest: Largest = {}
    for feed in calibration:
        real = feed["attention_mask"].astype(bool)
        for name, values in zip(names, session.run(names, dict(feed)), strict=True):
            if values.shape[: real.ndim] == real.shape and values.ndim == real.ndim + 1:
                found = np.abs(values[real]).max(axis=0)
                largest[name] = np.maximum(largest.get(name, found), found)
    scratch.unlink()
    return largest


def tame_outliers(model: Any, largest: Largest) -> None:
    """Move the excess of outlier channels from the products' inputs into their weights."""
    from onnx import helper, numpy_helper

    weights = {each.name: each for each in model.graph.initializer}
    inverses = {}
    for name, values in largest.items():
        usual = float(np.quantile(values, OUTLIER_QUANTILE))
        if usual <= 0:
            continue
        excess = np.maximum(1, values / usual).astype(np.float32)
        for node in _products(model):
            if node.input[0] == name:
                weight = weights[node.input[1]]
                scaled = numpy_helper.to_array(weight) * excess[:, None]
                weight.CopyFrom(numpy_helper.from_array(scaled, weight.name))
                node.input[0] = f"{name}/tamed"
        model.graph.initializer.append(numpy_helper.from_array(1 / excess, f"{name}/inverse"))
        inverses[name] = helper.make_node("Mul", [name, f"{name}/inverse"], [f"{name}/tamed"])
    ordered = []
    for node in model.graph.node:
        ordered.append(node)
        ordered += [inverses[name] for name in node.output if name in inverses]
    _replace_nodes(model, ordered)


def quantise_embeddings(model: Any) -> None:
    """Store embedding tables in 8 bits with a scale for each row, which is one word's.

    Only the rows of a batch are made floating point again.
    """
    from onnx import TensorProto, helper, numpy_helper

    tables = {
        each.name: each
        for each in model.graph.initializer
        if each.data_type == TensorProto.FLOAT
        and len(each.dims) == 2
        and each.dims[0] > _LARGE_TABLE
    }
    uses = Counter(name for node in model.graph.node for name in node.input)
    ordered = []
    for node in model.graph.node:
        table = tables.get(node.input[0]) if node.op_type == "Gather" else None
        if table is None or uses[table.name] > 1:
            ordered.append(node)
            continue
        values = numpy_helper.to_array(table)
        scale = np.maximum(np.abs(values).max(axis=1, keepdims=True), 1e-12) / 127
        whole = np.rint(values / scale).astype(np.int8)
        table.CopyFrom(numpy_helper.from_array(whole, table.name))
        scales = numpy_helper.from_array(scale.astype(np.float32), f"{table.name}/scale")
        model.graph.initializer.append(scales)
        (full,) = node.output
        rows, floats, scaled = f"{full}/int8", f"{full}/unscaled", f"{full}/scale"
        node.output[0] = rows
        ordered += [
            node,
            helper.make_node("Cast", [rows], [floats], to=TensorProto.FLOAT),
            helper.make_node("Gather", [scales.name, node.input[1]], [scaled]),
            helper.make_node("Mul", [floats, scaled], [full]),
        ]
    _replace_nodes(model, ordered)


def _products(model: Any) -> list[Any]:
    """The matrix products with constant weights that no other node shares."""
    weights = {each.name for each in model.graph.initializer if len(each.dims) == 2}
    uses = Counter(name for node in model.graph.node for name in node.input)
    return [
        node
        for node in model.graph.node
        if node.op_type == "MatMul" and node.input[1] in weights and uses[node.input[1]] == 1
    ]


def _replace_nodes(model: Any, nodes: list[Any]) -> None:
    copies = [type(node)() for node in nodes]
    for copy, node in zip(copies, nodes, strict=True):
        copy.CopyFrom(node)
    del model.graph.node[:]
    model.graph.node.extend(copies)
