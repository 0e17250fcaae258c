"""What cannot be listed or looked at is refused by name, and its neighbours are read."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.spec import AbstractFileSystem
from support.locked import locked, shared_folder

from ruie.db.jobs import NewInputError
from ruie.db.queue import NewDocument
from ruie.errors import UnavailableError, UsageError
from ruie.worker.ingest.sources import find_sources, remote

Found = tuple[set[str], dict[str, str]]


def read(*named: str | Path) -> Found:
    """The texts, and the reason of each source that was refused or broke off."""
    texts: set[str] = set()
    refused: dict[str, str] = {}
    for source in find_sources(named):
        for row in source.read():
            if isinstance(row, NewDocument):
                texts.add(row.text)
            else:
                refused[source.name] = row.reason
                assert source.unreadable or row.line
    return texts, refused


@pytest.fixture
def folder() -> Iterator[Path]:
    with shared_folder() as folder:
        (folder / "in" / "b").mkdir(parents=True)
        (folder / "a.txt").write_text("a")
        (folder / "in" / "b" / "b.txt").write_text("b")
        (folder / "in" / "c.txt").write_text("c")
        yield folder


@pytest.mark.parametrize("named", ["", "**/*.txt", "**", "*/*/*.txt", "in/b/*", "in/*/b.txt"])
def test_a_folder_that_cannot_be_listed(folder: Path, named: str) -> None:
    pattern = f"{folder}/{named}" if named else folder
    whole, nothing = read(pattern)
    assert "b" in whole
    assert not nothing
    with locked(folder / "in" / "b"):
        texts, refused = read(pattern)
    assert texts == whole - {"b"}
    assert refused == {
        f"{folder}/in/b": "cannot be read: the folder cannot be listed (Permission denied)"
    }


def test_a_folder_that_can_be_listed_but_not_entered(folder: Path) -> None:
    with locked(folder / "in" / "b", 0o444):
        texts, refused = read(folder)
    assert texts == {"a", "c"}
    assert refused == {
        f"{folder}/in/b/b.txt": "cannot be read: it was listed, but is not to be found "
        "(Permission denied)"
    }


def test_a_named_folder_and_a_named_file(folder: Path) -> None:
    with locked(folder / "in"):
        texts, refused = read(folder / "a.txt", folder / "in")
        with pytest.raises(UsageError, match=r"c\.txt cannot be read: Permission denied"):
            read(folder / "in" / "c.txt")
    assert texts == {"a"}
    assert list(refused) == [str(folder / "in")]
    with locked(folder / "a.txt"):
        assert read(folder) == (
            {"b", "c"},
            {f"{folder}/a.txt": "cannot be read: Permission denied"},
        )


def test_a_link_to_nothing_is_refused_if_its_kind_is_known(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b.txt").symlink_to(tmp_path / "gone.txt")
    (tmp_path / "c.odt").symlink_to(tmp_path / "gone.odt")
    texts, refused = read(tmp_path)
    assert texts == {"a"}
    assert list(refused) == [f"{tmp_path}/b.txt"]


@pytest.mark.parametrize("name", ["a" * 5000, "a\0b", "a/" * 3000])
def test_a_name_that_no_file_can_have(name: str) -> None:
    with pytest.raises(UsageError, match="There is no file"):
        read(name)


class Flaky(MemoryFileSystem):  # type: ignore[misc]  # it has no types
    """A file system that fails to list folders named `bad`."""

    protocol = "flaky"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    find = AbstractFileSystem.find

    @classmethod
    def _strip_protocol(cls, path: str) -> Any:
        return super()._strip_protocol(path.replace("flaky://", "memory://"))

    def ls(self, path: str, detail: bool = True, **options: Any) -> Any:
        if path.rstrip("/").endswith("bad"):
            raise RuntimeError("slow down: flaky://key:secret@x/bad?sig=abc")
        return super().ls(path, detail=detail, **options)


@pytest.fixture
def flaky(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setitem(remote.EXTRAS, "flaky", "none")
    fsspec.register_implementation("flaky", Flaky, clobber=True)
    fs = fsspec.filesystem("flaky")
    for path, content in {"/x/a.txt": b"a", "/x/bad/b.txt": b"b", "/x/good/c.txt": b"c"}.items():
        fs.pipe(path, content)
    yield fs
    fs.store.clear()


@pytest.mark.usefixtures("flaky")
@pytest.mark.parametrize("url", ["flaky://x/", "flaky://x/**/*.txt", "flaky://x"])
def test_a_remote_listing_that_fails_half_way(url: str) -> None:
    texts, refused = read(url)
    assert texts >= {"c"}
    ((name, reason),) = refused.items()
    assert name == "flaky://x/bad"
    assert reason == (
        "cannot be read: the folder cannot be listed (slow down: flaky://x/bad)"
    )  # without what is secret in it


@pytest.mark.usefixtures("flaky")
def test_a_remote_listing_that_fails_at_once() -> None:
    with pytest.raises(UnavailableError, match="cannot be reached: slow down"):
        read("flaky://x/bad/")


def zipped(path: Path, members: list[tuple[str, str]]) -> bytearray:
    with zipfile.ZipFile(path, "w") as archive, pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)  # of a name that is there already
        for name, content in members:
            archive.writestr(name, content)
    return bytearray(path.read_bytes())


def patched(raw: bytearray, mark: bytes, at: int, value: bytes) -> None:
    start = raw.index(mark) + at
    raw[start : start + len(value)] = value


def damaged(folder: Path) -> None:
    """Archives and others that are broken, each in its own way."""
    two = [("a.txt", "one"), ("b.txt", "two")]
    for name, at, value in (("version", 6, struct.pack("<H", 99)), ("name", 8, b"\0\x08")):
        raw = zipped(folder / f"{name}.zip", two)
        patched(raw, b"PK\1\2", at, value)
        if name == "name":
            patched(raw, b"PK\1\2", 46, b"\xff")
        (folder / f"{name}.zip").write_bytes(raw)
    raw = zipped(folder / "locked.zip", two)
    patched(raw, b"PK\1\2", 8, b"\1")
    (folder / "locked.zip").write_bytes(raw)
    raw = zipped(folder / "method.zip", two)
    patched(raw, b"PK\1\2", 10, b"\x63")
    (folder / "method.zip").write_bytes(raw)
    (folder / "cut.zip").write_bytes(zipped(folder / "cut.zip", two)[:-30])
    (folder / "page.html").write_bytes(b'<meta charset="undefined">\xe9')


def test_a_damaged_archive_costs_itself_or_its_member(tmp_path: Path) -> None:
    damaged(tmp_path)
    (tmp_path / "good.txt").write_text("good")
    texts, refused = read(tmp_path)
    assert texts == {"good", "one", "two"}
    assert {name.rsplit("/", 1)[1] for name in refused} == {
        r"name.zip!\xff.txt", "locked.zip!a.txt", "method.zip!a.txt", "cut.zip", "page.html",
    }  # fmt: skip  # a list


def test_members_of_one_name_are_all_read(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    names = ("a.txt", "a.txt", "a.txt (2)", "a.txt", "__MACOSX/._a.txt", "in/._b.txt", "c.txt/")
    zipped(path, [(name, f"text {n}") for n, name in enumerate(names)])
    sources = find_sources([path])
    assert [source.name.split("!")[1] for source in sources] == [
        "a.txt", "a.txt (2)", "a.txt (3)", "in/._b.txt",
    ]  # fmt: skip  # a list
    texts = [row.text for s in sources for row in s.read() if isinstance(row, NewDocument)]
    assert texts == ["text 0", "text 1", "text 3", "text 5"]
    again = [row.text for s in sources for row in s.read() if isinstance(row, NewDocument)]
    assert again == texts


def test_a_value_that_python_has_not_costs_its_row(tmp_path: Path) -> None:
    times = pa.array([0, 253402300800000000, 1], pa.timestamp("us"))
    pq.write_table(pa.table({"text": ["a", "b", "c"], "at": times}), tmp_path / "a.parquet")
    (source,) = find_sources([tmp_path / "a.parquet"])
    first, error, last = source.read()
    assert isinstance(first, NewDocument)
    assert first.metadata == {"at": datetime(1970, 1, 1).isoformat()}
    assert isinstance(error, NewInputError)
    assert (error.line, error.reason.split(":")[0]) == (2, "has a value that JSON has not ('at'")
    assert isinstance(last, NewDocument)
    assert (last.text, last.line) == ("c", 3)
    assert [list(source.read(n)) for n in range(4)] == [[first, error, last][n:] for n in range(4)]
