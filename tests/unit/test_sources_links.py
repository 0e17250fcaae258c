"""Symbolic links in a folder: what leads out is refused by name, what stays within is read once."""

from __future__ import annotations

from pathlib import Path

import pytest

from ruie.db.jobs import NewInputError
from ruie.db.queue import NewDocument
from ruie.worker.ingest.sources import find_sources, read_sources
from ruie.worker.ingest.sources.file_entry import Access
from ruie.worker.ingest.sources.links import base_of

ALLOWED = Access(outside_links=True)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A folder with links of every kind, and a secret beside it."""
    secret, corpus = tmp_path / "secret", tmp_path / "corpus"
    (secret / "deep").mkdir(parents=True)
    (secret / "key.txt").write_text("the key")
    (secret / "deep" / "more.txt").write_text("more keys")
    (corpus / "real").mkdir(parents=True)
    (corpus / "a.txt").write_text("first")
    (corpus / "real" / "b.txt").write_text("second")
    (corpus / "real" / "data.bin").write_text("third")
    (corpus / "out.txt").symlink_to("../secret/key.txt")
    (corpus / "absolute.txt").symlink_to(secret / "key.txt")
    (corpus / "outside").symlink_to("../secret")
    (corpus / "chain.txt").symlink_to("real/hop.txt")
    (corpus / "real" / "hop.txt").symlink_to("../../secret/key.txt")
    (corpus / "again.txt").symlink_to("real/b.txt")
    (corpus / "same").symlink_to("real")
    (corpus / "back").symlink_to("..")
    (corpus / "loop.txt").symlink_to("loop.txt")
    (corpus / "other-name.txt").symlink_to("real/data.bin")
    (corpus / "third-name.txt").symlink_to("other-name.txt")
    (corpus / "gone.txt").symlink_to("nowhere.txt")
    (corpus / "picture.png").symlink_to(secret / "key.txt")
    return corpus


def read(named: list[str | Path], access: Access = Access()) -> tuple[dict[str, str], list[str]]:  # noqa: B008  # frozen
    """The texts by source, and the sources that were refused for a link."""
    rows = list(read_sources(find_sources(named, access=access)))
    texts = {str(row.source): row.text for row in rows if isinstance(row, NewDocument)}
    refused = [row for row in rows if isinstance(row, NewInputError) and "leads out" in row.reason]
    assert all(row.line is None and "RUIE_OUTSIDE_LINKS" in row.reason for row in refused)
    return texts, sorted(str(row.source) for row in refused)


def names(folder: Path, *names: str) -> list[str]:
    return sorted(f"{folder}/{name}" for name in names)


OUT = ("out.txt", "absolute.txt", "chain.txt", "real/hop.txt")


def test_a_folder(corpus: Path) -> None:
    texts, refused = read([corpus])
    assert texts == {
        f"{corpus}/a.txt": "first",
        f"{corpus}/real/b.txt": "second",
        f"{corpus}/other-name.txt": "third",
    }
    assert refused == names(corpus, *OUT, "outside", "back")


@pytest.mark.parametrize("pattern", ["**/*", "**/*.txt", "*/../**/*.txt"])
def test_a_pattern(corpus: Path, pattern: str) -> None:
    texts, refused = read([f"{corpus}/{pattern}"])
    assert sorted(texts.values()) == ["first", "second", "third"]
    assert set(names(corpus, "out.txt", "absolute.txt")) <= set(refused) or ".." in pattern
    assert not any("key" in text for text in texts.values())


def test_a_pattern_in_a_linked_folder_that_is_named(corpus: Path) -> None:
    """Who names a link means what it leads to."""
    assert list(read([f"{corpus}/outside/*.txt"])[0].values()) == ["the key"]
    assert sorted(read([corpus / "outside"])[0].values()) == ["more keys", "the key"]
    assert list(read([corpus / "out.txt"])[0].values()) == ["the key"]


def test_a_relative_pattern(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(corpus)
    for pattern in ("*.txt", "./*.txt", "../corpus/*.txt"):
        texts, refused = read([pattern])
        assert sorted(texts.values()) == ["first", "second", "third"], pattern
        assert len(refused) == 3, pattern
    texts, refused = read(["."])
    assert sorted(texts.values()) == ["first", "second", "third"]
    assert len(refused) == len(OUT) + 2


def test_where_it_is_allowed(corpus: Path) -> None:
    (corpus / "back").unlink()
    texts, refused = read([corpus], ALLOWED)
    assert refused == []
    assert sorted(texts.values()) == ["first", "more keys", "second", "the key", "third"]


def test_a_link_up_ends_where_it_is_allowed(corpus: Path) -> None:
    texts, refused = read([corpus], ALLOWED)
    assert refused == []
    assert {"first", "second", "third", "the key", "more keys"} == set(texts.values())
    assert len(texts) < 20


def test_the_folder_itself_may_be_a_link(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("corpus")
    texts, refused = read([tmp_path / "link"])
    assert sorted(texts.values()) == ["first", "second", "third"]
    assert len(refused) == len(OUT) + 2


def test_what_a_pattern_is_about() -> None:
    for pattern, base in (("a/b/*.txt", "a/b"), ("*.txt", "."), ("/*", "/"), ("/a/**/b/*", "/a"),
                          ("a?/b", "."), ("x/[ab]/c", "x")):  # fmt: skip  # a table
        assert base_of(pattern) == base
