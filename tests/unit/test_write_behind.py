"""One batch is written while the next one is read, and nothing else happens at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from support.waiting import PATIENCE_S

from ruie.worker.ingest.write_behind import write_behind


def test_the_next_one_is_read_while_one_is_written() -> None:
    read = [threading.Event() for _ in range(3)]
    happened: list[str] = []

    def batches() -> Iterator[int]:
        for number, event in enumerate(read):
            event.set()
            yield number

    def write(number: int, _: threading.Event) -> str:
        if number + 1 < len(read):
            assert read[number + 1].wait(PATIENCE_S)
        happened.append(f"write {number}")
        return f"of {number}"

    write_behind(batches(), write, lambda number, result: happened.append(f"{result}, {number}"))
    assert happened == ["write 0", "of 0, 0", "write 1", "of 1, 1", "write 2", "of 2, 2"]


def test_what_a_write_raises_ends_it_before_another_begins() -> None:
    begun: list[int] = []

    def write(number: int, _: threading.Event) -> None:
        begun.append(number)
        raise LookupError(number)

    with pytest.raises(LookupError, match="0"):
        write_behind(range(3), write, lambda *_: None)
    assert begun == [0]


@pytest.mark.parametrize("where", ["read", "written"])
def test_what_is_under_way_has_ended_when_it_raises(where: str) -> None:
    ended: list[int] = []

    def batches() -> Iterator[int]:
        yield 0
        yield 1
        if where == "read":
            raise KeyboardInterrupt

    def write(number: int, stop: threading.Event) -> int:
        if number == 1 and where == "read":
            assert stop.wait(PATIENCE_S)
        ended.append(number)
        return number

    def written(number: int, _: int) -> None:
        if where == "written" and number == 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_behind(batches(), write, written)
    assert ended == ([0, 1] if where == "read" else [0])
    assert not [each for each in threading.enumerate() if each.name == "ruie-write"]


def test_nothing_to_read_writes_nothing() -> None:
    write_behind([], lambda *_: pytest.fail("written"), lambda *_: None)
