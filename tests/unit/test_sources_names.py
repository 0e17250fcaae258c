"""Names of files and members that are not UTF-8, or look like others: no text is lost by them."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from ruie.db.queue import NewDocument
from ruie.worker.ingest.documents import DocumentOrError
from ruie.worker.ingest.sources import find_sources


def documents(path: Path) -> dict[str, str]:
    """The texts by the names of their sources."""
    found: list[tuple[str, DocumentOrError]] = [
        (source.name.removeprefix(f"{path}"), row)
        for source in find_sources([path])
        for row in source.read()
    ]
    return {name: row.text for name, row in found if isinstance(row, NewDocument)}


def archive(path: Path, **replaced: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as members:
        for name in ("first.txt", "caf\u00e9.txt", "last.txt"):
            members.writestr(name, f"The text of {name[0]}")
    raw = path.read_bytes().replace("f\u00e9".encode(), replaced.get("name", b"f\xc3\xa9"))
    path.write_bytes(raw)
    return path


def test_a_member_whose_name_is_not_utf8_is_read(tmp_path: Path) -> None:
    found = documents(archive(tmp_path / "a.zip", name=b"f\xff\xfe"))
    assert found == {
        "!first.txt": "The text of f",
        r"!caf\xff\xfe.txt": "The text of c",
        "!last.txt": "The text of l",
    }


def test_a_member_that_needs_an_unknown_version_does_not_cost_the_others(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip")
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"PK\x01\x02") + 6] = 200
    path.write_bytes(raw)
    assert list(documents(path)) == ["!first.txt", "!caf\u00e9.txt", "!last.txt"]


def test_two_files_never_have_one_name(tmp_path: Path) -> None:
    names = [b"\xff.txt", rb"\xff.txt", rb"\x5cxff.txt", rb"\x41.txt"]
    for name in names:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"text " + name[1:3])
    assert sorted(documents(tmp_path)) == sorted(
        ["/" + name for name in (r"\xff.txt", r"\x5cxff.txt", r"\x5cx5cxff.txt", r"\x41.txt")]
    )
