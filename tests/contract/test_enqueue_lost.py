"""What could not be listed or read to its end is refused, and nothing counts as removed by it."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.job_database import JobDatabase
from support.locked import locked, shared_folder

from ruie.schema import Schema
from ruie.settings import load
from ruie.worker.client import Client

SCHEMA = Schema("news", entities={"person": ""})
Damage = Callable[[Path], AbstractContextManager[None]]


@pytest.fixture
def folder() -> Iterator[Path]:
    with shared_folder() as folder:
        (folder / "in" / "deep").mkdir(parents=True)
        (folder / "in" / "deep" / "a.txt").write_text("Anna met Ben.")
        with zipfile.ZipFile(folder / "in" / "b.zip", "w") as archive:
            archive.writestr("b.txt", "Ben met Carl.")
        (folder / "in" / "c.txt").write_text("Carl met Dora.")
        (folder / "in" / "d.txt").write_text("Dora met Emil.")
        yield folder / "in"


@contextmanager
def cut(path: Path) -> Iterator[None]:
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    yield
    path.write_bytes(whole)


@contextmanager
def dangling(path: Path) -> Iterator[None]:
    aside = path.rename(path.with_suffix(".aside"))
    path.symlink_to(path.with_suffix(".gone"))
    yield
    path.unlink()
    aside.rename(path)


DAMAGES: dict[str, tuple[str, Damage]] = {
    "closed": ("deep", locked),
    "not to be entered": ("deep", lambda path: locked(path, 0o444)),
    "an archive that is cut": ("b.zip", cut),
    "a link to nothing": ("c.txt", dangling),
}


@pytest.mark.parametrize(("name", "damage"), DAMAGES.values(), ids=list(DAMAGES))
@pytest.mark.parametrize("pattern", ["", "**/*"])
def test_what_cannot_be_read_removes_nothing(
    url: str, engine: Any, database: JobDatabase, folder: Path, name: str, damage: Damage,
    pattern: str,
) -> None:  # fmt: skip  # a database, a damage
    client = Client(load(database_url=url), engine)
    named = [f"{folder}/{pattern}" if pattern else folder]

    def both() -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        told = client.dry_run(named, SCHEMA, corpus="news")
        done = client.enqueue_files(named, SCHEMA, corpus="news")
        refused = sorted(str(error.source) for error in done.errors)
        assert refused == sorted(str(error.source) for error in told.errors)
        assert all(str(folder / name) in source for source in refused)
        return (
            (told.refused, told.changed, told.removed),
            (done.refused, done.changed, done.removed),
        )

    assert both() == ((0, 0, 0), (0, 0, 0))
    assert len(database.rows("SELECT 1 FROM origins")) == 4
    (folder / "d.txt").unlink()  # truly gone; but it is only known once all can be listed
    opened = Path(str(engine.url.database)) if engine.dialect.name == "sqlite" else None
    if opened:
        for file in opened.parent.glob(f"{opened.name}*"):
            os.chmod(file, 0o666)  # noqa: PTH101  # the reader is another user meanwhile
    with damage(folder / name):
        assert both() == ((1, 0, 0), (1, 0, 0))
        told = client.dry_run(named, SCHEMA, corpus="news")
        assert (told.refused, told.removed) == (1, 0)
    assert both() == ((0, 0, 1), (0, 0, 1))
    removed = database.rows("SELECT external_id FROM origins WHERE state = 'removed'")
    assert removed == [(str(folder / "d.txt"),)]


HARD = [
    r'{"text": "Anna met Ben.", "author": "Bob\u0000", "k\u0000": "\ud83d"}',
    r'{"text": "Ben met Carl.", "score": 1e999, "n": 123456789012345678901234567890}',
    r'{"text": "Carl met Dora.", "id": 2.5, "x": ' + "[" * 198 + "]" * 198 + "}",
    r'{"text": "Dora met Emil.", "id": 1e3, "author": "good"}',
]


def test_all_metadata_that_is_taken_can_be_asked_for(
    url: str, engine: Any, database: JobDatabase, tmp_path: Path
) -> None:
    (tmp_path / "a.jsonl").write_text("\n".join(HARD) + "\n")
    client = Client(load(database_url=url), engine)
    done = client.enqueue_files([tmp_path], SCHEMA)
    assert (done.documents, done.refused) == (4, 0)
    if engine.dialect.name == "sqlite":
        value = "json_extract(metadata, '$.author')"
    else:
        value = "metadata ->> 'author'"
    rows = database.rows(f"SELECT external_id, {value}, metadata FROM origins")
    assert {author for _, author, _ in rows} == {"Bob\ufffd", None, "good"}
    assert {id_ for id_, _, _ in rows} >= {"2.5", "1000"}
    assert "Infinity" not in str(rows)
