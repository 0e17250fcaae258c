"""The types of answers: the closed form against plain solvers, and the file."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from ruie.bundle.manifest import Partition
from ruie.bundle.type_model import Floats, TypeModel, read_models, write_models
from ruie.errors import BundleError
from ruie.exporter import type_model
from ruie.exporter.type_model import LAMBDA, fit, type_table
from ruie.records import Demonstration, Item, Span, Task

Data = tuple[Floats, list[list[int]], Floats]


@pytest.fixture
def data() -> Data:
    """30 texts of 3 to 9 of 12 tokens, vectors of 4 dimensions, 3 types that tokens tell of."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(30, 4))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    tokens = [rng.integers(100, 112, size=rng.integers(3, 10)).tolist() for _ in range(30)]
    types = [[float(100 + kind in each) for kind in range(3)] for each in tokens]
    return vectors.astype(np.float32), tokens, np.array(types, dtype=np.float32)


def _features(data: Data, vector: Floats, tokens: list[int]) -> list[float]:
    """Of one text, by the words of the docstrings."""
    texts = data[1]
    known = sorted({t for each in texts for t in each if sum(t in other for other in texts) > 1})
    weights = []
    for token in known:
        n = sum(token in each for each in texts)
        weights.append(math.log1p(tokens.count(token)) * (math.log((1 + len(texts)) / (1 + n)) + 1))
    length = math.sqrt(sum(w * w for w in weights))
    return [*vector.tolist(), *(w / length if length else w for w in weights)]


def _naive(data: Data, row: int, left_out: int | None = None) -> Floats:
    """Ridge regression in its primal form, perhaps without one text."""
    vectors, tokens, types = data
    x = np.array([_features(data, v, t) for v, t in zip(vectors, tokens, strict=True)])
    mean = types.mean(0)
    kept = [each for each in range(len(x)) if each != left_out]
    gram = x[kept].T @ x[kept] + LAMBDA * np.eye(x.shape[1])
    prediction: Floats = mean + x[row] @ np.linalg.solve(gram, x[kept].T @ (types - mean)[kept])
    return prediction.clip(0, 1)


def test_probabilities_equal_plain_ridge_regression(data: Data) -> None:
    model = fit(*data).model
    for row in range(30):
        probabilities = model.probabilities(data[0][row], data[1][row])
        np.testing.assert_allclose(probabilities, _naive(data, row), atol=0.02)  # weights in 8 bits


def test_held_out_predictions_equal_a_model_fitted_without_the_row(data: Data) -> None:
    held_out = fit(*data).held_out
    for row in range(30):
        np.testing.assert_allclose(held_out[row], _naive(data, row, row), atol=1e-3)


def test_a_model_of_many_rows_is_fitted_to_a_sample(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type_model, "MAX_ROWS", 20)
    fitted = fit(*data)
    assert fitted.held_out.shape == (30, 3)
    assert ((fitted.held_out > 0.5) == (data[2] > 0.5)).mean() > 0.7


def test_unknown_tokens_and_no_tokens_are_no_error(data: Data) -> None:
    model = fit(*data).model
    for tokens in ([], [5, 7, 10_000]):
        probabilities = model.probabilities(data[0][0], tokens)
        assert probabilities.shape == (3,)
        assert ((probabilities >= 0) & (probabilities <= 1)).all()


def test_one_demonstration_is_enough_to_build() -> None:
    vector = np.array([[1, 0]], dtype=np.float32)
    model = fit(vector, [[3, 4]], np.array([[1.0, 0.0]], dtype=np.float32)).model
    assert model.probabilities(vector[0], [3]).tolist() == pytest.approx([1, 0])


def test_the_table_of_types() -> None:
    items = (Item("B", (Span("x"),)), Item("B", (Span("y"),)))
    rows = [Demonstration("1", Task.NER, "s", ("A", "B"), "x y", items)]
    rows.append(Demonstration("2", Task.NER, "s", ("A", "B"), "x", ()))
    assert type_table(rows, ("A", "B")).tolist() == [[0, 1], [0, 0]]


def _partitions() -> tuple[Partition, ...]:
    return tuple(
        Partition(task=Task.NER, schema_name=s, labels=labels, start=at, stop=at + 30, repeats=1)
        for s, labels, at in (("a", ("A", "B", "C"), 0), ("b", ("A", "B"), 30))
    )


def _models(data: Data) -> list[TypeModel]:
    vectors, tokens, types = data
    return [fit(vectors, tokens, types).model, fit(vectors, tokens, types[:, :2]).model]


def test_the_file_gives_back_what_it_was_given(tmp_path: Path, data: Data) -> None:
    models = _models(data)
    for name in "ab":
        write_models(tmp_path / name, models)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    for ours, theirs in zip(read_models(tmp_path / "a", _partitions(), 4), models, strict=True):
        for row in range(30):
            query = data[0][row], data[1][row]
            probabilities = ours.probabilities(*query), theirs.probabilities(*query)
            np.testing.assert_array_equal(*probabilities)


@pytest.mark.parametrize("wrong", ["dimension", "partitions", "torn", "empty", "pickle"])
def test_a_file_of_another_bundle_is_named(tmp_path: Path, data: Data, wrong: str) -> None:
    path = tmp_path / "types.npz"
    write_models(path, _models(data))
    if wrong in ("torn", "empty"):
        path.write_bytes(path.read_bytes()[: 100 if wrong == "torn" else 0])
    if wrong == "pickle":
        np.savez(path, tokens=np.array([{}], dtype=object))
    partitions = _partitions()[: 1 if wrong == "partitions" else 2]
    with pytest.raises(BundleError, match=r"types\.npz does not belong to this bundle") as raised:
        read_models(path, partitions, 5 if wrong == "dimension" else 4)
    assert "ruie bundle build" in raised.value.hint
