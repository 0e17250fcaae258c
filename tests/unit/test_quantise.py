"""An encoder's graph in eight bits, on a small one with the outlier channel that BERTs have."""

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from ruie.exporter import quantise  # noqa: E402  # after the check that onnx is installed
from ruie.exporter.activations import Activations, split_channels  # noqa: E402  # as above

WORDS, NARROW, WIDE = 300, 16, 64
OUTLIER = 5

Feed = dict[str, np.ndarray]


@pytest.fixture
def fp32(tmp_path: Path) -> Path:
    """Words to vectors, a widening product, a narrowing one."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    widening, narrowing = rng.normal(size=(NARROW, WIDE)), rng.normal(size=(WIDE, NARROW))
    widening[:, OUTLIER] *= 12
    narrowing[OUTLIER] *= 20
    constants = {
        "table": rng.normal(size=(WORDS, NARROW)),
        "widening": widening,
        "narrowing": narrowing,
    }
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["table", "input_ids"], ["words"]),
            helper.make_node("MatMul", ["words", "widening"], ["wide"]),
            helper.make_node("Relu", ["wide"], ["active"]),
            helper.make_node("MatMul", ["active", "narrowing"], ["embedding"]),
        ],
        "encoder",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
            for name in ("input_ids", "attention_mask")
        ],
        [
            helper.make_tensor_value_info(
                "embedding", TensorProto.FLOAT, ["batch", "sequence", NARROW]
            )
        ],
        [numpy_helper.from_array(each.astype(np.float32), k) for k, each in constants.items()],
    )
    path = tmp_path / "fp32.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


def feed(seed: int) -> Feed:
    rng = np.random.default_rng(seed)
    mask = np.ones((4, 20), dtype=np.int64)
    mask[1, 12:] = 0
    return {"input_ids": rng.integers(WORDS, size=mask.shape), "attention_mask": mask}


def run(path: Path) -> np.ndarray:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (output,) = session.run(None, feed(99))
    return np.asarray(output)


def error(fp32: Path, int8: Path) -> float:
    exact = run(fp32)
    return float(np.linalg.norm(run(int8) - exact) / np.linalg.norm(exact))


def test_products_and_tables_are_int8_and_outputs_almost_the_same(
    fp32: Path, tmp_path: Path
) -> None:
    quantise.quantise_int8(fp32, tmp_path / "int8.onnx", [feed(seed) for seed in range(8)])
    model = onnx.load(tmp_path / "int8.onnx")
    onnx.checker.check_model(model)
    assert sum(node.op_type == "MatMulInteger" for node in model.graph.node) == 2
    kinds = {each.name: each.data_type for each in model.graph.initializer}
    assert kinds["widening/int8"] == kinds["table"] == onnx.TensorProto.INT8
    assert "widening" not in kinds, "no weights in 32 bits are left"
    assert "narrowing/exact" in kinds
    assert "widening/exact" not in kinds
    assert error(fp32, tmp_path / "int8.onnx") < 0.01
    assert [each.name for each in tmp_path.iterdir() if "calibration" in each.name] == []


def test_exact_channels_are_what_keeps_the_error_small(
    fp32: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = []
    for exact in (quantise.EXACT_CHANNELS, 0):
        monkeypatch.setattr(quantise, "EXACT_CHANNELS", exact)
        path = tmp_path / f"{exact}.onnx"
        quantise.quantise_int8(fp32, path, [feed(seed) for seed in range(8)])
        errors.append(error(fp32, path))
    assert errors[0] < 0.8 * errors[1]


def test_a_channel_that_is_as_large_as_the_others_is_neither_scaled_nor_exact() -> None:
    even = Activations(np.eye(8), np.full((3, 8), -2.0), np.full((3, 8), 2.0))
    split = split_channels(even, 4)
    assert len(split.exact) == 0
    assert np.array_equal(split.scale, np.ones(8, np.float32))
    assert split.noise == pytest.approx((4 / 255) ** 2 / 12)


def test_outliers_are_brought_down_to_the_others() -> None:
    low, high = np.zeros((2, 100)), np.ones((2, 100))
    high[1, 7], low[0, 9] = 40.0, -10.0
    statistics = Activations(np.eye(100), low, high)
    scaled = split_channels(statistics, 0)
    assert scaled.scale[[7, 9]] == pytest.approx([1 / 40, 1 / 10])
    split = split_channels(statistics, 1)
    assert split.exact.tolist() == [7]
    assert split.scale[[7, 9]] == pytest.approx([0, 1 / 10])
    assert split.moment[7, 7] == 0


def test_inputs_that_are_always_zero_are_no_error() -> None:
    nothing = np.zeros((2, 4))
    split = split_channels(Activations(np.zeros((4, 4)), nothing, nothing), 2)
    assert np.array_equal(split.scale, np.ones(4, np.float32))
    assert split.noise == 0
