"""The id of a request in its file: of which item, which request, and which batch it is."""

from __future__ import annotations

import re
from typing import NamedTuple

_FORM = re.compile(r"(\d{1,19})-(\d{1,19})-([0-9a-f]{8,40})")


class CustomId(NamedTuple):
    item: int
    request: int
    token: str

    def __str__(self) -> str:
        """At most 64 characters of those that every provider takes."""
        return f"{self.item}-{self.request}-{self.token}"


def read_custom_id(text: str) -> CustomId | None:
    """None: it is none of ours."""
    found = _FORM.fullmatch(text)
    return CustomId(int(found[1]), int(found[2]), found[3]) if found else None
