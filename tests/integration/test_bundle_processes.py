"""A bundle in forked children and in threads."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.bundles import query_of
from support.waiting import PATIENCE_S

from ruie.bundle import Bundle, Encoder
from ruie.records import Task


def in_child(function: Callable[[], int]) -> int:
    """What `function` returns in a forked child; fails if the child does not end."""
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=lambda: queue.put(function()))
    child.start()
    child.join(PATIENCE_S)
    if child.is_alive():
        child.kill()
        pytest.fail("the forked child hangs")
    assert child.exitcode == 0
    return int(queue.get())


@pytest.mark.parametrize("used_before", [False, True])
def test_a_forked_child_encodes_and_searches(bundle_path: Path, used_before: bool) -> None:
    fresh = Bundle.open(bundle_path, threads=2)
    rows = [row for row in fresh.demonstrations() if row.task is Task.RE]
    queries = [query_of(row, f"{row.text} Again .") for row in rows[:60]]
    if used_before:
        fresh.retrieve(queries, 8)
    assert in_child(lambda: sum(map(len, fresh.retrieve(queries, 8)))) == 8 * len(queries)
    assert sum(map(len, fresh.retrieve(queries, 8))) == 8 * len(queries)


def test_threads_may_share_a_bundle(opened: Bundle) -> None:
    texts = [row.text for row in opened.demonstrations()[:60]]
    expected = opened.encoder.encode(texts)
    equal: list[bool] = []

    def encode() -> None:
        equal.append(bool(np.allclose(opened.encoder.encode(texts), expected, atol=1e-5)))

    threads = [threading.Thread(target=encode) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert equal == [True] * 4


def test_an_encoder_is_made_in_the_process_that_uses_it(bundle_path: Path) -> None:
    encoder = Encoder(
        bundle_path / "encoder.onnx", bundle_path / "tokenizer.json", dimension=384, max_tokens=256
    )
    assert encoder._session is None
    before = encoder.encode(["one"])
    session = encoder._session
    assert in_child(lambda: int(encoder.encode(["one"]).shape[0])) == 1
    np.testing.assert_array_equal(encoder.encode(["one"]), before)
    assert encoder._session is session
