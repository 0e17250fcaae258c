"""Quantise an exported encoder to int8: its matrix products and its embedding tables.

The runtime quantises the input of a matrix product with one scale for the whole tensor. A BERT has
a few channels ten times larger than the rest, which take most of that scale's 256 steps. So each
such channel is divided by a constant before the product, and the matching row of the weights is
multiplied by it: the product is the same, and every channel gets its share of the steps
(SmoothQuant, arXiv 2211.10438). The very largest channels of a product that has more inputs than
outputs are multiplied in floating point instead (LLM.int8(), arXiv 2208.07339): that costs little
there, and no scale suits both them and the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ruie.exporter.activations import (
    Activations,
    Array,
    ChannelSplit,
    Feed,
    collect_statistics,
    split_channels,
)
from ruie.exporter.rounding import quantise_weights

EXACT_CHANNELS = 4
"""At most so many input channels of a product that has more inputs than outputs stay in floating
point."""

_MIN_TABLE_ROWS = 256  # of an embedding table of words or positions; that of token types is smaller


def quantise_int8(fp32: Path, path: Path, calibration: Iterable[Feed]) -> None:
    """Write the ONNX encoder in the file `fp32` to `path` with int8 weights and embeddings.

    calibration: batches of real sentences; their statistics say which rounding errors matter.
    Matrix weights have one scale a column, embeddings one a row. The loss: benchmarks/encode.md.
    """
    import onnx

    model = onnx.load(fp32)
    products: dict[str, list[Any]] = {}
    for node in _products(model):
        products.setdefault(node.input[0], []).append(node)
    scratch = fp32.with_suffix(".calibration")
    statistics = collect_statistics(model, scratch, list(products), calibration)
    quantise_products(model, {name: products[name] for name in statistics}, statistics)
    quantise_embeddings(model)
    onnx.save(model, path)


def quantise_products(
    model: Any, products: Mapping[str, Sequence[Any]], statistics: Mapping[str, Activations]
) -> None:
    """Replace MatMul nodes in `model` by integer products.

    products: the nodes by the name of their input. statistics: of each such input.
    """
    weights = {each.name: each for each in model.graph.initializer}
    following: dict[str, list[Any]] = {}
    replaced: dict[str, list[Any]] = {}
    for name, nodes in products.items():
        constants = [weights[node.input[1]] for node in nodes]
        narrows = all(each.dims[0] > each.dims[1] for each in constants)
        split = split_channels(statistics[name], EXACT_CHANNELS if narrows else 0)
        following[name] = _input_nodes(model, name, split)
        for node, constant in zip(nodes, constants, strict=True):
            replaced[node.output[0]] = _product_nodes(model, node, constant, split)
            model.graph.initializer.remove(constant)
    ordered = []
    for node in model.graph.node:
        ordered += replaced.get(node.output[0], [node])
        for name in node.output:
            ordered += following.get(name, [])
    _replace_nodes(model, ordered)


def _input_nodes(model: Any, name: str, split: ChannelSplit) -> list[Any]:
    """Scale and quantise the input once for all products that read it."""
    from onnx import helper

    scale = _constant(model, f"{name}/input/factors", split.scale)
    nodes = [
        helper.make_node("Mul", [name, scale], [f"{name}/input/scaled"]),
        helper.make_node(
            "DynamicQuantizeLinear",
            [f"{name}/input/scaled"],
            [f"{name}/input/uint8", f"{name}/input/scale", f"{name}/input/zero"],
        ),
    ]
    if len(split.exact):
        exact = _constant(model, f"{name}/input/channels", split.exact.astype(np.int64))
        nodes.append(helper.make_node("Gather", [name, exact], [f"{name}/input/exact"], axis=-1))
    return nodes


def _product_nodes(model: Any, node: Any, constant: Any, split: ChannelSplit) -> list[Any]:
    """The integer product instead of `node`, in the pattern that ONNX Runtime fuses into one
    operator; `constant` are its weights."""
    from onnx import TensorProto, helper, numpy_helper

    name, (out,) = node.input[0], node.output
    values = numpy_helper.to_array(constant)
    rows = np.zeros_like(values)
    np.divide(values, split.scale[:, None], out=rows, where=split.scale[:, None] > 0)
    quantised, scales = quantise_weights(rows, split.moment, split.noise)
    weights = _constant(model, f"{constant.name}/int8", quantised)
    zero = _constant(model, f"{constant.name}/zero", np.zeros((), np.int8))
    scale = _constant(model, f"{constant.name}/scale", scales)
    total = f"{out}/output/int8" if len(split.exact) else out
    nodes = [
        helper.make_node(
            "MatMulInteger",
            [f"{name}/input/uint8", weights, f"{name}/input/zero", zero],
            [f"{out}/output/sum"],
        ),
        helper.make_node(
            "Cast", [f"{out}/output/sum"], [f"{out}/output/float"], to=TensorProto.FLOAT
        ),
        helper.make_node("Mul", [f"{name}/input/scale", scale], [f"{out}/output/scale"]),
        helper.make_node("Mul", [f"{out}/output/float", f"{out}/output/scale"], [total]),
    ]
    if len(split.exact):
        weights = _constant(model, f"{constant.name}/exact", values[split.exact])
        nodes += [
            helper.make_node("MatMul", [f"{name}/input/exact", weights], [f"{out}/output/exact"]),
            helper.make_node("Add", [total, f"{out}/output/exact"], [out]),
        ]
    return nodes


def _constant(model: Any, name: str, values: Array) -> str:
    from onnx import numpy_helper

    model.graph.initializer.append(numpy_helper.from_array(values, name))
    return name


def quantise_embeddings(model: Any) -> None:
    """Store the embedding tables of `model` in int8 with a scale a row, which is one word's.

    Only the rows that a batch looks up are converted back to floating point.
    """
    from onnx import TensorProto, helper, numpy_helper

    tables = {
        each.name: each
        for each in model.graph.initializer
        if each.data_type == TensorProto.FLOAT
        and len(each.dims) == 2
        and each.dims[0] > _MIN_TABLE_ROWS
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
        quantised = np.rint(values / scale).astype(np.int8)
        table.CopyFrom(numpy_helper.from_array(quantised, table.name))
        scales = numpy_helper.from_array(scale.astype(np.float32), f"{table.name}/scale")
        model.graph.initializer.append(scales)
        (output,) = node.output
        rows, unscaled, row_scales = f"{output}/int8", f"{output}/unscaled", f"{output}/scale"
        node.output[0] = rows
        ordered += [
            node,
            helper.make_node("Cast", [rows], [unscaled], to=TensorProto.FLOAT),
            helper.make_node("Gather", [scales.name, node.input[1]], [row_scales]),
            helper.make_node("Mul", [unscaled, row_scales], [output]),
        ]
    _replace_nodes(model, ordered)


def _products(model: Any) -> list[Any]:
    """The MatMul nodes with constant weights that no other node uses."""
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
