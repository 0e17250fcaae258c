"""Answers of many items."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Sequence


def drawn(count: int, seed: int, fixed: str = "") -> list[str]:
    """`count` random words, each between `fixed` and `fixed`."""
    random_ = random.Random(seed)
    letters = string.ascii_lowercase
    return [
        fixed + "".join(random_.choices(letters, k=random_.randint(4, 9))) + fixed
        for _ in range(count)
    ]


def items(spans: Sequence[str]) -> str:
    """An answer in JSON, each span with the type T."""
    return json.dumps({"items": [{"type": "T", "span": span} for span in spans]})
