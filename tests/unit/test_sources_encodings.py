"""Pages in the encodings of the web: a byte order mark comes first, then what the page declares."""

from __future__ import annotations

from pathlib import Path

import pytest

from ruie.db.jobs import NewInputError
from ruie.db.queue import NewDocument
from ruie.worker.ingest.documents import DocumentOrError
from ruie.worker.ingest.sources import find_sources


def read(path: Path, content: bytes) -> DocumentOrError:
    path.write_bytes(content)
    (source,) = find_sources([path])
    (row,) = source.read()
    return row


def page(label: str) -> bytes:
    return f"<html><head><meta charset={label}></head><p>".encode()


READ = {
    "quotes of windows-1252": (page("iso-8859-1") + b"\x93Oil\x94 \x92 \x80", "“Oil” ’ €"),
    "its open bytes": (page("latin1") + b"a\x81b\xe9", "a\x81bé"),
    "iso-8859-9": (page("iso-8859-9") + b"\xfeirket", "şirket"),
    "another label": (page("'ISO_8859-1:1987'") + b"\xe9", "é"),
    "ascii": (page("us-ascii") + b"\xe9", "é"),
    "iso-2022-jp": (page("iso-2022-jp") + "石油".encode("iso2022_jp"), "石油"),
    "half-width kana": (page("iso-2022-jp") + b"\x1b(I1\x1b(B", "ｱ"),
    "Shift_JIS with a letter of cp932": (page("Shift_JIS") + b"\x87\x40\xfa\xb1", "①﨑"),
    "euc-kr with a letter of cp949": (page("euc-kr") + "똠방".encode("cp949"), "똠방"),
    "gb2312 with a letter of gb18030": (page("gb2312") + "镕基".encode("gb18030"), "镕基"),
    "big5": (page("big5") + "石油".encode("big5"), "石油"),
    "koi8-r": (page("koi8-r") + "нефть".encode("koi8-r"), "нефть"),
    "utf-16 declared in bytes": (page("utf-16") + "é".encode(), "é"),
    "x-user-defined": (page("x-user-defined") + b"\xe9", "é"),
    "UTF-16 with a mark": ("<p>Öl".encode("utf-16"), "Öl"),
    "UTF-16, big-endian": (b"\xfe\xff" + "<p>Öl".encode("utf-16-be"), "Öl"),
    "the mark is stronger": (b"\xef\xbb\xbf" + page("iso-8859-1") + "é".encode(), "é"),
    "an XML declaration": (b'<?xml version="1.0" encoding="iso-8859-2"?><p>\xb3', "ł"),
    "http-equiv": (
        b'<meta http-equiv="Content-Type" content="text/html; charset=windows-1251"><p>\xee\xe9',
        "ой",
    ),
    "in a comment": (b"<!-- <meta charset=koi8-r> --><meta charset=latin1><p>\xe9", "é"),
    "UTF-8 that declares something else": (page("iso-8859-1") + "é".encode(), "é"),
    "UTF-8 that declares gbk": (page("gbk") + "石油价格上涨了很多".encode(), "石油价格上涨了很多"),
    "gbk that could be UTF-8": (page("gbk") + "陆".encode("gbk") + b"\xc4\xa3", "陆模"),
    "an unknown label, and UTF-8": (page("undefined") + "é".encode(), "é"),
}


@pytest.mark.parametrize(("content", "text"), READ.values(), ids=list(READ))
def test_a_page_is_read_as_it_declares(tmp_path: Path, content: bytes, text: str) -> None:
    row = read(tmp_path / "a.html", content)
    assert isinstance(row, NewDocument), row
    assert row.text == text


REFUSED = {
    "an unknown label": ("a.html", page("undefined") + b"\xe9", "the unknown encoding 'undefined'"),
    "a codec of Python": ("a.html", page("rot13") + b"\xe9", "the unknown encoding 'rot13'"),
    "none": ("a.html", b"<p>\xe9", "is not UTF-8 (byte 4); save the file as UTF-8"),
    "a wrong one": ("a.html", page("euc-jp") + b"\xe9", "is not euc-jp, which it declares (byte "),
    "a barred one": ("a.html", page("iso-2022-kr") + b"\xe9", "that the Encoding Standard bars"),
    "a page of UTF-16 without a mark": ("a.html", "<p>Oil".encode("utf-16-le"), "is no text: "),
    "half a UTF-16": ("a.txt", "Oil".encode("utf-16")[:-1], "is not UTF-16"),
    "text of UTF-16 without a mark": ("a.txt", "Oil".encode("utf-16-le"), "looks like UTF-16"),
    "the same, big-endian": ("a.txt", "Oil".encode("utf-16-be"), "looks like UTF-16"),
    "a resource fork": ("._a.txt", b"\0\5\x16\7\0\2\0\0Mac OS X", "is no text: character 1 is NUL"),
    "a plain text declares nothing": ("a.txt", page("latin1") + b"\xe9", "is not UTF-8 (byte "),
}  # fmt: skip  # a table


@pytest.mark.parametrize(("name", "content", "reason"), REFUSED.values(), ids=list(REFUSED))
def test_what_cannot_be_decoded_is_refused(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    row = read(tmp_path / name, content)
    assert isinstance(row, NewInputError)
    assert reason in row.reason
    assert "save" in row.reason


@pytest.mark.parametrize("name", ["a.txt", "a.md"])
@pytest.mark.parametrize("codec", ["utf-16", "utf-8-sig"])
def test_a_text_with_a_byte_order_mark(tmp_path: Path, name: str, codec: str) -> None:
    row = read(tmp_path / name, "Öl €".encode(codec))
    assert isinstance(row, NewDocument)
    assert row.text == "Öl €"
