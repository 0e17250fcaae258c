"""The whole way in the browser: types that nothing knows, ten corrections, better records."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import text
from support.copying_model import copy_spans
from support.endpoint import ScriptedEndpoint
from support.fleet import Fleet, Process
from support.own_types import ADS, GOLD
from support.pages_server import serving
from support.review_page import go_to, press, saved_here
from support.waiting import PATIENCE_S, wait_until

from ruie.records import Grounding, Item, Span
from ruie.scoring import Score, score_offsets
from ruie.settings import load
from ruie.worker.client import Client

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

CORRECTIONS = 10
Gold = Mapping[str, list[tuple[str, str]]]
"""Types and words, by the document's id."""


def correct(page: Page, base: str, job: str, gold: Gold) -> set[str]:
    """Correct ten documents of the queue by keyboard; gives their ids."""
    page.goto(f"{base}/review/{job}/start")
    done: set[str] = set()
    for _ in range(CORRECTIONS):
        page.wait_for_selector("#editor[data-ready]")
        name = page.locator("h1").inner_text()
        assert name not in done
        while page.locator("button.record").count():
            press(page, "Control+Home", ".", "Delete")
        keys = {
            button.locator(".type").inner_text(): button.locator("kbd").inner_text()
            for button in page.locator("button.choice").all()
        }
        for kind, words in gold[name]:
            go_to(page, words)
            press(page, keys[kind])
        saved_here(page)
        done.add(name)
    return done


def learn(page: Page, base: str, job: str) -> str:
    """Learn from them with the page's buttons; gives the new job."""
    page.goto(f"{base}/review/{job}")
    page.get_by_role("button", name="Show what it would make and cost").click()
    figures = page.locator("#learn .figures")
    expect(figures).to_contain_text("demonstrations", timeout=1000 * PATIENCE_S)
    names, values = figures.locator("dt"), figures.locator("dd")
    shown = dict(zip(names.all_inner_texts(), values.all_inner_texts(), strict=True))
    assert shown["reviews"] == shown["demonstrations"] == str(CORRECTIONS)
    with page.expect_navigation(timeout=1000 * PATIENCE_S):
        page.get_by_role("button", name="Learn, and ask again").click()
    assert "is in force" in page.locator(".told").inner_text()
    return page.url.partition("/review/")[2].partition("?")[0]


def f1(client: Client, job: str, gold: Gold, texts: Mapping[str, str], without: set[str]) -> Score:
    """Of the documents that nobody reviewed."""
    sql = (
        "SELECT external_id, type, text, char_start, char_end FROM entity_mentions"
        " WHERE job_id = :job"
    )
    with client.engine.connect() as conn:
        rows = conn.execute(text(sql), {"job": job}).all()
    total = Score()
    for name in gold.keys() - without:
        found = [
            Item(row.type, (Span(row.text, row.char_start, row.char_end, Grounding.EXACT),))
            for row in rows
            if row.external_id == name
        ]
        right = [
            Item(kind, (Span(words, at, at + len(words), Grounding.EXACT),))
            for kind, words in gold[name]
            for at in (texts[name].index(words),)
        ]
        total += score_offsets(right, found)
    return total


def write(path: Path, texts: Mapping[str, str]) -> None:
    rows = (json.dumps({"id": name, "text": words}) for name, words in texts.items())
    path.write_text("\n".join(rows), encoding="utf-8")


FORMS = (
    "The kitchen wants a cook who knows {} and works for {} euros .",
    "Our office in town is looking for a clerk with {} at {} dollars .",
)
SKILLS, PAY = (("bread", "soup", "fish"), ("typing", "filing", "Latin")), ("12", "20", "31")


def test_ten_corrections_in_the_browser_are_shown_in_the_next_prompts(
    page: Page, tmp_path: Path, database_url: str
) -> None:
    bundle = Path(load().bundle)  # the one that ruie includes
    texts: dict[str, str] = {}
    gold: dict[str, list[tuple[str, str]]] = {}
    for form, skills in zip(FORMS, SKILLS, strict=True):
        for skill in skills:
            for pay in PAY[: 3 if form is FORMS[0] else 2]:
                name = f"ad{len(texts)}"
                texts[name] = form.format(skill, pay)
                gold[name] = [("SKILL", skill), ("PAY", pay)]
    write(tmp_path / "ads.jsonl", texts)
    (tmp_path / "jobs.yaml").write_text("name: jobs\nentities: [SKILL, PAY]\n")
    with (
        ScriptedEndpoint(copy_spans) as endpoint,
        Fleet(tmp_path, database_url, bundle, endpoint.url, llm_model="scripted") as fleet,
        serving(fleet.settings) as base,
    ):
        fleet.start("coordinator")
        fleet.start("worker")
        job = fleet.ruie("enqueue", "ads.jsonl", "--schema", "jobs.yaml")
        fleet.wait_done(job)
        reviewed = correct(page, base, job, gold)
        calls = endpoint.count
        again = learn(page, base, job)
        fleet.wait_done(again)
        assert endpoint.count > calls
        before, after = (f1(fleet.client, each, gold, texts, reviewed) for each in (job, again))
        with fleet.client.engine.connect() as conn:
            sets = conn.execute(
                text("SELECT DISTINCT CAST(demonstration_sets AS text) FROM extractions"
                     " WHERE job_id = :job AND source = 'model'"), {"job": again},
            ).all()  # fmt: skip  # one query
    assert sets == [("[1]",)], "what was learned lies over the bundle"
    assert (before.f1, before.gold) == (0.0, 10)
    assert after.f1 > 0.9


@pytest.mark.slow  # two minutes of the local model
def test_ten_corrections_in_the_browser_make_a_small_model_better(
    page: Page, tmp_path: Path, database_url: str
) -> None:
    texts = {ad["id"]: ad["text"] for ad in ADS}
    write(tmp_path / "ads.jsonl", texts)
    (tmp_path / "jobs.yaml").write_text("name: jobs\nentities: [OCCUPATION, SKILL, PAY, PLACE]\n")
    own = {
        "RUIE_HOME": str(tmp_path / "home"),
        "RUIE_CONCURRENCY": "1",
        "RUIE_DATABASE_URL": database_url,
    }
    up = Process("up", tmp_path, own)
    try:
        wait_until(lambda: "Ready" in up.output() or not up.alive)
        assert up.alive, up.output()
        config = load(database_url=database_url, home=tmp_path / "home")
        with Client(config) as client, serving(config) as base:
            job = client.enqueue(ADS, schema=tmp_path / "jobs.yaml").job_id
            client.wait(job, 2 * PATIENCE_S)
            reviewed = correct(page, base, job, GOLD)
            again = learn(page, base, job)
            client.wait(again, 2 * PATIENCE_S)
            before, after = (f1(client, each, GOLD, texts, reviewed) for each in (job, again))
    finally:
        up.terminate()
    print(f"F1 {before.f1:.2f} before, {after.f1:.2f} after, of {after.gold} records")
    assert after.f1 > before.f1 + 0.3
