"""The editor of reviews in a real browser, by keyboard alone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import Engine
from support.review_job import TEXTS
from support.review_page import edit, go_to, number, press, said, saved, selected

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_a_document_is_reviewed_by_keyboard_alone(page: Page, address: str, engine: Engine) -> None:
    page.goto(address)
    page.wait_for_selector(".queue")
    edit(page, address, "plain")
    expect(page.locator("#text")).to_be_focused()

    press(page, "Enter", "1")  # what the model called a place is an organisation
    assert said(page) == "Changed from PLACE to ORGANISATION"
    go_to(page, "Leeds")
    press(page, "2")
    go_to(page, "Ada Novak")
    press(page, "3")
    go_to(page, "opened")
    press(page, "4")
    assert "Now its arguments" in said(page)
    for words, role in (("a plant", "1"), ("Leeds", "2"), ("on Monday", "3")):
        go_to(page, words)
        press(page, role)
    press(page, "Escape")
    go_to(page, "Orbis")
    press(page, "r")
    go_to(page, "Leeds")
    press(page, "r", "1")
    assert said(page) == "Added located_in from Orbis to Leeds"

    body = saved(page, engine, "plain")
    assert [(e["type"], e["text"]) for e in body["entities"]] == [
        ("ORGANISATION", "Orbis"), ("PLACE", "Leeds"), ("PERSON", "Ada Novak")
    ]  # fmt: skip  # one line
    (relation,) = body["relations"]
    assert relation == {
        "type": "located_in",
        "head": {"text": "Orbis", "start": 0, "end": 5},
        "tail": {"text": "Leeds", "start": 24, "end": 29},
    }
    (event,) = body["events"]
    assert (event["type"], event["trigger"]["text"]) == ("Opening", "opened")
    assert [(a["role"], a["text"]) for a in event["arguments"]] == [
        ("What", "a plant"), ("Where", "Leeds"), ("When", "on Monday")
    ]  # fmt: skip  # one line
    # and the editor is at the next document, ready
    page.wait_for_selector("#editor[data-ready]")
    assert f"/documents/{number('plain')}" not in page.url


def test_records_are_changed_extended_and_deleted(page: Page, address: str, engine: Engine) -> None:
    edit(page, address, "plain")
    go_to(page, "Monday")
    press(page, "1")
    go_to(page, "on Monday")
    press(page, "x")
    assert said(page) == "ORGANISATION: from Monday to on Monday"
    press(page, "/")
    page.keyboard.type("pers")
    press(page, "Enter")
    assert said(page) == "Changed from ORGANISATION to PERSON"
    press(page, "Control+z", "Control+z", "Control+z")
    assert said(page) == "Undone: Added ORGANISATION Monday"
    press(page, "Control+z")
    assert said(page) == "Nothing to undo"
    press(page, "Control+Shift+z", "Control+y")
    assert said(page) == "Done again: ORGANISATION: from Monday to on Monday"
    # the list: from the second record to the first, which is deleted
    page.locator("button.record").last.focus()
    press(page, "ArrowUp")
    expect(page.locator("button.record").first).to_be_focused()
    press(page, "Delete")
    assert said(page) == "Deleted PLACE Orbis"
    expect(page.locator("button.record")).to_be_focused()
    body = saved(page, engine, "plain")
    assert [(e["type"], e["text"]) for e in body["entities"]] == [("ORGANISATION", "on Monday")]


def test_spans_overlap_nest_and_have_a_second_type(
    page: Page, address: str, engine: Engine
) -> None:
    edit(page, address, "lines")
    go_to(page, "Bank of North Leeds")
    press(page, "1")
    go_to(page, "Leeds")
    press(page, "2")
    press(page, "+", "3")
    go_to(page, "ends")
    press(page, "Shift+ArrowRight", "1")  # over the end of a line
    assert page.locator("#text mark mark").count() > 0
    # Enter goes through all that are here
    go_to(page, "Leeds")
    heard = []
    for _ in range(3):
        press(page, "Enter")
        heard.append(said(page))
    assert heard == ["PLACE Leeds", "PERSON Leeds", "ORGANISATION Bank of North Leeds"]
    body = saved(page, engine, "lines")
    assert [(e["type"], e["text"]) for e in body["entities"]] == [
        ("ORGANISATION", "Bank of North Leeds"), ("PLACE", "Leeds"), ("PERSON", "Leeds"),
        ("ORGANISATION", "ends\nhere"),
    ]  # fmt: skip  # one line


def test_offsets_are_characters_also_behind_emoji(page: Page, address: str, engine: Engine) -> None:
    edit(page, address, "emoji")
    assert selected(page) == "🏭🏭" or selected(page) == "🏭"
    for words, key in (("Zoë\u0301", "3"), ("Łódź", "2"), ("👩‍🔬", "3")):
        go_to(page, words)
        press(page, key)
    press(page, "Control+Home", "Alt+ArrowRight", "1")  # the second factory alone
    body = saved(page, engine, "emoji")
    text = TEXTS["emoji"]
    assert [e["text"] for e in body["entities"]] == ["Zoë\u0301", "Łódź", "👩‍🔬", "🏭"]
    for entity in body["entities"]:
        assert text[entity["start"] : entity["end"]] == entity["text"]
    assert body["entities"][3]["start"] == 1


def test_right_to_left_text_is_walked_the_way_it_is_read(
    page: Page, address: str, engine: Engine
) -> None:
    edit(page, address, "arabic")
    words = TEXTS["arabic"].rstrip(".").split(" ")
    assert selected(page) == words[0]
    press(page, "ArrowLeft", "ArrowLeft")
    assert selected(page) == words[2]
    press(page, "1", "ArrowRight", "Shift+ArrowLeft", "2")
    body = saved(page, engine, "arabic")
    assert [e["text"] for e in body["entities"]] == [words[2], f"{words[1]} {words[2]}"]


def test_a_hostile_document_is_shown_harmless(page: Page, address: str, engine: Engine) -> None:
    edit(page, address, "hostile")
    assert page.title() != "hit"
    assert page.locator("#text img, #text script, #text b").count() == 0
    shown = page.locator("#text").text_content() or ""
    assert not set(shown) & set("\u202e\u202c\x07\u2028")
    assert page.locator("#text .control").count() == 4
    go_to(page, "Orbis")
    press(page, "Enter", "1")
    body = saved(page, engine, "hostile")
    (entity,) = body["entities"]
    assert TEXTS["hostile"][entity["start"] : entity["end"]] == "Orbis"


def test_from_document_to_document_and_to_the_keys(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_selector(".queue")
    queue = [str(link.get_attribute("href")) for link in page.locator(".queue a").all()]
    page.goto(f"{address}/start")
    for key, at in (("n", 1), ("n", 2), ("p", 1)):
        page.wait_for_selector("#editor[data-ready]")
        with page.expect_navigation():
            press(page, key)
        assert page.url.endswith(queue[at])
    page.wait_for_selector("#editor[data-ready]")
    press(page, "?")
    expect(page.locator("#keys")).to_be_visible()
    press(page, "1")  # no key of the editor while the dialog is open
    press(page, "Escape")
    expect(page.locator("#keys")).to_be_hidden()
    expect(page.locator("#text")).to_be_focused()


def test_a_screen_reader_finds_names_roles_and_states(page: Page, address: str) -> None:
    edit(page, address, "plain")
    region = page.get_by_role("application", name="Text of the document")
    expect(region).to_have_accessible_description(
        "Arrows move by word, Shift extends, a type's key marks; ? shows all keys."
    )
    record = page.get_by_role("region", name="Records").get_by_role(
        "button", name=re.compile("PLACE.*Orbis")
    )
    record.focus()
    expect(record).to_have_attribute("aria-current", "true")
    expect(page.get_by_role("checkbox", name="Relations are reviewed")).to_be_checked()
    expect(page.get_by_role("button", name="ORGANISATION 1")).to_have_attribute(
        "aria-keyshortcuts", "1"
    )
    # Tab reaches the text, then the list, in which one stop is enough
    region.focus()
    press(page, "Tab")
    heard = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert heard == "Entities are reviewed"
    press(page, "Tab")
    expect(record).to_be_focused()
    press(page, "Tab")
    heard = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert heard == "Relations are reviewed"


def test_what_was_not_reviewed_is_not_claimed(page: Page, address: str, engine: Engine) -> None:
    edit(page, address, "plain")
    page.get_by_role("checkbox", name="Relations are reviewed").focus()
    press(page, " ")
    page.get_by_role("checkbox", name="Events are reviewed").focus()
    press(page, " ")
    assert set(saved(page, engine, "plain")) == {"id", "text", "entities"}
