"""The text of HTML and Markdown, and their metadata. Offsets of records are in this text."""

from __future__ import annotations

import re
from typing import Any

from ruie.worker.ingest.sources.mapping import as_json

DROPPED = ["head", "script", "style", "noscript", "template", "svg", "iframe"]
PARAGRAPHS = "p,h1,h2,h3,h4,h5,h6,ul,ol,dl,table,blockquote,pre,section,article,header,footer"
LINES = "li,tr,div,dt,dd,br"
_HIDDEN = re.compile(rf"<!--.*?-->|<({'|'.join(DROPPED)})\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_ENTITY = re.compile(r"&#?\w+;")
_NO_TEXT = re.compile(r"<[a-zA-Z/!?][^>]*>?|\s+")
_MARKUP = re.compile(  # images, addresses, definitions of references, signs
    r"!\[[^\]\n]*\](\([^()\n]*\))?|\]\([^()\n]*\)|^\s{0,3}\[[^\]\n]+\]:.*$"
    r"|[][*_`#>|~+=!:\\0-9.-]",
    re.MULTILINE,
)
_FRONT_MATTER = re.compile(
    r"---[ \t]*\r?\n(.{0,65536}?)\r?\n(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL
)
_NESTED = (dict, list, set, tuple, bytes)
_LINE, _PARAGRAPH, _CELL = "\x02", "\x03", "\x04"


def html_text(source: str) -> tuple[str, dict[str, Any]]:
    """What a reader sees: an empty line between blocks, a line break between lines and rows; and
    the title, if the page has one."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(re.sub("[\x02-\x04]", "", source))
    title = _title(tree)
    tree.strip_tags(DROPPED)
    for selector, mark in ((PARAGRAPHS, _PARAGRAPH), (LINES, _LINE), ("td,th", _CELL)):
        for node in tree.css(selector):
            node.insert_before(mark)
            node.insert_after(mark)
    text = re.sub(r"[ \t\r\n\f]+", " ", tree.root.text() if tree.root else "")
    shown = re.sub(r" *[\x02-\x04][\x02-\x04 ]*", _break, text).strip()
    return shown, {"title": title} if title else {}


def html_min_chars(source: str) -> int:
    """A lower bound of the characters of a page's text; approximate where its tags are broken. It
    does without the tree of elements, which takes thirty times the memory of the page."""
    return len(_NO_TEXT.sub("", _ENTITY.sub("x", _HIDDEN.sub("", source))))


def markdown_min_chars(source: str) -> int:
    """Likewise, of Markdown."""
    return html_min_chars(_MARKUP.sub("", source))


def _title(tree: Any) -> str:
    node = tree.css_first("head title")  # drawings have titles too
    return " ".join(node.text().split()) if node else ""


def _break(match: re.Match[str]) -> str:
    marks = match[0]
    return "\n\n" if _PARAGRAPH in marks else "\n" if _LINE in marks else "\t"


def markdown_text(source: str) -> tuple[str, dict[str, Any]]:
    """The text without markup, and the scalars of the front matter."""
    from markdown_it import MarkdownIt

    metadata, body = _front_matter(source)
    text, _ = html_text(MarkdownIt("commonmark").enable("table").render(body))
    return text, metadata


def _front_matter(source: str) -> tuple[dict[str, Any], str]:
    """A YAML mapping between two lines of `---` at the beginning, and what comes after it. Without
    one, or if it is not valid, all is text."""
    match = _FRONT_MATTER.match(source)
    if not match:
        return {}, source
    import yaml

    from ruie.worker.ingest.sources.front_matter import load

    try:
        loaded = load(match[1])
        if not isinstance(loaded, dict):
            return {}, source
        scalars = {str(k): as_json(v) for k, v in loaded.items() if not isinstance(v, _NESTED)}
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}, source
    return {k: v for k, v in scalars.items() if v is not None}, source[match.end() :]
