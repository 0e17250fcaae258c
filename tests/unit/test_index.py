"""The index against brute force: small partitions exactly, large ones nearly, in every form."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import numpy as np
import pytest
from support.pages import search_and_tell
from support.vectors import EXACT_ROWS, best, clustered, overlap, partitions, unit, written
from support.waiting import PATIENCE_S

from ruie.bundle.index import Index
from ruie.bundle.manifest import Quantisation
from ruie.errors import BundleError
from ruie.exporter.index import write_index

FP32, INT8 = Quantisation.NONE, Quantisation.INT8


@pytest.mark.parametrize("k", [1, 5, 8, 100])
def test_fp32_and_small_equals_brute_force(tmp_path: Path, k: int) -> None:
    rng = np.random.default_rng(0)
    vectors, queries = unit(rng.normal(size=(681, 16))), unit(rng.normal(size=(40, 16)))
    index, parts = written(tmp_path / "i.faiss", vectors, partitions(100, 80, 500, 1), FP32)
    assert index.rows == 681
    for part in parts:
        scores, rows = index.search(queries, k, part)
        expected_scores, expected = best(vectors, queries, k, part)
        np.testing.assert_array_equal(rows, expected)
        np.testing.assert_allclose(scores, expected_scores, atol=1e-5)


def test_8_bits_nearly_equal_brute_force(tmp_path: Path) -> None:
    vectors, queries = clustered(3_000, 384), clustered(100, 384, seed=1)
    index, parts = written(tmp_path / "i.faiss", vectors, partitions(1_000, 2_000), INT8)
    assert (tmp_path / "i.faiss").stat().st_size < 3_000 * (384 + 8) + 20_000
    for part in parts:
        scores, rows = index.search(queries, 8, part)
        expected_scores, expected = best(vectors, queries, 8, part)
        assert overlap(rows, expected) > 0.95
        np.testing.assert_allclose(scores, expected_scores, atol=5e-3)


@pytest.mark.parametrize("quantisation", Quantisation)
def test_a_large_partition_is_clustered_and_a_small_one_beside_it_is_not(
    tmp_path: Path, quantisation: Quantisation
) -> None:
    vectors, queries = clustered(20_300), clustered(200, seed=1)
    index, parts = written(
        tmp_path / "i.faiss", vectors, partitions(200, 20_000, 100), quantisation
    )
    small, large, last = parts
    assert small.lists == last.lists == small.searched == last.searched == 1
    assert 1 < large.searched < large.lists
    for k in (8, 100):
        for part, bound in ((small, 0.98), (large, 0.96), (last, 0.98)):
            rows = index.search(queries, k, part)[1]
            assert ((rows >= part.start) & (rows < part.stop)).all()
            assert overlap(rows, best(vectors, queries, k, part)[1]) >= bound
    assert overlap(index.search(queries, 8, large)[1], best(vectors, queries, 8, large)[1]) > 0.97


def test_more_rows_than_the_nearest_lists_have_are_all_found(tmp_path: Path) -> None:
    vectors, queries = clustered(5_000), clustered(3, seed=1)
    index, (part,) = written(tmp_path / "i.faiss", vectors, partitions(5_000), FP32)
    few = part.model_copy(update={"searched": 1})
    scores, rows = index.search(queries, 4_990, few)
    assert all(len(set(row)) == 4_990 for row in rows.tolist())
    np.testing.assert_allclose(scores, best(vectors, queries, 4_990, part)[0], atol=1e-5)


def test_a_query_gets_the_same_alone_and_among_others(tmp_path: Path) -> None:
    vectors, queries = clustered(6_000), clustered(70, seed=1)
    index, (part,) = written(tmp_path / "i.faiss", vectors, partitions(6_000), INT8)
    scores, rows = index.search(queries, 20, part)
    for row in range(0, 70, 7):
        one_scores, one_rows = index.search(queries[row : row + 1], 20, part)
        np.testing.assert_array_equal(one_rows[0], rows[row])
        np.testing.assert_array_equal(one_scores[0], scores[row])


@pytest.mark.parametrize("quantisation", Quantisation)
def test_equal_vectors_are_told_apart_in_the_same_way_every_time(
    tmp_path: Path, quantisation: Quantisation
) -> None:
    vectors = np.repeat(clustered(40), 100, axis=0)
    index, (part,) = written(tmp_path / "i.faiss", vectors, partitions(4_000), quantisation)
    first = index.search(vectors[::50], 30, part)
    again = Index(tmp_path / "i.faiss", (part,), threads=1)
    for _ in range(3):
        for ours, theirs in zip(first, again.search(vectors[::50], 30, part), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_the_same_vectors_give_the_same_file(tmp_path: Path) -> None:
    vectors = clustered(5_000)
    for name in "ab":
        write_index(tmp_path / name, vectors, partitions(5_000), INT8, exact_rows=EXACT_ROWS)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("contents", [b"", b"no index", b"IxMp" + b"\xff" * 100])
def test_what_is_no_index_is_named(tmp_path: Path, contents: bytes) -> None:
    path = tmp_path / "i.faiss"
    path.write_bytes(contents)
    with pytest.raises(BundleError, match=r"i\.faiss is not a FAISS index") as raised:
        _ = Index(path, partitions(3), threads=1).rows
    assert "ruie bundle build" in raised.value.hint


def test_an_index_of_other_partitions_is_refused(tmp_path: Path) -> None:
    write_index(tmp_path / "i.faiss", clustered(30), partitions(10, 20), FP32)
    with pytest.raises(BundleError, match="has 2 lists, and the manifest's partitions have 3"):
        _ = Index(tmp_path / "i.faiss", partitions(10, 10, 10), threads=1).rows


def test_processes_share_the_pages_of_the_index(tmp_path: Path) -> None:
    vectors = clustered(20_000, 128)
    index, (part,) = written(tmp_path / "shared.faiss", vectors, partitions(20_000), FP32)
    np.save(tmp_path / "queries.npy", vectors[:2_000])
    context = multiprocessing.get_context("spawn")
    pipes = [context.Pipe() for _ in range(2)]
    children = [
        context.Process(
            target=search_and_tell,
            args=(index, part, tmp_path / "queries.npy", theirs),
            daemon=True,
        )
        for _, theirs in pipes
    ]
    for child, (_, theirs) in zip(children, pipes, strict=True):
        child.start()
        theirs.close()  # so that recv() raises if the child ends early
    for ours, _ in pipes:
        assert ours.poll(60)
        ours.recv()
    for ours, _ in pipes:
        ours.send("tell")
        assert ours.poll(60)
        sizes = ours.recv()
        assert sizes["Rss:"] > 0.5 * 20_000 * 128 * 4 / 1024
        assert sizes["Private_Dirty:"] == 0
        assert sizes["Pss:"] < 0.7 * sizes["Rss:"]
    for child in children:
        child.join(PATIENCE_S)
        assert child.exitcode == 0
