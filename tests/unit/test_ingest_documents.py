"""Reading sources: nothing stops the reading, and nothing is lost silently."""

from __future__ import annotations

import io
import json
import tracemalloc
from pathlib import Path
from typing import BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruie.db.jobs import NewInputError
from ruie.db.queue import NewDocument
from ruie.errors import UsageError
from ruie.worker.ingest.documents import EXCERPT_CHARS, DocumentOrError, read_jsonl
from ruie.worker.ingest.sources import find_sources, read_sources

LIMIT = 50


def read(content: bytes, limit: int = LIMIT) -> list[DocumentOrError]:
    return list(read_jsonl(io.BytesIO(content), "in.jsonl", limit))


BAD = {
    "not JSON": (b"{text}", "is not JSON (Expecting property name"),
    "half JSON": (b'{"text": "a"', "is not JSON (Expecting ',' delimiter"),
    "two values": (b'{"text": "a"} {"text": "b"}', "is not JSON (Extra data"),
    "NaN": (b'{"text": "a", "score": NaN}', "is not JSON (NaN is no JSON number"),
    "a huge number": (b'{"text": "a", "n": ' + b"9" * 5000 + b"}", "is not JSON (Exceeds"),
    "nested too deeply": (b'{"text": ' + b"[" * 9000, "is not JSON (nested too deeply"),
    "not an object": (b'["text"]', "is not a JSON object"),
    "text alone": (b'"text"', "is not a JSON object"),
    "lacks text": (b'{"id": 1}', "lacks 'text'"),
    "text is null": (b'{"text": null}', "'text' is not a string"),
    "text is a number": (b'{"text": 5}', "'text' is not a string"),
    "text is empty": (b'{"text": ""}', "'text' is empty"),
    "text is space": (b'{"text": " \\n\\t"}', "'text' is empty"),
    "empty line": (b"", "is empty"),
    "line of space": (b" \t", "is empty"),
    "not UTF-8": (b'{"text": "Gr\xf6\xdfe"}', "is not UTF-8 (byte 13)"),
    "UTF-16": ('{"text": "a"}'.encode("utf-16"), "is not UTF-8 (byte 1)"),
    "longer than the limit": (b'{"text": "' + b"a" * 51 + b'"}', "has 51 characters, more than 50"),
    "id is a list": (b'{"id": [1], "text": "a"}', "'id' is neither a string nor a number"),
    "huge line": (b'{"text": "' + b"a" * 200_000 + b'"}', "has 200013 bytes, too many for 50"),
}  # fmt: skip


@pytest.mark.parametrize(("line", "reason"), BAD.values(), ids=list(BAD))
def test_a_bad_line_is_reported_and_the_rest_goes_on(line: bytes, reason: str) -> None:
    first, error, last = read(b'{"text": "one"}\n' + line + b'\n{"text": "three"}\n')
    assert isinstance(first, NewDocument)
    assert isinstance(last, NewDocument)
    assert (first.text, last.text, last.line) == ("one", "three", 3)
    assert isinstance(error, NewInputError)
    assert (error.source, error.line) == ("in.jsonl", 2)
    assert error.reason.startswith(reason)
    assert len(error.excerpt or "") <= EXCERPT_CHARS


GOOD = {
    "plain": (b'{"text": "a"}\n', "a", "in.jsonl:1"),
    "no line end": (b'{"text": "a"}', "a", "in.jsonl:1"),
    "CRLF": (b'{"text": "a"}\r\n', "a", "in.jsonl:1"),
    "byte order mark": (b'\xef\xbb\xbf{"text": "a"}\n', "a", "in.jsonl:1"),
    "id": (b'{"id": "x", "text": "a"}\n', "a", "x"),
    "id is a number": (b'{"id": 0, "text": "a"}\n', "a", "0"),
    "id is null": (b'{"id": null, "text": "a"}\n', "a", "in.jsonl:1"),
    "id is empty": (b'{"id": "", "text": "a"}\n', "a", "in.jsonl:1"),
    "at the limit": (b'{"text": "' + b"a" * LIMIT + b'"}', "a" * LIMIT, "in.jsonl:1"),
    "at the limit, escaped": (json.dumps({"text": "👍" * LIMIT}).encode(), "👍" * LIMIT,
                              "in.jsonl:1"),
    "space is kept": (b'{"text": " a\\n"}', " a\n", "in.jsonl:1"),
    "line separator inside": ('{"text": "a\u2028b"}'.encode(), "a\u2028b", "in.jsonl:1"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "text", "name"), GOOD.values(), ids=list(GOOD))
def test_a_good_line_is_a_document(content: bytes, text: str, name: str) -> None:
    (document,) = read(content)
    assert isinstance(document, NewDocument)
    assert (document.text, document.external_id) == (text, name)
    assert (document.source, document.line) == ("in.jsonl", 1)


def test_other_keys_are_kept_as_metadata() -> None:
    with_it, without = read(b'{"id": 1, "text": "a", "lang": "en", "tags": [1]}\n{"text": "b"}\n')
    assert isinstance(with_it, NewDocument)
    assert isinstance(without, NewDocument)
    assert with_it.metadata == {"lang": "en", "tags": [1]}
    assert without.metadata is None


@pytest.mark.parametrize("depth", [*range(900, 1010, 2)])
def test_no_depth_of_nesting_stops_the_reading(depth: int) -> None:
    nested = b'{"text": "a", "x": ' + b"[" * depth + b"]" * depth + b"}\n"
    assert len(read(nested + b'{"text": "b"}\n')) == 2


LINES = st.one_of(
    st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")),
    st.text(max_size=60).map(lambda text: json.dumps({"text": text}).encode()),
    st.builds(lambda n: b"x" * n, st.sampled_from([66_136, 66_137, 140_000])),
)


@given(st.lists(LINES, max_size=8), st.sampled_from([b"\n", b"\r\n"]))
def test_every_line_is_a_document_or_an_error(lines: list[bytes], end: bytes) -> None:
    found = read(b"".join(line + end for line in lines))
    assert [one.line for one in found] == list(range(1, len(lines) + 1))


def test_a_huge_line_without_an_end_is_not_held_in_memory() -> None:
    class Endless(io.RawIOBase):
        """64 MiB of one line, made as it is read."""

        left = 64 << 20

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: object) -> int:
            view = memoryview(cast(bytearray, buffer))
            size = min(len(view), self.left)
            view[:size] = b"a" * size
            self.left -= size
            return size

    stream = cast(BinaryIO, io.BufferedReader(Endless()))
    tracemalloc.start()
    found = list(read_jsonl(stream, "in.jsonl", LIMIT))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [one.line for one in found] == [1]
    assert peak < 4 << 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    (tmp_path / "b.jsonl").write_text('{"text": "from b"}\n')
    (tmp_path / "sub" / "a.txt").write_text("\ufefffrom a\nsecond line\n", encoding="utf-8")
    (tmp_path / "notes.odt").write_text("no document")
    return tmp_path


def test_a_folder_gives_the_files_of_known_kinds(folder: Path) -> None:
    files = find_sources([folder, folder / "b.jsonl"])
    assert [file.name for file in files] == [str(folder / "b.jsonl"), str(folder / "sub" / "a.txt")]
    found = list(read_sources(files))
    assert [one.text for one in found if isinstance(one, NewDocument)] == [
        "from b",
        "from a\nsecond line\n",
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.jsonl", "There is no file"),
        ("notes.odt", "of no known kind"),
        ("empty", "holds no document"),
    ],
)
def test_a_wrong_path_is_refused_before_anything_is_read(
    folder: Path, name: str, message: str
) -> None:
    (folder / "empty").mkdir()
    with pytest.raises(UsageError, match=message):
        find_sources([folder / "b.jsonl", folder / name])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"Gr\xf6\xdfe", "is not UTF-8 (byte 3); save the file as UTF-8"),
        (b"a" * 51, "has 51 characters, more than 50 (RUIE_MAX_DOCUMENT_CHARS)"),
        (
            "é".encode() * 70_000,
            "has 140000 bytes, too many for 50 characters (RUIE_MAX_DOCUMENT_CHARS)",
        ),
    ],
)
def test_a_text_file_that_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    (error,) = read_sources(find_sources([tmp_path / "a.txt"], max_chars=LIMIT))
    assert isinstance(error, NewInputError)
    assert (error.source, error.line, error.reason) == (str(tmp_path / "a.txt"), 1, reason)


def test_a_file_that_cannot_be_opened_is_an_error_of_its_own(folder: Path) -> None:
    (folder / "gone.jsonl").touch()
    files = find_sources([folder / "gone.jsonl", folder / "b.jsonl"])
    (folder / "gone.jsonl").unlink()
    error, document = read_sources(files)
    assert isinstance(error, NewInputError)
    assert error.reason == "cannot be read: No such file or directory"
    assert isinstance(document, NewDocument)
