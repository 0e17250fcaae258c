"""Text from outside, made harmless where a person sees it: a terminal, or a log that is printed.

A document, an answer, a name or an error's text may hold what a terminal obeys: escape sequences
that retitle the window or write the clipboard, C1 bytes, carriage returns that overwrite a line,
marks that turn the order of letters round. They are shown as `\\u001b`, which is also how JSON
writes them. Files of data keep every text as it is.
"""

from __future__ import annotations

import re
import sys
from typing import Any, TextIO

from ruie.secrets import masked

_DANGEROUS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and line feed, DEL, C1
    "\u202a-\u202e\u2066-\u2069"  # the direction of what follows: embeddings, overrides, isolates
    "\u2028\u2029\ud800-\udfff]"  # line separators of some terminals; halves of characters
)


def harmless(text: str) -> str:
    """The text with a code such as `\\u001b` for each character that a terminal may obey."""
    if text.isascii() and text.isprintable():
        return text
    return _DANGEROUS.sub(lambda found: f"\\u{ord(found[0]):04x}", text.replace("\r\n", "\n"))


class ShownStream:
    """Standard output or standard error, to which nothing but harmless text without secrets is
    written.

    It has no `buffer`, so that what looks for one (click, for some locales) finds no way round.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str | bytes) -> int:
        if isinstance(text, bytes):  # click writes what a shell completes as bytes
            text = text.decode("utf-8", "replace")
        shown = harmless(masked(text))
        try:
            self._stream.write(shown)
        except UnicodeEncodeError:  # a terminal of another encoding
            encoding = self._stream.encoding
            self._stream.write(shown.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    @property
    def rich_proxied_file(self) -> TextIO:
        """Where `Console` writes, whose text is harmless and whose own codes are not changed."""
        return self._stream

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":
            raise AttributeError(name)
        return getattr(self._stream, name)


def guard() -> None:
    """From here on, what this process prints or logs is harmless and without secrets.

    Celery and billiard write to `sys.__stderr__`.
    """
    for name in ("stdout", "stderr", "__stdout__", "__stderr__"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, ShownStream):
            setattr(sys, name, ShownStream(stream))


def raw_output() -> TextIO:
    """Standard output as it is, for who makes sure of what is written."""
    stream: TextIO = getattr(sys.stdout, "rich_proxied_file", sys.stdout)
    return stream


def data_output() -> TextIO:
    """Standard output for data: as it is, unless it is a terminal, where it has to be harmless."""
    return sys.stdout if sys.stdout.isatty() else raw_output()
