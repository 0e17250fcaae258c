"""One item ahead and no further, in order; an error is raised at its item."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from support.waiting import PATIENCE_S

from ruie.exporter.training.prefetch import prefetch


def test_the_next_item_is_prepared_while_one_is_used() -> None:
    started: list[int] = []
    second = threading.Event()

    def prepare(item: int) -> int:
        started.append(item)
        if item == 2:
            second.set()
        return item * 10

    prepared = prefetch(prepare, [1, 2, 3, 4])
    assert next(prepared) == 10
    assert second.wait(PATIENCE_S)  # without a second next()
    time.sleep(0.05)
    assert started == [1, 2]
    assert list(prepared) == [20, 30, 40]


def test_items_are_taken_one_ahead() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(10):
            taken.append(item)
            yield item

    prepared = prefetch(str, items())
    assert [next(prepared), next(prepared)] == ["0", "1"]
    assert taken == [0, 1, 2]


def test_no_items() -> None:
    assert list(prefetch(str, [])) == []


def test_an_error_is_raised_at_its_item() -> None:
    def prepare(item: int) -> float:
        return 1 / item

    prepared = prefetch(prepare, [1, 0, 2])
    assert next(prepared) == 1
    with pytest.raises(ZeroDivisionError):
        next(prepared)
