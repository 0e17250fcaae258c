"""Seeds of fuzz tests: a fixed number in each test run, others for as long as one likes.

pytest tests/fuzz --fuzz-minutes 10
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any, TypeVar

import pytest

Result = TypeVar("Result")

JUNK: tuple[Any, ...] = (
    *(
        None,
        True,
        -1,
        0,
        2**70,
        -0.0,
        1e308,
        "",
        "x" * 2000,
        "\0",
        "\ud83d",
        "\x1b]0;x\x07",
        "\u202e",
    ),
    *(
        [],
        {},
        [[]],
        [None],
        [{}],
        {"": None},
        {"error": "x"},
        {"text": ["x"]},
        [["x"] * 50],
        "1e999",
    ),
)


def seeds(request: pytest.FixtureRequest, count: int) -> Iterator[int]:
    """The first `count` numbers, then random ones for `--fuzz-minutes`."""
    yield from range(count)
    end = time.monotonic() + 60 * float(request.config.getoption("--fuzz-minutes"))
    while time.monotonic() < end:
        yield random.SystemRandom().randrange(count, 10**12)


def fuzz(
    request: pytest.FixtureRequest, count: int, check: Callable[[int], Result]
) -> list[Result]:
    """What `check` returns for each seed. What it raises says which seed it was."""
    results = []
    at_length = request.config.getoption("--fuzz-minutes") > 0
    for seed in seeds(request, count):
        if at_length:  # with -s it is seen also where the process ends
            print(f"\rseed {seed} ", end="", flush=True)
        try:
            results.append(check(seed))
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise
    print(f"{len(results)} inputs")
    return results


def mutated(document: Any, rng: random.Random) -> Any:
    """A JSON document of which one to four parts are others, missing or there twice."""
    made = deepcopy(document)
    for _ in range(rng.randint(1, 4)):
        places = list(_places(made))
        if not places:
            return rng.choice(JUNK)
        within, key = rng.choice(places)
        match rng.randrange(4):
            case 0:
                del within[key]
            case 1:
                other, part = rng.choice(places)
                within[key] = deepcopy(other[part]) if part in _keys(other) else None
            case 2 if isinstance(within, list):
                within.insert(key, deepcopy(within[key]))
            case _:
                within[key] = deepcopy(rng.choice(JUNK))
    return made


def _keys(node: Any) -> list[Any]:
    return list(node) if isinstance(node, dict) else list(range(len(node)))


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(node, dict | list):
        for key in _keys(node):
            yield node, key
            yield from _places(node[key])
