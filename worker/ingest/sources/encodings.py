"""Bytes of a file that is one document into its text, by the Encoding Standard of the WHATWG: a
byte order mark comes first, then what a page declares. What is not decoded is refused."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable

import webencodings

from ruie.worker.ingest.documents import not_utf8

Decode = Callable[[bytes], str]

DECLARED_WITHIN = 2048
"""Bytes of a page in which its encoding is looked for; the HTML standard asks for 1,024."""

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"),
          (codecs.BOM_UTF16_BE, "utf-16-be"))  # fmt: skip  # a table
_COMMENT = re.compile(rb"<!--.*?(?:-->|\Z)", re.DOTALL)
_META = re.compile(rb"<meta\s[^>]*?charset\s*=\s*[\"']?\s*([^\s\"'/>;]+)", re.IGNORECASE)
_XML = re.compile(rb"\s*<\?xml\s[^>]*?encoding\s*=\s*[\"']\s*([^\s\"'>]+)", re.IGNORECASE)

# Python's codecs that know less than the standard's encodings.
_WIDER = {"gbk": "gb18030", "iso-2022-jp": "iso2022_jp_ext"}
# What a page cannot be in if its declaration could be read byte by byte.
_IN_A_PAGE = {"utf-16le": "utf-8", "utf-16be": "utf-8", "x-user-defined": "windows-1252"}
_NOT_BY_CHANCE = 8
"""Characters: one in five of GBK's common ones is well-formed UTF-8 too."""
_SEVERAL_BYTES = ("big5", "euc-jp", "euc-kr", "gb18030", "gbk", "iso-2022-jp", "shift_jis")


class UndecodableError(Exception):
    """The message is the reason of the refusal."""


def text_of(raw: bytes) -> str:
    """The text of a plain or Markdown file: UTF-8, or UTF-16 with a byte order mark."""
    if (text := _marked(raw)) is None:
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            raise UndecodableError(not_utf8(error)) from None
    return _without_nul(text)


def page_of(raw: bytes) -> str:
    """The source of an HTML page: as its byte order mark says, else as it declares, else UTF-8.

    A page that declares another encoding than UTF-8, but is UTF-8, is read as such: no text of an
    encoding of single bytes is by chance, and none of more than a few characters of the others.
    """
    if (text := _marked(raw)) is not None:
        return _without_nul(text)
    label = _declared(raw)
    encoding = webencodings.lookup(label) if label else None
    declared = _IN_A_PAGE.get(encoding.name, encoding.name) if encoding else "utf-8"
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        if label and encoding is None:
            raise UndecodableError(
                f"is not UTF-8, and declares the unknown encoding '{label[:40]}'; save it as UTF-8"
            ) from None
        if declared == "utf-8":
            raise UndecodableError(not_utf8(error)) from None
    else:
        beyond_ascii = len(text) - len(text.encode("ascii", "ignore"))
        if declared not in _SEVERAL_BYTES or beyond_ascii >= _NOT_BY_CHANCE:
            return _without_nul(text)
    return _without_nul(_decoded(raw, declared))


def _marked(raw: bytes) -> str | None:
    """The text after a byte order mark; None without one."""
    for mark, name in _MARKS:
        if raw.startswith(mark):
            try:
                return raw[len(mark) :].decode(name)
            except UnicodeDecodeError as error:
                if name == "utf-8":
                    error.start += len(mark)
                    raise UndecodableError(not_utf8(error)) from None
                raise UndecodableError(
                    f"is not {name.upper()}, as its byte order mark says"
                    f" (byte {error.start + len(mark) + 1}); save the file as UTF-8"
                ) from None
    return None


def _declared(raw: bytes) -> str:
    head = _COMMENT.sub(b" ", raw[:DECLARED_WITHIN])
    found = _XML.match(head) or _META.search(head)
    return found[1].decode("ascii", "replace") if found else ""


def _decoded(raw: bytes, name: str) -> str:
    encoding = webencodings.lookup(name)
    if encoding is None or encoding.name == "replacement":
        raise UndecodableError(
            "declares an encoding that the Encoding Standard bars; save it as UTF-8"
        )
    codec = codecs.lookup(_WIDER.get(name, encoding.codec_info.name))
    try:
        return codec.decode(raw, "strict" if name in _SEVERAL_BYTES else _CONTROLS)[0]
    except UnicodeDecodeError as error:
        try:
            return raw.decode()  # what it declares is not what it is
        except UnicodeDecodeError:
            raise UndecodableError(
                f"is not {name}, which it declares (byte {error.start + 1}); save it as UTF-8"
            ) from None


def _control(error: UnicodeError) -> tuple[str, int]:
    """Bytes 80 to 9F that an encoding of single bytes leaves open are control characters by the
    standard; Python refuses them."""
    if isinstance(error, UnicodeDecodeError) and 0x80 <= error.object[error.start] <= 0x9F:
        return chr(error.object[error.start]), error.start + 1
    raise error


_CONTROLS = "ruie-control"
codecs.register_error(_CONTROLS, _control)


def _without_nul(text: str) -> str:
    at = text.find("\0")
    if at < 0:
        return text
    utf16 = "; it looks like UTF-16" if text[1:2] == "\0" or text[:1] == "\0" else ""
    raise UndecodableError(
        f"is no text: character {at + 1} is NUL{utf16}; save the file as UTF-8, or take it out"
    )
