"""The lines of a file as a list in a JSON document that is sent in parts."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

PART = 2**18


class LinesBody:
    """A document of the fields of `body`, and `requests`: the lines of a file, each a JSON
    document that ends with a line break. size: in bytes."""

    def __init__(self, body: Mapping[str, Any], lines: Path) -> None:
        fields = "".join(f"{json.dumps(name)}: {json.dumps(body[name])}, " for name in body)
        self._head = f'{{{fields}"requests": ['.encode()
        self._lines = lines
        self._rest = max(0, lines.stat().st_size - 1)
        self.size = len(self._head) + self._rest + len(_TAIL)

    async def parts(self) -> AsyncIterator[bytes]:
        """The document."""
        yield self._head
        left = self._rest  # all but the last line break; the others become commas
        with self._lines.open("rb") as lines:
            while left and (part := lines.read(min(PART, left))):
                left -= len(part)
                yield part.replace(b"\n", b",")
        yield _TAIL


_TAIL = b"]}"
