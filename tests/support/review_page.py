"""What a person does on the editor's page, key by key, and what comes of it."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page
from sqlalchemy import Engine
from support.review_job import TEXTS

from ruie.db import reviews
from ruie.db.engine import reading


def number(name: str) -> int:
    """The id of a document of `TEXTS`."""
    return list(TEXTS).index(name) + 1


def edit(page: Page, address: str, name: str) -> None:
    """Open a document in the editor."""
    page.goto(f"{address}/documents/{number(name)}")
    page.wait_for_selector("#editor[data-ready]")


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def selected(page: Page) -> str:
    return str(page.evaluate("getSelection().toString()"))


_PLACE = """() => {
  const range = document.createRange();
  range.selectNodeContents(document.querySelector("#text"));
  const { anchorNode, anchorOffset } = getSelection();
  range.setEnd(anchorNode, anchorOffset);
  return range.toString().length;
}"""


def go_to(page: Page, words: str) -> None:
    """Where these words occur first: from the beginning of the text word by word to the first of
    them, then extended to the last."""
    text = page.locator("#text").text_content() or ""
    units = len(text[: text.index(words)].encode("utf-16-le")) // 2
    press(page, "Control+Home")
    while page.evaluate(_PLACE) < units:
        press(page, "ArrowRight")
    while len(selected(page)) < len(words):
        press(page, "Shift+ArrowRight")
    assert selected(page) == words


def said(page: Page) -> str:
    return (page.text_content("#said") or "").strip("\u00a0")


def stored(engine: Engine, name: str) -> dict[str, Any]:
    """What the review in force of a document says."""
    with reading(engine) as conn:
        (review,) = reviews.current_reviews(conn, document=number(name))
    return review.body


def saved(page: Page, engine: Engine, name: str) -> dict[str, Any]:
    """Save by key; what is in force then."""
    saved_here(page)
    return stored(engine, name)


def saved_here(page: Page) -> None:
    """Save by key, and wait for the next page."""
    with page.expect_navigation():
        press(page, "s")
