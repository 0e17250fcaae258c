"""Prepare the next batch in a thread while the model computes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Prepared = TypeVar("Prepared")


def prefetch(prepare: Callable[[Item], Prepared], items: Iterable[Item]) -> Iterator[Prepared]:
    """Yield `prepare(item)` of each item in order, while a thread prepares the next one.

    What `prepare` raises is raised here. Faster only if `prepare` releases the GIL, as tokenizers
    do.
    """
    with ThreadPoolExecutor(1) as thread:
        current = None
        for item in items:
            following = thread.submit(prepare, item)
            if current is not None:
                yield current.result()
            current = following
        if current is not None:
            yield current.result()
