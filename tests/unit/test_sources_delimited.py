"""CSV: the rows are those of the csv module, and one that cannot be read costs no other."""

from __future__ import annotations

import csv
import io
from typing import BinaryIO, Literal, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruie.db.jobs import NewInputError
from ruie.db.queue import NewDocument
from ruie.worker.ingest.documents import READ_BYTES, DocumentOrError
from ruie.worker.ingest.sources.delimited import delimited
from ruie.worker.ingest.sources.formats import UnreadableError
from ruie.worker.ingest.sources.mapping import DEFAULT

LIMIT = 50
QUOTES = b'""' * READ_BYTES


def read(content: bytes, start: int = 0, limit: int = LIMIT) -> list[DocumentOrError]:
    stream = cast(BinaryIO, io.BytesIO(content))
    return list(delimited(",")(stream, "in.csv", DEFAULT, limit, start))


BAD = {
    "not UTF-8": (b"2,Gr\xf6\xdfe", "is not UTF-8 (byte 5)"),
    "not UTF-8, over two lines": (b'2,"Gr\xf6\n\xdfe, two"', "is not UTF-8 (byte 6)"),
    "a quote after the closing one": (b'2,"a"b', "is not CSV ("),
    "columns": (b"2,a,b", "has 3 columns, the header 2"),
    "a long line": (b"2," + b"x" * 70_000, "has 70000 characters, more than 50"),
    "a long row": (b'2,"' + b'x,""\n' * 20_000 + b'"', "has 100005 bytes, too many for 50 char"),
    "many quotes": (b'2,"' + QUOTES + b'"', f"has {len(QUOTES) + 5} bytes, too many for 50"),
    "longer than the limit": (b'2,"' + b"a\n" * 26 + b'"', "has 52 characters, more than 50 ("),
    "empty": (b"", "is empty"),
}  # fmt: skip  # a table


@pytest.mark.parametrize(("row", "reason"), BAD.values(), ids=list(BAD))
def test_a_bad_row_is_reported_and_the_rest_goes_on(row: bytes, reason: str) -> None:
    content = b'id,text\n1,"one\nand more"\n' + row + b"\n3,three\n"
    first, error, last = read(content)
    assert isinstance(first, NewDocument)
    assert isinstance(last, NewDocument)
    assert (first.text, last.text, last.line, last.external_id) == (
        "one\nand more",
        "three",
        3,
        "3",
    )
    assert isinstance(error, NewInputError)
    assert (error.source, error.line) == ("in.csv", 2)
    assert error.reason.startswith(reason)
    assert [read(content, n) for n in range(4)] == [[first, error, last][n:] for n in range(4)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"id,body\n1,a\n", "no column 'text'"),
        (b"text,text\n", "repeats a column"),
        (b"t\xffxt\n", r"header is not UTF-8 \(byte 2\)"),
        ("id,text\n".encode("utf-16"), "header is not UTF-8"),
        (b'id,"text', "is not CSV"),
        (b"x" * 70_000, "header has 70000 bytes"),
        (b"", "no column 'text'"),
    ],
)
def test_without_a_header_nothing_can_be_read(content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableError, match=reason):
        read(content)


def test_a_quote_that_is_never_closed_is_one_refusal() -> None:
    first, error = read(b'id,text\n1,one\n2,"two\n3,three\n')
    assert isinstance(first, NewDocument)
    assert isinstance(error, NewInputError)
    assert (error.line, error.reason) == (2, "is not CSV (unexpected end of data)")


CELLS = st.text(st.sampled_from('ab,"\n;é 👍'), max_size=6)


@given(
    st.lists(st.tuples(CELLS, CELLS), max_size=6),
    st.booleans(),
    st.sampled_from(["\n", "\r\n"]),
)
def test_rows_are_those_that_the_csv_module_writes(
    rows: list[tuple[str, str]], all_quoted: bool, end: str
) -> None:
    written = io.StringIO(newline="")
    quoting: Literal[0, 1] = csv.QUOTE_ALL if all_quoted else csv.QUOTE_MINIMAL
    writer = csv.writer(written, quoting=quoting, lineterminator=end)
    writer.writerows([("text", "more"), *(("x" + text, more) for text, more in rows)])
    found = read(b"\xef\xbb\xbf" + written.getvalue().encode())
    assert [(r.text, r.metadata) for r in found if isinstance(r, NewDocument)] == [
        ("x" + text, {"more": more}) for text, more in rows
    ]
