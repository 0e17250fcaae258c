"""One item ahead: in order, no further, and what fails says so where it is asked for."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from ruie.exporter.training.prefetch import ahead


def test_the_next_item_is_prepared_while_one_is_used() -> None:
    started: list[int] = []
    second = threading.Event()

    def prepare(item: int) -> int:
        started.append(item)
        if item == 2:
            second.set()
        return item * 10

    found = ahead(prepare, [1, 2, 3, 4])
    assert next(found) == 10
    assert second.wait(10)  # nobody has asked for it
    time.sleep(0.05)
    assert started == [1, 2]
    assert list(found) == [20, 30, 40]


def test_items_are_taken_one_ahead() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(10):
            taken.append(item)
            yield item

    found = ahead(str, items())
    assert [next(found), next(found)] == ["0", "1"]
    assert taken == [0, 1, 2]


def test_nothing_gives_nothing() -> None:
    assert list(ahead(str, [])) == []


def test_a_failure_is_raised_at_its_item() -> None:
    def prepare(item: int) -> float:
        return 1 / item

    found = ahead(prepare, [1, 0, 2])
    assert next(found) == 1
    with pytest.raises(ZeroDivisionError):
        next(found)
