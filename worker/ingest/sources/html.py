"""The text of HTML and Markdown, and their metadata. Offsets of records are in this text."""

from __future__ import annotations

import re
from typing import Any

from ruie.worker.ingest.sources.front_matter import load
from ruie.worker.ingest.sources.html_page import Page
from ruie.worker.ingest.sources.mapping import as_json
from ruie.worker.ingest.sources.markdown import rendered

DROPPED = ["head", "script", "style", "noscript", "template", "svg", "iframe"]
# What the HTML standard renders as a block (its section "Rendering": flow content, sections and
# headings, lists, tables, form controls), and boxes in a line, such as buttons, which part words.
PARAGRAPHS = (
    "p,h1,h2,h3,h4,h5,h6,ul,ol,dl,table,blockquote,pre,section,article,header,footer,"
    "address,aside,details,dialog,dir,fieldset,figure,form,hgroup,hr,listing,main,menu,nav,"
    "plaintext,search,xmp"
)
LINES = (
    "li,tr,div,dt,dd,br,"
    "button,caption,center,figcaption,frame,frameset,input,legend,marquee,meter,optgroup,option,"
    "progress,select,summary,textarea"
)
_MARKUP = re.compile(  # images, addresses, definitions of references, signs
    r"!\[[^\]\n]*+\]?(\([^()\n]*+\))?|\]\([^()\n]*+\)|^\s{0,3}\[[^\]\n]++\]:.*$"
    r"|[][*_`#>|~+=!:\\0-9.-]",
    re.MULTILINE,
)
_FRONT_MATTER = re.compile(
    r"---[ \t]*\r?\n(.{0,65536}?)\r?\n(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL
)
_NESTED = (dict, list, set, tuple, bytes)


def html_text(source: str) -> tuple[str, dict[str, Any]]:
    """What a reader sees: an empty line between blocks, a line break between lines and rows; and
    the title, if the page has one."""
    page = Page(PARAGRAPHS.split(","), LINES.split(","), DROPPED)
    shown = page.text(source)
    return shown, {"title": page.title} if page.title else {}


def html_min_chars(source: str) -> int:
    """A lower bound of the characters of a page's text: those that are no white space."""
    return len("".join(html_text(source)[0].split()))


def markdown_min_chars(source: str) -> int:
    """Likewise, of Markdown; approximate where its markup is broken. It does without the parser's
    tokens, which take many times the memory of the text."""
    return html_min_chars(_MARKUP.sub("", source))


def markdown_text(source: str) -> tuple[str, dict[str, Any]]:
    """The text without markup, and the scalars of the front matter."""
    metadata, body = _front_matter(source)
    text, _ = html_text(rendered(body))
    return text, metadata


def _front_matter(source: str) -> tuple[dict[str, Any], str]:
    """A YAML mapping between two lines of `---` at the beginning, and what comes after it. Without
    one, or if it is not valid, all is text."""
    match = _FRONT_MATTER.match(source)
    if not match:
        return {}, source
    import yaml

    try:
        loaded = load(match[1])
        if not isinstance(loaded, dict):
            return {}, source
        scalars = {str(k): as_json(v) for k, v in loaded.items() if not isinstance(v, _NESTED)}
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}, source
    return {k: v for k, v in scalars.items() if v is not None}, source[match.end() :]
