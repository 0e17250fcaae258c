"""Rich's console, whose texts can do nothing to a terminal."""

from __future__ import annotations

from collections.abc import Iterable

import rich.console
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment

from ruie.shown import harmless


class Console(rich.console.Console):
    """As rich's own; colours and movements of the cursor come from rich alone, never from text."""

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
