"""How CPU time grows with what is given to a function."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

import pytest

MOST = 8.5
"""Times as long for four times the input: 4 if linear, 16 if quadratic."""
UNMEASURED_S = 0.1
"""CPU seconds that are too few to tell."""

Made = Callable[[int], Any]


def cpu_s(function: Callable[[Any], object], given: Any) -> float:
    gc.collect()
    gc.disable()  # its time depends on all that was made before
    try:
        began = time.process_time()
        function(given)
        return time.process_time() - began
    finally:
        gc.enable()


def assert_linear(function: Callable[[Any], object], made: Made, size: int) -> None:
    """That four times the input takes less than `MOST` times as long: the best of three runs."""
    short, long = made(size), made(4 * size)
    pairs = []
    for _ in range(3):
        pairs.append((cpu_s(function, short), cpu_s(function, long)))
        best = min(a for a, _ in pairs), min(b for _, b in pairs)
        if best[1] < MOST * best[0] + UNMEASURED_S:
            return
    pytest.fail(f"{best[0]:.3f} s, and {best[1]:.3f} s for four times the input")


def repeated(piece: str) -> Made:
    return lambda size: (piece * (size // len(piece) + 1))[:size]
