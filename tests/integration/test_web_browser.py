"""The pages in a real browser: every page opens, asks nobody else, and can be used by everybody."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from support import news
from support.pages_server import serving

from ruie.db import migrate
from ruie.db.engine import open_engine
from ruie.settings import load
from ruie.worker.client import Client
from ruie.worker.schedules import Schedules

sync_api = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

LONG = "a-very-long-name-without-any-space-" * 6


@dataclass
class Site:
    """url: of the pages. paths: one of each kind."""

    url: str
    paths: dict[str, str]
    job: str
    client: Client


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("pages")
    url = f"sqlite:///{folder / 'ruie.db'}"
    engine = open_engine(url)
    migrate.upgrade(engine)
    job = news.build(engine, folder)
    engine.dispose()
    config = load(database_url=url)
    with serving(config) as address, Client(config) as client:
        client.change_job(client.jobs()[0].id, name=LONG)
        schema = folder / "oil.yaml"
        schema.write_text("name: oil\nentities: [COUNTRY]\n", encoding="utf-8")
        Schedules(client).add(LONG, "0 2 * * *", "UTC", [folder / "x.jsonl"], schema)
        item = client.quarantined(job)[0].id
        paths = {
            "jobs": "/jobs",
            "job": f"/jobs/{job}",
            "given up": f"/jobs/{job}/quarantine",
            "item": f"/jobs/{job}/quarantine/{item}",
            "documents": "/documents",
            "document": f"/documents/4?job={job}",
            "call": "/documents/calls/1",
            "fleet": "/fleet",
            "schedule": f"/fleet/schedules/{LONG}",
            "SQL": "/sql?question=4",
            "no page": "/nothing",
        }
        yield Site(address, paths, job, client)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@dataclass
class Watched:
    """A page of the browser, with what it complained about and whom it asked."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@contextmanager
def opened(
    browser: Any, width: int = 1280, height: int = 800, scheme: Literal["light", "dark"] = "light"
) -> Iterator[Watched]:
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    watched = Watched(context.new_page())
    watched.page.on("console", lambda said: _note(watched, said))
    watched.page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    watched.page.on("request", lambda request: watched.asked.append(request.url))
    yield watched
    context.close()


def _note(watched: Watched, said: Any) -> None:
    if said.type in ("error", "warning") and "404" not in said.text:
        watched.complaints.append(said.text)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_opens_and_everybody_can_use_it(browser: Any, site: Site, scheme: Any) -> None:
    with opened(browser, scheme=scheme) as watched:
        for name, path in site.paths.items():
            watched.page.goto(site.url + path)
            watched.page.wait_for_load_state("load")
            found = axe.Axe().run(watched.page).response["violations"]
            bad = [
                (each["id"], each["nodes"][0]["html"])
                for each in found
                if each["impact"] in ("serious", "critical")
            ]
            assert not bad, name
        assert watched.complaints == []
        assert all(url.startswith((site.url, "data:")) for url in watched.asked)


# 640 pixels are what a window of 1280 has at 200 %
@pytest.mark.parametrize("width", [320, 640])
def test_nothing_is_cut_off(browser: Any, site: Site, width: int) -> None:
    with opened(browser, width=width) as watched:
        for name, path in site.paths.items():
            watched.page.goto(site.url + path)
            room = watched.page.evaluate(
                "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
            )
            assert room[0] <= room[1], (name, room)
        assert watched.complaints == []


BROKEN = """() => [...document.querySelectorAll(".id, .tag, thead th, td.state, .result a")]
  .filter((each) => {
    const range = document.createRange();
    for (const { length, start, node } of words(each)) {
      range.setStart(node, start); range.setEnd(node, start + length);
      if (range.getClientRects().length > 1) return true;
    }
    return false;
    function words(element) {
      const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT), found = [];
      while (walker.nextNode()) {
        for (const { 0: word, index } of walker.currentNode.data.matchAll(/[^\\s-]+/g)) {
          found.push({ node: walker.currentNode, start: index, length: word.length });
        }
      }
      return found;
    }
  }).map((each) => each.textContent)"""


@pytest.mark.parametrize("width", [640, 1280])
def test_no_id_or_state_breaks_inside_a_word(browser: Any, site: Site, width: int) -> None:
    paths = [*site.paths.values(), "/sql?sql=SELECT+*+FROM+extractions", "/review"]
    with opened(browser, width=width) as watched:
        for path in paths:
            watched.page.goto(site.url + path)
            assert watched.page.evaluate(BROKEN) == [], path
        watched.page.goto(site.url + site.paths["job"])
        fits = "document.querySelector('.counts').offsetWidth <= "
        fits += "document.querySelector('.counts').parentElement.clientWidth"
        assert watched.page.evaluate(fits)


def test_the_keyboard_reaches_the_content_and_a_record_lights_up(browser: Any, site: Site) -> None:
    with opened(browser) as watched:
        page = watched.page
        page.goto(site.url + site.paths["document"])
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        relation = page.locator(".records li.relation").first
        relation.focus()
        assert page.locator("mark.lit").all_inner_texts() != []
        assert page.locator(".arcs path.strong").count() == 1
        assert watched.complaints == []


def test_a_job_that_runs_is_looked_at_again(browser: Any, site: Site) -> None:
    retried = site.client.retry(site.job)
    assert retried == 1
    with opened(browser) as watched:
        page = watched.page
        page.goto(site.url + site.paths["job"])
        # what another test looked at just now is kept for a moment; the page looks again by itself
        sync_api.expect(page.locator("#live .tag")).to_have_text("running", timeout=60_000)
        site.client.pause(site.job)
        sync_api.expect(page.locator("#live .tag")).to_have_text("paused", timeout=60_000)
        page.get_by_role("button", name="Resume").click()
        sync_api.expect(page.locator(".told").first).to_have_text("The job runs again.")
        site.client.pause(site.job)
        assert watched.complaints == []


def test_a_query_is_run_by_keys_and_drawn(browser: Any, site: Site) -> None:
    with opened(browser) as watched:
        page = watched.page
        page.goto(f"{site.url}/sql")
        page.get_by_label("One SELECT").fill(
            "SELECT type, COUNT(*) AS mentions FROM entities GROUP BY type"
        )
        page.get_by_label("Chart").select_option("bar")
        page.keyboard.press("Shift+Tab")
        page.get_by_label("One SELECT").press("Control+Enter")
        sync_api.expect(page.locator(".result tbody tr")).to_have_count(3)
        assert page.locator(".chart rect").count() == 3
        assert page.locator(".chart").get_attribute("aria-label").startswith("mentions by type")
        page.goto(site.url + "/jobs")
        page.go_back()
        sync_api.expect(page.locator(".result tbody tr")).to_have_count(3)
        assert watched.complaints == []
