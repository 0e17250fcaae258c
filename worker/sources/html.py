"""The text of HTML and Markdown. Offsets of what is found count in this text."""

from __future__ import annotations

import re

DROPPED = ["head", "script", "style", "noscript", "template", "svg", "iframe"]
PARAGRAPHS = "p,h1,h2,h3,h4,h5,h6,ul,ol,dl,table,blockquote,pre,section,article,header,footer"
LINES = "li,tr,div,dt,dd,br"
_LINE, _PARAGRAPH, _CELL = "\x02", "\x03", "\x04"


def html_text(source: str) -> str:
    """What a reader sees: blocks apart by an empty line, lines and rows by a line end."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(re.sub("[\x02-\x04]", "", source))
    tree.strip_tags(DROPPED)
    for selector, mark in ((PARAGRAPHS, _PARAGRAPH), (LINES, _LINE), ("td,th", _CELL)):
        for node in tree.css(selector):
            node.insert_before(mark)
            node.insert_after(mark)
    text = re.sub(r"[ \t\r\n\f]+", " ", tree.root.text() if tree.root else "")
    return re.sub(r" *[\x02-\x04][\x02-\x04 ]*", _break, text).strip()


def _break(found: re.Match[str]) -> str:
    marks = found[0]
    return "\n\n" if _PARAGRAPH in marks else "\n" if _LINE in marks else "\t"


def markdown_text(source: str) -> str:
    """The text without its marks."""
    from markdown_it import MarkdownIt

    return html_text(MarkdownIt("commonmark").enable("table").render(source))
