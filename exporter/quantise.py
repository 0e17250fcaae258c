"""An exported encoder in eight bits: its matrix products and its embedding tables.

The runtime quantises the input of a matrix product with one scale for the whole tensor. A BERT has
a few channels ten times larger than the rest, which take most of that scale's 256 steps. Each
such channel is divided by a constant before the product, and the matching row of the weights is
multiplied by it: the product is the same, and the scale is spent on all channels. The very largest
channels of a product that has more inputs than outputs are multiplied in floating point instead:
that costs little there, and no scale suits both them and the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ruie.exporter.activations import Activations, Array, Feed, Split, divide, observe
from ruie.exporter.rounding import rounded

EXACT_CHANNELS = 4
"""So many channels of a narrowing product stay in floating point."""

_LARGE_TABLE = 256  # rows; an embedding table of words or positions, and not of token types


def quantise_int8(fp32: Path, path: Path, calibration: Iterable[Feed]) -> None:
    """Write the encoder in `fp32` to `path` with int8 weights, those of embeddings included.

    calibration: batches of real sentences, to see by them which errors matter. One scale for each
    column of the matrix weights, and for each row of embeddings. How much it costs:
    benchmarks/encode.md.
    """
    import onnx

    model = onnx.load(fp32)
    products: dict[str, list[Any]] = {}
    for node in _products(model):
        products.setdefault(node.input[0], []).append(node)
    seen = observe(model, fp32.with_suffix(".calibration"), list(products), calibration)
    quantise_products(model, {name: products[name] for name in seen}, seen)
    quantise_embeddings(model)
    onnx.save(model, path)


def quantise_products(
    model: Any, products: Mapping[str, Sequence[Any]], seen: Mapping[str, Activations]
) -> None:
    """Replace matrix products, given by the name of their input, by products of integers."""
    weights = {each.name: each for each in model.graph.initializer}
    following: dict[str, list[Any]] = {}
    replaced: dict[str, list[Any]] = {}
    for name, nodes in products.items():
        constants = [weights[node.input[1]] for node in nodes]
        narrows = all(each.dims[0] > each.dims[1] for each in constants)
        split = divide(seen[name], EXACT_CHANNELS if narrows else 0)
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


def _input_nodes(model: Any, name: str, split: Split) -> list[Any]:
    from onnx import helper

    inverse = _constant(model, f"{name}/input/inverse", split.inverse)
    nodes = [
        helper.make_node("Mul", [name, inverse], [f"{name}/input/tamed"]),
        helper.make_node(
            "DynamicQuantizeLinear",
            [f"{name}/input/tamed"],
            [f"{name}/input/uint8", f"{name}/input/scale", f"{name}/input/zero"],
        ),
    ]
    if len(split.exact):
        exact = _constant(model, f"{name}/input/channels", split.exact.astype(np.int64))
        nodes.append(helper.make_node("Gather", [name, exact], [f"{name}/input/exact"], axis=-1))
    return nodes


def _product_nodes(model: Any, node: Any, constant: Any, split: Split) -> list[Any]:
    """In the order that the runtime makes one operator of."""
    from onnx import TensorProto, helper, numpy_helper

    name, (out,) = node.input[0], node.output
    values = numpy_helper.to_array(constant)
    rows = np.zeros_like(values)
    np.divide(values, split.inverse[:, None], out=rows, where=split.inverse[:, None] > 0)
    whole, scales = rounded(rows, split.moment, split.noise)
    side = _constant(model, f"{constant.name}/int8", whole)
    zero = _constant(model, f"{constant.name}/zero", np.zeros((), np.int8))
    scale = _constant(model, f"{constant.name}/scale", scales)
    total = f"{out}/output/int8" if len(split.exact) else out
    nodes = [
        helper.make_node(
            "MatMulInteger",
            [f"{name}/input/uint8", side, f"{name}/input/zero", zero],
            [f"{out}/output/sum"],
        ),
        helper.make_node(
            "Cast", [f"{out}/output/sum"], [f"{out}/output/float"], to=TensorProto.FLOAT
        ),
        helper.make_node("Mul", [f"{name}/input/scale", scale], [f"{out}/output/scale"]),
        helper.make_node("Mul", [f"{out}/output/float", f"{out}/output/scale"], [total]),
    ]
    if len(split.exact):
        side = _constant(model, f"{constant.name}/exact", values[split.exact])
        nodes += [
            helper.make_node("MatMul", [f"{name}/input/exact", side], [f"{out}/output/exact"]),
            helper.make_node("Add", [total, f"{out}/output/exact"], [out]),
        ]
    return nodes


def _constant(model: Any, name: str, values: Array) -> str:
    from onnx import numpy_helper

    model.graph.initializer.append(numpy_helper.from_array(values, name))
    return name


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
