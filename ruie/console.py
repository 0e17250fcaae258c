"""Rich's console, whose texts can do nothing to a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import IO, Any

import rich.console
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment

from ruie.secrets import masked
from ruie.shown import harmless

LOG_WIDTH = 1_000_000
"""Characters of a line where the output is not a terminal: nothing is cut, and nothing folded."""


class Console(rich.console.Console):
    """As rich's own; colours and movements of the cursor come from rich alone, never from text, and
    a secret is masked before a line is broken in its middle. Only the width of a terminal cuts
    texts, not that of a file or a pipe, nor COLUMNS there."""

    def __init__(
        self,
        *,
        file: IO[str] | None = None,
        stderr: bool = False,
        width: int | None = None,
        **options: Any,
    ) -> None:
        """As rich's own."""
        written_to = file or (sys.stderr if stderr else sys.stdout)
        if width is None and not written_to.isatty():
            width = LOG_WIDTH
        super().__init__(file=file, stderr=stderr, width=width, **options)

    def print(self, *objects: Any, **options: Any) -> None:
        """As rich's own."""
        super().print(*(masked(part) if isinstance(part, str) else part for part in objects),
                      **options)  # fmt: skip  # one call

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """The segments, their text harmless."""
        for segment in super().render(renderable, options):
            text = segment.text
            if segment.control or text.isprintable() or text == "\n":
                yield segment
            else:
                yield Segment(harmless(text), segment.style)
