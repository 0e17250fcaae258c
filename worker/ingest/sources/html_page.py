"""What a reader sees of an HTML page: its text, parted where its elements part it.

Which elements are open is followed as far as it decides what is shown and where text is parted:
elements whose end is not written end as the HTML standard has them end. Each tag takes the same
time, however many are open.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection

from ruie.worker.ingest.sources.html_tokens import Tag, Text, tokens

_LINE, _PARAGRAPH, _CELL = "\x02", "\x03", "\x04"
_MARKS = re.compile("[\x00\x02-\x04]")
_SPACE = re.compile(r"[ \t\r\n\f]+")
_BREAK = re.compile(r" ?[\x02-\x04][\x02-\x04 ]*")

_IN_HEAD = frozenset(
    ("html", "head", "title", "meta", "link", "base", "basefont", "bgsound", "script", "style",
     "noscript", "template", "noframes")
)  # fmt: skip
_CELLS = ("td", "th")
_VOID = frozenset(("area", "base", "br", "col", "embed", "frame", "hr", "img", "input", "link",
                   "meta", "param", "source", "track", "wbr"))  # fmt: skip
_ENDS_BEFORE = {
    "li": ("li",), "dt": ("dt", "dd"), "dd": ("dt", "dd"), "td": _CELLS, "th": _CELLS,
    "tr": (*_CELLS, "tr"),
}  # fmt: skip  # a table
"""What an element ends that is open when it begins."""
_ENDS_PARAGRAPH = frozenset(
    ("address", "article", "aside", "blockquote", "center", "dd", "details", "dialog", "dir", "div",
     "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5",
     "h6", "header", "hgroup", "hr", "li", "listing", "main", "menu", "nav", "ol", "p", "plaintext",
     "pre", "search", "section", "summary", "table", "ul", "xmp")
)  # fmt: skip
"""Elements before which a paragraph ends."""
_OUT_OF_DRAWINGS = frozenset(
    ("b", "big", "blockquote", "body", "br", "center", "code", "dd", "div", "dl", "dt", "em",
     "embed", "h1", "h2", "h3", "h4", "h5", "h6", "head", "hr", "i", "img", "li", "listing",
     "menu", "meta", "nobr", "ol", "p", "pre", "ruby", "s", "small", "span", "strong", "strike",
     "sub", "sup", "table", "tt", "u", "ul", "var")
)  # fmt: skip
"""Elements that a drawing cannot hold: where one begins, the drawing has ended."""


class _Open:
    """The elements that are open, within the innermost table, and how many there are of each."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.counts: Counter[str] = Counter()


class Page:
    """Reads one page. paragraphs, lines: the elements that part text by an empty line and by a line
    break. dropped: those whose text is not shown."""

    def __init__(
        self, paragraphs: Collection[str], lines: Collection[str], dropped: Collection[str]
    ) -> None:
        self.title = ""
        self._marks = dict.fromkeys(paragraphs, _PARAGRAPH) | dict.fromkeys(lines, _LINE)
        self._marks |= dict.fromkeys(_CELLS, _CELL)
        self._dropped = frozenset(dropped)
        self._pieces: list[str] = []
        self._tables = [_Open()]
        self._in_head = True
        self._in_title = False
        self._hidden = ""
        """The dropped element that is open, if one is."""
        self._within: Counter[str] = Counter()
        """The elements that are open within it."""

    def text(self, source: str) -> str:
        """The page's text. To be called once."""
        for token in tokens(_MARKS.sub("", source)):
            if isinstance(token, Text):
                self._characters(token.text)
            elif self._hidden:
                self._hidden_tag(token)
            elif token.ends:
                self._end(token.name)
            else:
                self._begin(token.name)
        text = _SPACE.sub(" ", "".join(self._pieces))
        return _BREAK.sub(_break, text).strip()

    def _characters(self, text: str) -> None:
        if self._hidden:
            return
        if self._in_title:
            self.title = self.title or " ".join(text.split())
        else:
            self._in_head = self._in_head and not text.strip()
            self._pieces.append(_MARKS.sub("", text))

    def _begin(self, name: str) -> None:
        self._in_title = name == "title" and self._in_head
        if name in self._dropped and name != "head":
            self._hidden = name
            self._within.clear()
            return
        self._in_head = self._in_head and name in _IN_HEAD
        mark = self._marks.get(name)
        opened, in_table = self._tables[-1], name in ("tr", *_CELLS)
        if name in _ENDS_PARAGRAPH and opened.names[-1:] == ["p"]:
            self._pop(opened)
        if mark is None:
            return
        if in_table and len(self._tables) == 1:
            return  # without a table the standard ignores them
        ended = _ENDS_BEFORE.get(name, ())
        if any(opened.counts[each] for each in ended) and (in_table or opened.names[-1] in ended):
            while any(opened.counts[each] for each in ended):
                if self._pop(opened) in ended and not in_table:
                    break
        self._pieces.append(mark)
        if name == "table":
            self._tables.append(_Open())
        elif name not in _VOID:
            opened.names.append(name)
            opened.counts[name] += 1

    def _end(self, name: str) -> None:
        self._in_title = False
        mark = self._marks.get(name)
        if mark is None:
            return
        opened = self._tables[-1]
        if name == "table" and len(self._tables) > 1:
            while opened.names:
                self._pop(opened)
            self._tables.pop()
            self._pieces.append(mark)
        elif opened.counts[name]:
            while self._pop(opened) != name:
                pass
        elif name in ("p", "br"):
            self._pieces.append(mark)

    def _pop(self, opened: _Open) -> str:
        """End the innermost element."""
        name = opened.names.pop()
        opened.counts[name] -= 1
        self._pieces.append(self._marks[name])
        return name

    def _hidden_tag(self, tag: Tag) -> None:
        """A tag within an element that is not shown."""
        name = tag.name
        if not tag.ends:
            if self._hidden == "svg" and name in _OUT_OF_DRAWINGS and not self._within_foreign():
                self._hidden = ""
                self._begin(name)
            elif name not in _VOID:
                self._within[name] += 1
        elif self._within[name]:
            self._within[name] -= 1
        elif name == self._hidden:
            self._hidden = ""
        elif self._hidden in ("svg", "noscript") and self._tables[-1].counts[name]:
            self._hidden = ""  # what it is in has ended
            self._end(name)

    def _within_foreign(self) -> bool:
        return any(self._within[name] for name in ("foreignobject", "desc", "title"))


def _break(match: re.Match[str]) -> str:
    marks = match[0]
    return "\n\n" if _PARAGRAPH in marks else "\n" if _LINE in marks else "\t"
