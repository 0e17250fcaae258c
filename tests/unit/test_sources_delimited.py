"""CSV: the rows are those of the csv module, and one that cannot be read costs no other."""

from __future__ import annotations

import csv
import io
from typing import Any, BinaryIO, Literal, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruie.db.jobs import NewInputError
from ruie.db.queue import NewDocument
from ruie.worker.ingest.documents import READ_BYTES, DocumentOrError
from ruie.worker.ingest.refusal import UnreadableError
from ruie.worker.ingest.sources import delimited_rows
from ruie.worker.ingest.sources.delimited import delimited
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
    assert (error.line, error.reason) == (2, "is not CSV (unexpected end of data); it has 2 lines")


def rows(delimiter: str, spoiled: dict[int, str], count: int = 1000) -> bytes:
    """Rows whose text is one word; those of `spoiled` have another."""
    lines = [f"{n}{delimiter}{spoiled.get(n, f'text{n}')}\n" for n in range(1, count + 1)]
    return f"id{delimiter}text\n{''.join(lines)}".encode()


@pytest.mark.parametrize(
    ("spoiled", "lost"),
    [
        ({10: '"text10'}, {"10"}),
        ({10: '"text10', 901: '"text, 901"'}, {"10"}),
        ({10: '"text10', 901: '"text\nof two lines"'}, {"10"}),
        ({10: '"text10"b'}, {"10"}),
        ({10: '"text10', 11: '"text11', 12: '"text12'}, {"10", "11", "12"}),
        ({999: '"text999'}, {"999", "1000"}),
    ],
)
def test_a_bad_quote_in_csv_costs_its_own_row(spoiled: dict[int, str], lost: set[str]) -> None:
    found = read(rows(",", spoiled))
    ids = {one.external_id for one in found if isinstance(one, NewDocument)}
    refused = [one for one in found if isinstance(one, NewInputError)]
    assert {str(n) for n in range(1, 1001)} - ids <= lost
    assert len(refused) <= len(lost)
    assert {one.reason for one in refused} <= {
        "is not CSV (unexpected end of data)",
        "is not CSV (',' expected after '\"')",
        "is not CSV (',' expected after '\"'); it has 2 lines",
        "is not CSV (unexpected end of data); it has 2 lines",
    }


def test_prose_after_a_bad_quote_is_no_row_of_its_own() -> None:
    content = b'id,text\n1,one\n2,"He said\n"no, thanks", and left\nfor good"\n3,three\n'
    first, *refused, third = read(content)
    assert isinstance(first, NewDocument)
    assert isinstance(third, NewDocument)
    assert all(isinstance(one, NewInputError) for one in refused)
    assert getattr(refused[0], "reason", "").endswith("; it has 2 lines")


def test_an_unclosed_quote_takes_a_bounded_number_of_lines(monkeypatch: Any) -> None:
    monkeypatch.setattr(delimited_rows, "MAX_LINES", 100)
    content = b'id,text\n1,"one\n' + b"a line\n" * 99 + b"2,two\n"
    refused, second = read(content)
    assert isinstance(refused, NewInputError)
    assert refused.reason == "is not CSV (unexpected end of data); it has 100 lines"
    assert isinstance(second, NewDocument)
    assert second.external_id == "2"


TSV = {
    "opened": ({10: '"text10'}, {10: '"text10'}),
    "opened and closed far below": (
        {10: '"text10', 901: 'text901"'}, {10: '"text10', 901: 'text901"'}
    ),
    "opened and a cell closed far below": (
        {10: '"text10', 901: '"text901"'}, {10: '"text10', 901: "text901"}
    ),
    "closed too early": ({10: '"Exxon" said'}, {10: '"Exxon" said'}),
    "inches": ({10: 'a 5" pipe'}, {10: 'a 5" pipe'}),
    "well closed": ({10: '"a ""b"" c"'}, {10: 'a "b" c'}),
    "several lines": ({10: '"one\ntwo ""x""\nthree"'}, {10: 'one\ntwo "x"\nthree'}),
}  # fmt: skip  # a table


@pytest.mark.parametrize(("spoiled", "texts"), TSV.values(), ids=list(TSV))
def test_a_quote_in_tsv_costs_no_row(spoiled: dict[int, str], texts: dict[int, str]) -> None:
    stream = cast(BinaryIO, io.BytesIO(rows("\t", spoiled)))
    found = list(delimited("\t")(stream, "in.tsv", DEFAULT, LIMIT, 0))
    assert [one.text for one in found if isinstance(one, NewDocument)] == [
        texts.get(n, f"text{n}") for n in range(1, 1001)
    ]


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_no_line_is_read_ahead_twice_over(delimiter: str, monkeypatch: Any) -> None:
    scanned = 0
    after = delimited_rows._after

    def counted(piece: bytes, state: int, separator: bytes) -> int:
        nonlocal scanned
        scanned += len(piece)
        return after(piece, state, separator)

    monkeypatch.setattr(delimited_rows, "_after", counted)
    for line in ('1{d}"x', '"', '1{d}"', "1{d}x", "x", '{d}"x"y', '1{d}""x', '"x""'):
        content = rows(delimiter, {}, 3) + (line.format(d=delimiter) + "\n").encode() * 500
        for last in ("", f'1{delimiter}"x\n'):
            scanned = 0
            stream = cast(BinaryIO, io.BytesIO(last.encode().join([content] * 3)))
            list(delimited(delimiter)(stream, "in", DEFAULT, LIMIT, 0))
            assert scanned <= 3 * 3 * len(content)


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
