"""Markdown into HTML, with all of its text or not at all."""

from __future__ import annotations

from typing import Any

from ruie.worker.ingest.refusal import UnreadableError

MAX_LEVELS = 100
"""Of blocks: a list takes two, a quotation one."""
INLINE_LEVELS = 20
"""Of brackets in each other, the library's own limit; what is deeper stays as it is written."""


def rendered(source: str) -> str:
    """The HTML of CommonMark with tables. Raises `UnreadableError` for blocks that are nested
    deeper than `MAX_LEVELS`: the library would leave them out, and the rest of their block."""
    from markdown_it import MarkdownIt

    def check_level(state: Any, *_: Any) -> bool:
        if state.level >= MAX_LEVELS:
            raise UnreadableError(f"its blocks are nested deeper than {MAX_LEVELS} levels")
        return False

    def limit_inline(state: Any) -> None:
        state.md.options["maxNesting"] = INLINE_LEVELS

    markdown = MarkdownIt("commonmark", {"maxNesting": MAX_LEVELS + 1}).enable("table")
    markdown.block.ruler.before("table", "check_level", check_level)
    markdown.core.ruler.after("block", "limit_inline", limit_inline)
    html: str = markdown.render(source)
    return html
