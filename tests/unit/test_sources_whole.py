"""Files that are one document: their text, their title, what front matter says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruie.db.queue import NewDocument
from ruie.worker.ingest.sources import ColumnMapping, find_sources
from ruie.worker.ingest.sources.html import (
    html_min_chars,
    html_text,
    markdown_min_chars,
    markdown_text,
)
from ruie.worker.ingest.sources.mapping import DEFAULT

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


def document(path: Path, content: str, mapping: ColumnMapping = DEFAULT) -> NewDocument:
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
    row = document(tmp_path / "a.md", NOTE, ColumnMapping(metadata=("n", "author")))
    assert row.metadata == {"n": 3}
    assert document(tmp_path / "a.html", PAGE, ColumnMapping(metadata=())).metadata is None


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


HEAVY = "<head><style>" + "p" * 90 + "</style></head><!-- " + "c" * 90 + " --><p>a&nbsp;b</p>"


@pytest.mark.parametrize(
    ("name", "content", "refused"),
    [
        ("a.html", "<p>" + "<b>a</b> " * 25, False),
        ("a.html", "<p>" + "<b>a</b>" * 51, True),
        ("a.html", HEAVY + "&eacute;" * 40, False),
        ("a.md", "[a](https://example.com/a/long/address) " * 25, False),
        ("a.md", "*abc* " * 20, True),
    ],
)
def test_markup_that_must_give_too_long_a_text_is_not_parsed(
    tmp_path: Path, name: str, content: str, refused: bool
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    (source,) = find_sources([tmp_path / name], max_chars=50)
    (row,) = source.read()
    assert isinstance(row, NewDocument) is not refused
    assert not refused or "has at least " in getattr(row, "reason", "")


HTML = ["<p>", "</p>", "<b>", "</b>", "<br>", '<a href="/x">', "</a>", "a", "bc", " ", "\n",
        "&amp;", "< ", "<!-- c -->", "<svg>d</svg>", "<td>"]  # fmt: skip  # pieces
MARKDOWN = ["a", "bc", " ", "\n", "\n\n", "*", "_", "`", "# ", "- ", "1. ", "[d](/x)", "![d](/x)",
            "> ", "|", "\n---\n", "<b>", "~~~\n", "    ", "\\", "&amp;"]  # fmt: skip  # pieces


@given(
    st.lists(st.sampled_from(HTML), max_size=20), st.lists(st.sampled_from(MARKDOWN), max_size=20)
)
def test_the_text_has_at_least_as_many_characters_as_the_lower_bound(
    page: list[str], note: list[str]
) -> None:
    html, markdown = "".join(page), "".join(note)
    assert html_min_chars(html) <= len(html_text(html)[0])
    assert markdown_min_chars(markdown) <= len(markdown_text(markdown)[0])
