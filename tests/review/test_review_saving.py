"""Two people at one document, drafts, long texts, and how the pages are for all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlalchemy import Engine
from support.pages_server import serving
from support.review_job import reviewed_job
from support.review_page import edit, go_to, press, said, saved, selected, stored

from ruie.settings import Settings

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def other(browser: Browser) -> Iterator[Page]:
    """Somebody else's browser."""
    context = browser.new_context()
    yield context.new_page()
    context.close()


def words(body: dict[str, Any]) -> list[tuple[str, str]]:
    return [(e["type"], e["text"]) for e in body["entities"]]


def both_save(page: Page, other: Page, address: str, engine: Engine) -> None:
    """Ada saves Leeds while this page has marked Monday, and then tries to save."""
    for each in (page, other):
        edit(each, address, "plain")
    other.fill("#reviewer", "Ada")
    other.keyboard.press("Escape")
    go_to(other, "Leeds")
    press(other, "2")
    saved(other, engine, "plain")
    go_to(page, "Monday")
    press(page, "3", "s")
    expect(page.locator("#conflict")).to_be_visible()
    assert "Ada saved a review of this document" in (page.text_content("#conflict .who") or "")
    assert "PLACE Leeds" in (page.text_content("#conflict .differing") or "")


def test_two_people_do_not_overwrite_each_other(
    page: Page, other: Page, address: str, engine: Engine
) -> None:
    both_save(page, other, address, engine)
    assert words(stored(engine, "plain")) == [("PLACE", "Orbis"), ("PLACE", "Leeds")]
    press(page, "Enter")  # the first button: add theirs to mine
    body = saved(page, engine, "plain")
    assert words(body) == [("PLACE", "Orbis"), ("PERSON", "Monday"), ("PLACE", "Leeds")]


def test_theirs_can_be_loaded_and_mine_brought_back(
    page: Page, other: Page, address: str, engine: Engine
) -> None:
    both_save(page, other, address, engine)
    press(page, "Tab", "Enter")  # load theirs
    assert page.locator("button.record q").all_text_contents() == ["Orbis", "Leeds"]
    press(page, "Control+z")
    assert page.locator("button.record q").all_text_contents() == ["Orbis", "Monday"]
    body = saved(page, engine, "plain")
    assert words(body) == [("PLACE", "Orbis"), ("PERSON", "Monday")]


def test_mine_can_take_the_place_of_theirs_knowingly(
    page: Page, other: Page, address: str, engine: Engine
) -> None:
    both_save(page, other, address, engine)
    press(page, "Tab", "Tab")
    with page.expect_navigation():
        press(page, "Enter")
    assert words(stored(engine, "plain")) == [("PLACE", "Orbis"), ("PERSON", "Monday")]


def test_what_two_people_agree_on_is_no_conflict(
    page: Page, other: Page, address: str, engine: Engine
) -> None:
    for each in (page, other):
        edit(each, address, "plain")
        go_to(each, "Leeds")
        press(each, "2")
    saved(other, engine, "plain")
    assert words(saved(page, engine, "plain")) == [("PLACE", "Orbis"), ("PLACE", "Leeds")]


def test_a_draft_survives_a_reload_until_it_is_saved(
    page: Page, address: str, engine: Engine
) -> None:
    edit(page, address, "plain")
    go_to(page, "Leeds")
    press(page, "2")
    expect(page.locator("#unsaved")).to_be_visible()
    edit(page, address, "emoji")  # another document has no part in it
    assert page.locator("button.record").count() == 0
    edit(page, address, "plain")
    assert said(page) == "Your draft is back; undo gives what is saved"
    assert page.locator("button.record q").all_text_contents() == ["Orbis", "Leeds"]
    kept = str(page.evaluate("JSON.stringify(localStorage)"))
    assert "Leeds" not in kept, "the browser keeps none of the text"
    saved(page, engine, "plain")
    edit(page, address, "plain")
    assert "draft" not in said(page)
    expect(page.locator("#unsaved")).to_be_hidden()


def test_a_draft_that_was_overtaken_meets_the_other_review(
    page: Page, other: Page, address: str, engine: Engine
) -> None:
    edit(page, address, "plain")
    go_to(page, "Monday")
    press(page, "3")
    edit(other, address, "plain")
    go_to(other, "Leeds")
    press(other, "2")
    saved(other, engine, "plain")
    edit(page, address, "plain")
    press(page, "s")
    expect(page.locator("#conflict")).to_be_visible()


def test_a_server_that_is_away_loses_nothing(
    page: Page, context: BrowserContext, address: str, engine: Engine
) -> None:
    edit(page, address, "plain")
    go_to(page, "Leeds")
    press(page, "2")
    context.set_offline(True)
    press(page, "s")
    expect(page.locator("#problem")).to_contain_text("What you did is kept here")
    context.set_offline(False)
    assert words(saved(page, engine, "plain")) == [("PLACE", "Orbis"), ("PLACE", "Leeds")]


def test_it_works_behind_a_login_and_a_prefix(
    page: Page, config: Settings, job: str, engine: Engine
) -> None:
    token = "a-token-of-the-tests"
    with serving(config, token=token, prefix="/ruie") as base:
        assert base.endswith("/ruie")
        page.goto(f"{base}/login")
        page.fill("#token", token)
        with page.expect_navigation():
            press(page, "Enter")
        address = f"{base}/review/{job}"
        edit(page, address, "plain")
        go_to(page, "Leeds")
        press(page, "2")
        assert words(saved(page, engine, "plain")) == [("PLACE", "Orbis"), ("PLACE", "Leeds")]
        assert "/ruie/review/" in page.url
        # the login ends while a review is open: nothing is lost, and a new login saves it
        edit(page, address, "emoji")
        press(page, "2")
        page.context.clear_cookies()
        press(page, "s")
        expect(page.locator("#problem")).to_contain_text("Your login has ended")


def test_a_mouse_does_the_same(page: Page, address: str, engine: Engine) -> None:
    edit(page, address, "plain")
    text = page.locator("#text")

    def click(words: str) -> None:
        x, y = page.evaluate(WHERE, words)
        page.mouse.click(x, y)

    click("Leeds")
    page.get_by_role("button", name="PLACE 2").click()
    page.locator("#relation").click()  # from the record that is active
    assert "Choose its tail" in said(page)
    click("Orbis")
    page.get_by_role("button", name="owned_by 2").click()
    assert said(page) == "Added owned_by from Leeds to Orbis"
    page.locator("#leave").click()
    page.locator("#relation").click()
    click("Ada")
    click("Orbis")
    page.get_by_role("button", name="owned_by 2").click()
    text.locator("mark.entity", has_text="Leeds").click()
    page.locator("#delete").click()
    body = saved(page, engine, "plain")
    assert words(body) == [("PLACE", "Orbis")]
    assert [(r["head"]["text"], r["tail"]["text"]) for r in body["relations"]] == [
        ("Leeds", "Orbis"),
        ("Ada", "Orbis"),
    ]


WHERE = """(words) => {
  const walker = document.createTreeWalker(document.querySelector('#text'), NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const at = node.data.indexOf(words);
    if (at < 0) continue;
    const range = document.createRange();
    range.setStart(node, at);
    range.setEnd(node, at + words.length);
    const box = range.getBoundingClientRect();
    return [box.left + box.width / 2, box.top + box.height / 2];
  }
}"""


def test_a_text_of_100_000_characters_is_usable(page: Page, address: str, engine: Engine) -> None:
    line = "The plant of Orbis in Leeds was opened by Ada Novak and closed on Monday. "
    text = (line * 12 + "\n") * 60 + line * 600  # many lines, and a very long one
    assert len(text) > 97_000
    job = reviewed_job(engine, {"long": text})
    page.goto(f"{address.rpartition('/')[0]}/{job}/documents/6")
    page.wait_for_selector("#editor[data-ready]")
    press(page, "Control+End", "ArrowLeft")
    assert selected(page) == "Monday"
    seen = page.evaluate(
        "() => { const r = getSelection().getRangeAt(0).getBoundingClientRect();"
        " return r.top >= 0 && r.bottom <= innerHeight && r.height > 0; }"
    )
    assert seen
    press(page, "1", "Control+Home", "ArrowDown", "ArrowDown", "Shift+ArrowDown", "2", "s")
    page.wait_for_url(lambda url: "/documents/" not in url)
    with engine.connect() as conn:
        (body,) = conn.exec_driver_sql("SELECT body FROM reviews").one()
    assert "ORGANISATION" in body


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 400)])
def test_axe_finds_nothing_serious(
    browser: Browser, address: str, scheme: Literal["light", "dark"], width: int
) -> None:
    context = browser.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 800}, reduced_motion="reduce"
    )
    page = context.new_page()
    found: list[Any] = []

    def look() -> None:
        violations = Axe().run(page).response["violations"]
        found.extend(v for v in violations if v["impact"] in ("serious", "critical"))
        assert page.evaluate("document.documentElement.scrollWidth") <= width

    page.goto(address.rpartition("/")[0])
    look()
    page.goto(address)
    page.wait_for_selector(".queue")
    page.wait_for_selector("text=save the first review")
    look()
    edit(page, address, "plain")
    go_to(page, "opened")
    press(page, "4")
    go_to(page, "Leeds")
    press(page, "2", "Escape", "r")
    look()
    press(page, "?")
    look()
    context.close()
    assert [(v["id"], [node["html"] for node in v["nodes"]]) for v in found] == []
