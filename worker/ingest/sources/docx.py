"""DOCX (WordprocessingML): every text that is shown, in the order of the file.

With the texts that libraries leave out: in content controls, text boxes, tracked insertions,
footnotes and endnotes. Without what was deleted, hidden or is repeated on each page. A page begins
where the program that saved the file says that it last did, or at a manual page break.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO
from xml.etree import ElementTree

from ruie.worker.ingest.sources.pages import NotReadableError, paged

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_STRICT = "{http://purl.oclc.org/ooxml/wordprocessingml/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_TITLE = "{http://purl.org/dc/elements/1.1/}title"
DOCUMENT, NOTES, CORE = (
    "word/document.xml",
    ("word/footnotes.xml", "word/endnotes.xml"),
    "docProps/core.xml",
)
MOST_XML = 256 << 20
"""Bytes of one part, decompressed."""
# XML has none of these characters
_PAGE, _MANUAL, _CELL = "\f", "\x05", "\x04"


def pages_of(stream: BinaryIO, metadata: dict[str, Any]) -> Iterator[str]:
    """The text of each page; adds the title."""
    try:
        with zipfile.ZipFile(stream) as archive:
            names = set(archive.namelist())
            if DOCUMENT not in names:
                raise NotReadableError("is no DOCX: it has no word/document.xml")
            if CORE in names and (title := _title(archive)):
                metadata["title"] = title
            parts = [DOCUMENT, *(name for name in NOTES if name in names)]
            text = "\n".join("".join(_text(archive, name)) for name in parts)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise NotReadableError(f"is no DOCX, or a damaged one: {error}") from None
    except ElementTree.ParseError as error:
        raise NotReadableError(f"is a damaged DOCX: {error}") from None
    yield from _laid_out(text).split(_PAGE)


def _laid_out(text: str) -> str:
    """With a tab between cells, and each page's beginning once: a program marks it after a manual
    break too."""
    text = re.sub(f"{_MANUAL}\\s*{_PAGE}", _PAGE, text).replace(_MANUAL, _PAGE)
    text = re.sub(f"\n*{_CELL}", "\t", text)
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[\t ]+\n", "\n", text))


def _opened(archive: zipfile.ZipFile, name: str) -> Any:
    if archive.getinfo(name).file_size > MOST_XML:
        raise NotReadableError(f"has more than {MOST_XML >> 20} MiB in {name}")
    return archive.open(name)


def _title(archive: zipfile.ZipFile) -> str:
    with _opened(archive, CORE) as part:
        for _, element in ElementTree.iterparse(part):
            if element.tag == _TITLE:
                return " ".join((element.text or "").split())
    return ""


def _text(archive: zipfile.ZipFile, name: str) -> Iterator[str]:
    """The pieces of a part's text, with line ends between paragraphs and rows."""
    left_out = 0  # elements around this one whose text is not shown
    hidden = False
    with _opened(archive, name) as part:
        for event, element in ElementTree.iterparse(part, ("start", "end")):
            tag = element.tag.replace(_STRICT, _W)
            skipped = tag in (_FALLBACK, f"{_W}del", f"{_W}moveFrom")
            if event == "start":
                left_out += skipped
                if tag == f"{_W}r":
                    hidden = False
                continue
            left_out -= skipped
            if tag == f"{_W}vanish":
                hidden = element.get(f"{_W}val", "true") not in ("0", "false", "off")
            elif not left_out and not hidden and (piece := _piece(tag, element)):
                yield piece
            if tag in (f"{_W}p", f"{_W}tbl"):
                element.clear()


def _piece(tag: str, element: ElementTree.Element) -> str:
    match tag.removeprefix(_W):
        case "t":
            return element.text or ""
        case "tab":
            return "\t"
        case "tc":
            return _CELL
        case "noBreakHyphen":
            return "-"
        case "br":
            return _MANUAL if element.get(f"{_W}type") == "page" else "\n"
        case "lastRenderedPageBreak":
            return _PAGE
        case "p" | "tr" | "cr":
            return "\n"
    return ""


docx = paged(pages_of)
