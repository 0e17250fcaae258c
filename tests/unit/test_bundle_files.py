"""The bundle's files one by one: batches, table, index, manifest, and the move into place."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruie.bundle.encoder import batches_by_length, cheapest_batches
from ruie.bundle.layout import check_target, staged
from ruie.bundle.manifest import (
    FORMAT_VERSION,
    EncoderCard,
    Manifest,
    Parity,
    Pooling,
    Quantisation,
)
from ruie.bundle.table import Table, write_table
from ruie.errors import BundleError
from ruie.records import Demonstration, Grounding, Item, Span, Task, Trigger


@given(st.lists(st.integers(0, 300)), st.integers(1, 600))
def test_batches_hold_every_text_once_within_the_budget(lengths: list[int], budget: int) -> None:
    batches = list(batches_by_length(lengths, budget))
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        padded = len(batch) * max(lengths[i] for i in batch)
        assert len(batch) == 1 or padded <= budget


Cut = list[list[int]]


def cost(batches: Cut, lengths: list[int], run: int) -> int:
    padded = (len(batch) * max(1, *(lengths[i] for i in batch)) for batch in batches)
    return sum(run + tokens for tokens in padded)


def ways(order: list[int]) -> Iterator[Cut]:
    """All ways to cut it."""
    if not order:
        yield []
    for end in range(1, len(order) + 1):
        for rest in ways(order[end:]):
            yield [order[:end], *rest]


@given(st.lists(st.integers(0, 300), max_size=7), st.integers(1, 600), st.integers(0, 100))
def test_no_way_to_cut_the_texts_into_batches_costs_less(
    lengths: list[int], budget: int, run: int
) -> None:
    batches = cheapest_batches(lengths, budget, run)
    order = [i for batch in batches for i in batch]
    assert [lengths[i] for i in order] == sorted(lengths, reverse=True)
    assert sorted(order) == list(range(len(lengths)))
    possible = [
        cut
        for cut in ways(order)
        if all(len(b) == 1 or len(b) * max(1, *(lengths[i] for i in b)) <= budget for b in cut)
    ]
    assert batches in possible
    assert cost(batches, lengths, run) == min(cost(cut, lengths, run) for cut in possible)


def test_the_table_gives_back_what_it_was_given(tmp_path: Path) -> None:
    exact = Span("Öl 🛢", 0, 4, Grounding.EXACT)
    rows = [
        Demonstration("1", Task.NER, "s", ("A", "B"), "Öl 🛢 stieg", (Item("A", (exact,)),)),
        Demonstration("2", Task.RE, "s", ("r",), "x y", (Item("r", (Span("x"), Span("y"))),)),
        Demonstration("3", Task.EAE, "s", ("Item",), "x", (), Trigger("Rise", Span("x", 0, 1))),
        Demonstration("4", Task.ED, "s", ("Rise",), "", ()),
    ]
    write_table(tmp_path / "t.parquet", rows)
    table = Table(tmp_path / "t.parquet")
    assert table.rows() == rows
    assert [table.row(i) for i in range(len(table))] == rows
    assert table.row_of["3"] == 2
    assert table.texts == [row.text for row in rows]


def manifest(**changes: object) -> Manifest:
    card = EncoderCard(
        base_model="m",
        architecture="bert",
        pooling=Pooling.MEAN,
        dimension=4,
        max_tokens=16,
        pad_id=0,
        opset=17,
        quantisation=Quantisation.NONE,
    )
    parity = Parity(sentences=1, cosine_mean=1, cosine_min=1, top8_overlap=1)
    whole = Manifest(
        format_version=FORMAT_VERSION,
        ruie_version="0",
        encoder=card,
        parity=parity,
        demonstrations=0,
        partitions=(),
        files={},
    )
    return whole.model_copy(update=changes).sealed({})


def test_a_manifest_reads_back_and_has_stable_bytes() -> None:
    raw = manifest().to_bytes()
    assert Manifest.from_bytes(raw, Path("m")).to_bytes() == raw


@pytest.mark.parametrize("version", [FORMAT_VERSION + 1, FORMAT_VERSION - 1])
def test_another_format_version_is_refused_with_what_to_do(version: int) -> None:
    with pytest.raises(BundleError, match=f"format version {version}") as raised:
        Manifest.from_bytes(manifest(format_version=version).to_bytes(), Path("manifest.json"))
    assert "build it again" in raised.value.hint


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b"\xff\xfe", b'{"format_version": 1}'])
def test_what_is_no_manifest_is_refused_by_name(raw: bytes) -> None:
    with pytest.raises(BundleError, match=r"somewhere/manifest\.json"):
        Manifest.from_bytes(raw, Path("somewhere/manifest.json"))


def test_every_changed_byte_of_a_manifest_is_noticed() -> None:
    raw = manifest().to_bytes()
    for position in range(len(raw)):
        damaged = raw[:position] + bytes([raw[position] ^ 1]) + raw[position + 1 :]
        with pytest.raises(BundleError):
            Manifest.from_bytes(damaged, Path("manifest.json"))


def test_a_failed_build_leaves_the_place_as_it_was(tmp_path: Path) -> None:
    def fail() -> None:
        with staged(tmp_path / "b") as folder:
            (folder / "encoder.onnx").write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_overwriting_replaces_whole_and_leaves_nothing_beside(tmp_path: Path) -> None:
    for text in (b"{}", b"[]"):
        with staged(tmp_path / "b", overwrite=True) as folder:
            (folder / "manifest.json").write_bytes(text)
            assert not (tmp_path / "b").exists() or text == b"[]"
    assert (tmp_path / "b" / "manifest.json").read_bytes() == b"[]"
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_only_a_bundle_is_ever_replaced(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(BundleError, match="is not a bundle"):
        check_target(tmp_path, overwrite=True)
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(BundleError, match="exists") as raised:
        check_target(tmp_path, overwrite=False)
    assert "--overwrite" in raised.value.hint
    check_target(tmp_path, overwrite=True)


def test_a_killed_build_never_looks_like_a_bundle_and_is_swept(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from ruie.bundle.layout import staged\n"
        "with staged(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'manifest.json').write_text('{}'); os.kill(os.getpid(), 9)\n"
    )
    target = tmp_path / "b"
    run = subprocess.run([sys.executable, "-c", script, str(target)], check=False)
    assert run.returncode == -9
    assert not target.exists()
    assert len(list(tmp_path.iterdir())) == 1
    with staged(target) as folder:
        (folder / "manifest.json").write_text("{}")
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
