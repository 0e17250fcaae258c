"""PDF, by PDFium: text in the order in which it is read, words that a line end divides joined.

Why PDFium: docs/data.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from ruie.errors import UnavailableError
from ruie.worker.ingest.sources.pages import NotReadableError, paged

_DIVIDED = re.compile("[\x02\ufffe](?:\r?\n)?")
"""PDFium's mark for a hyphen at the end of a line, within a word."""
PASSWORD = 4
"""PDFium's error code of a file that needs one."""


def check_installed() -> None:
    """Raises `UnavailableError` where PDFium is missing."""
    try:
        import pypdfium2  # noqa: F401  # is it installed?
    except ImportError:
        raise UnavailableError(
            "Reading PDF is not installed.", "Install it: pip install 'ruie[pdf]'."
        ) from None


def pages_of(stream: BinaryIO, metadata: dict[str, Any]) -> Iterator[str]:
    """The text of each page; adds the title."""
    try:
        import pypdfium2
    except ImportError:
        raise NotReadableError("needs PDFium: pip install 'ruie[pdf]'") from None
    try:
        document = pypdfium2.PdfDocument(stream)
    except pypdfium2.PdfiumError as error:
        protected = getattr(error, "err_code", None) == PASSWORD
        raise NotReadableError(
            "is protected by a password" if protected else "is no PDF, or a damaged one"
        ) from None
    try:
        if title := " ".join(document.get_metadata_value("Title").split()):
            metadata["title"] = title
        for number in range(len(document)):
            try:
                page = document[number]
                text = page.get_textpage()
                yield _DIVIDED.sub("", text.get_text_bounded()).replace("\r\n", "\n")
                text.close()
                page.close()
            except pypdfium2.PdfiumError:
                raise NotReadableError(f"has a damaged page, number {number + 1}") from None
    finally:
        document.close()


pdf = paged(pages_of)
