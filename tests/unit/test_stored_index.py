"""An index that is written again for other rows finds what a new one of the same rows finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.vectors import EXACT_ROWS, best, clustered, overlap, partitions, unit, written

from ruie.bundle.index import Index, Rows, Vectors
from ruie.bundle.manifest import Partition, Quantisation
from ruie.exporter.stored_index import StoredIndex, write_index_again

NEW = 7


def again(
    folder: Path,
    before: tuple[Partition, ...],
    after: tuple[Partition, ...],
    origin: Rows,
    vectors: Vectors,
    quantisation: Quantisation,
) -> tuple[Index, tuple[Partition, ...], Vectors]:
    stored = StoredIndex.read(folder / "before", before)
    parts, every = write_index_again(
        folder / "after", stored, origin, vectors, after, quantisation, exact_rows=EXACT_ROWS
    )
    return Index(folder / "after", parts, threads=2), parts, every


def grown(*sizes: int) -> tuple[tuple[Partition, ...], Rows]:
    """Each partition with `NEW` rows at its end, and a new partition of as many before them all."""
    origin, at = [-np.ones(NEW, dtype=np.int64)], 0
    for size in sizes:
        origin += [np.arange(at, at + size), -np.ones(NEW, dtype=np.int64)]
        at += size
    names = "other", *(f"s{number}" for number in range(len(sizes)))
    return partitions(NEW, *(size + NEW for size in sizes), names=names), np.concatenate(origin)


@pytest.mark.parametrize("quantisation", Quantisation)
@pytest.mark.parametrize("sizes", [(300, 900), (100, 6_000)])
def test_rows_that_were_added(
    tmp_path: Path, sizes: tuple[int, int], quantisation: Quantisation
) -> None:
    stored, queries = clustered(sum(sizes)), clustered(60, seed=1)
    before = written(tmp_path / "before", stored, partitions(*sizes), quantisation)[1]
    after, origin = grown(*sizes)
    new = clustered(3 * NEW, seed=2)
    index, parts, every = again(tmp_path, before, after, origin, new, quantisation)
    assert index.rows == len(origin)
    whole = np.empty((len(origin), stored.shape[1]), dtype=np.float32)
    whole[origin < 0], whole[origin >= 0] = new, stored[origin[origin >= 0]]
    np.testing.assert_allclose(every, whole, atol=0.01)
    assert [part.lists for part in parts] == [1, *(part.lists for part in before)]
    for part in parts:
        rows = index.search(queries, 5, part)[1]
        assert overlap(rows, best(whole, queries, 5, part)[1]) > 0.95
    mine = [
        index.search(new[at : at + NEW], 1, part)[1]
        for at, part in zip((0, NEW, 2 * NEW), parts, strict=True)
    ]
    for part, found in zip(parts, mine, strict=True):
        assert set(found.ravel()) == set(range(part.stop - NEW, part.stop))


def test_what_is_stored_stays_bit_for_bit(tmp_path: Path) -> None:
    parts = written(tmp_path / "before", clustered(500), partitions(500), Quantisation.INT8)[1]
    first = StoredIndex.read(tmp_path / "before", parts)
    for _ in range(3):
        rows = len(StoredIndex.read(tmp_path / "before", parts).codes)
        after = partitions(rows + 1)
        origin = np.append(np.arange(rows), -1)
        parts = again(tmp_path, parts, after, origin, clustered(1, seed=rows), Quantisation.INT8)[1]
        (tmp_path / "after").replace(tmp_path / "before")
    last = StoredIndex.read(tmp_path / "before", parts)
    assert (last.codes[:500] == first.codes).all()


def test_rows_that_were_removed_are_not_in_it(tmp_path: Path) -> None:
    stored = clustered(400)
    before = written(tmp_path / "before", stored, partitions(200, 200), Quantisation.NONE)[1]
    origin = np.arange(1, 400)
    index, _, every = again(
        tmp_path, before, partitions(199, 200), origin, stored[:0], Quantisation.NONE
    )
    assert index.rows == 399
    assert (every == stored[1:]).all()
    assert stored[0].tobytes() not in (tmp_path / "after").read_bytes()


def test_vectors_beyond_the_stored_ranges_choose_them_anew(tmp_path: Path) -> None:
    """Sentences of another kind than all that the bundle had."""
    narrow = unit(clustered(300) * 0.05 + np.eye(32)[0])
    before = written(tmp_path / "before", narrow, partitions(300), Quantisation.INT8)[1]
    origin = np.append(np.arange(300), [-1] * 20)
    new = clustered(20, seed=3)
    index, parts, _ = again(tmp_path, before, partitions(320), origin, new, Quantisation.INT8)
    found = index.search(new, 1, parts[0])
    assert found[1].ravel().tolist() == list(range(300, 320))
    np.testing.assert_allclose(found[0], 1, atol=5e-3)


@pytest.mark.parametrize("rows", [EXACT_ROWS - 200, EXACT_ROWS * 4])
def test_a_partition_that_outgrows_its_lists_is_divided_anew(tmp_path: Path, rows: int) -> None:
    stored, queries = clustered(EXACT_ROWS * 5), clustered(40, seed=1)
    sizes = (EXACT_ROWS + 1, EXACT_ROWS + 1)
    before = written(
        tmp_path / "before", stored[: sum(sizes)], partitions(*sizes), Quantisation.NONE
    )[1]
    kept, new = min(rows, sizes[0]), max(0, rows - sizes[0])
    origin = np.concatenate(
        [np.arange(kept), -np.ones(new, dtype=np.int64), np.arange(sizes[0], sum(sizes))]
    )
    index, parts, every = again(
        tmp_path, before, partitions(rows, sizes[1]), origin, stored[-new:][:new], Quantisation.NONE
    )
    assert (parts[0].lists > before[0].lists) == (rows > EXACT_ROWS)
    assert (parts[0].lists == 1) == (rows <= EXACT_ROWS)
    for part in parts:
        rows_found = index.search(queries, 5, part)[1]
        assert overlap(rows_found, best(every, queries, 5, part)[1]) > 0.95
