"""Files that are one document: their text, their title, what front matter says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from db.queue import NewDocument
from worker.sources import Mapping, find_sources
from worker.sources.mapping import DEFAULT

PAGE = "<html><head><title>Oil &amp;\n gas</title><style>p{}</style></head><body><p>Crude fell."
DRAWING = "<p>Crude fell.<svg><title>A chart</title></svg>"
NOTE = """---
title: "Oil: a note"
date: 2026-03-02
draft: false
n: 3
tags: [oil, gas]
text: another
---
# Crude

Crude *fell*.
"""


def document(path: Path, content: str, mapping: Mapping = DEFAULT) -> NewDocument:
    path.write_text(content, encoding="utf-8")
    (source,) = find_sources([path], mapping)
    (row,) = source.read()
    assert isinstance(row, NewDocument)
    return row


def test_a_page_has_its_title_as_metadata(tmp_path: Path) -> None:
    row = document(tmp_path / "a.html", PAGE)
    assert (row.text, row.metadata) == ("Crude fell.", {"title": "Oil & gas"})
    assert document(tmp_path / "b.html", "<p>Crude fell.").metadata is None
    assert document(tmp_path / "c.html", DRAWING).metadata is None


def test_front_matter_is_metadata_and_no_text(tmp_path: Path) -> None:
    row = document(tmp_path / "a.md", NOTE)
    assert row.text == "Crude\n\nCrude fell."
    assert row.metadata == {
        "title": "Oil: a note", "date": "2026-03-02", "draft": False, "n": 3
    }  # fmt: skip  # a line
    assert row.external_id == str(tmp_path / "a.md")


def test_metadata_that_is_named_is_kept_alone(tmp_path: Path) -> None:
    row = document(tmp_path / "a.md", NOTE, Mapping(metadata=("n", "author")))
    assert row.metadata == {"n": 3}
    assert document(tmp_path / "a.html", PAGE, Mapping(metadata=())).metadata is None


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("---\n\nCrude fell.\n\n---\n\nGas rose.\n", "Crude fell.\n\nGas rose."),
        ("---\ntitle: [oil\n---\nCrude fell.\n", "title: [oil\n\nCrude fell."),
        ("Crude fell.\n\n---\ntitle: x\n---\n", "Crude fell.\n\ntitle: x"),
    ],
)
def test_what_is_no_front_matter_is_text(tmp_path: Path, content: str, text: str) -> None:
    row = document(tmp_path / "a.md", content)
    assert (row.text, row.metadata) == (text, None)


def test_a_file_over_the_limit_is_refused_with_its_size(tmp_path: Path) -> None:
    import gzip

    content = b"a" * 70_000
    (tmp_path / "a.txt").write_bytes(content)
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(content))
    for source in find_sources([tmp_path], max_chars=50):
        row: Any = next(iter(source.read()))
        assert row.reason == (
            "has 70000 bytes, too many for 50 characters (RUIE_MAX_DOCUMENT_CHARS)"
        )
