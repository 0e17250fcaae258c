"""Documents in `ruie web`: filters, pages, records and where they come from."""

from __future__ import annotations

import re
from html import unescape

import pytest
from support.pages_server import Page
from support.web_site import Site, document

from ruie.db.search_index import index_for


def test_documents_by_job_type_metadata_and_words(site: Site) -> None:
    assert _names(site, f"/documents?job={site.job}") == [f"news-{n}" for n in range(1, 9)]
    assert _names(site, f"/documents?job={site.job}&type=COUNTRY") == [
        "news-2", "news-4", "news-5", "news-8",
    ]  # fmt: skip
    assert _names(site, f"/documents?job={site.job}&type=member_of") == ["news-2", "news-4"]
    assert _names(site, f"/documents?job={site.job}&type=Movement&key=outlet&value=Herald") == [
        "news-5", "news-8",
    ]  # fmt: skip
    assert _names(site, f"/documents?job={site.job}&key=date&value=2026-01-19") == ["news-6"]
    assert _names(site, f"/documents?job={site.job}&key=missing") == []


def test_documents_by_their_words_the_best_first(site: Site) -> None:
    index_for(site.client.engine, 60)
    page = site.get(f"/documents?job={site.job}&words=copper")
    assert "1 document has these words" in page.words
    assert '<mark class="hit">Copper</mark>' in page.text
    both = site.get(f"/documents?job={site.job}&words=exports+-japan&key=outlet&value=Herald")
    assert {name for name in ("news-4", "news-5", "news-8") if name in both.words} == {
        "news-4", "news-5", "news-8",
    }  # fmt: skip
    assert site.visitor.get("/documents?words=-").status == 400


def test_the_types_that_there_are_can_be_chosen(site: Site) -> None:
    for path in ("/documents", f"/documents?job={site.job}"):
        assert "<option>COUNTRY</option>" in site.get(path).text
    assert "<option selected>COUNTRY</option>" in site.get("/documents?type=COUNTRY").text
    assert "<option selected>Cargo</option>" in site.get("/documents?type=Cargo").text


@pytest.mark.parametrize("filters", ["", "&type=COUNTRY"])
def test_all_that_have_the_words_page_by_page(
    site: Site, monkeypatch: pytest.MonkeyPatch, filters: str
) -> None:
    index_for(site.client.engine, 60)
    for name in ("PAGE", "FOUND"):
        monkeypatch.setattr(f"ruie.worker.web.documents.{name}", 2)
    words = "crude+OR+exports+OR+opec"
    path, names, pages = f"/documents?job={site.job}&words={words}{filters}", [], []
    while path:
        page = site.get(path)
        names += _listed(page)
        pages.append(page)
        path = _next(page) if 'rel="next"' in page.text else ""
    expected = {"news-2", "news-4", "news-5", "news-8"}
    if not filters:
        expected |= {"news-1", "news-3", "news-7"}
    assert sorted(names) == sorted(expected)
    assert len(pages) == 4
    assert "7 documents have these words; 3 to 4" in pages[1].words
    beyond = site.get(f"/documents?job={site.job}&words={words}&after=70")
    assert "7 documents have these words" in beyond.words
    assert "No document passes." in beyond.words


def test_documents_page_by_page(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ruie.worker.web.documents.PAGE", 3)
    for start in (f"/documents?job={site.job}", "/documents"):
        path, names = start, []
        while path:
            page = site.get(path)
            names += _listed(page)
            path = (
                page.link("/documents?").replace("&amp;", "&") if 'rel="next"' in page.text else ""
            )
            if path:
                path = _next(page)
        assert len(names) == (8 if "job=" in start else 11)
    assert _listed(site.get(f"/documents?job={site.job}"))[:1] == ["news-1"]


def test_a_rare_type_is_looked_for_in_bounded_steps(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ruie.db.document_pages.SCANNED", 3)
    page = site.get(f"/documents?job={site.job}&type=member_of")
    assert _listed(page) == ["news-2"]
    assert "3 documents were looked through for these." in page.words
    page = site.get(_next(page))
    assert _listed(page) == ["news-4"]
    last = site.get(_next(page))
    assert _listed(last) == []
    assert 'rel="next"' not in last.text


def test_a_document_with_its_records(site: Site) -> None:
    page = site.get(document(site, "news-4"))
    for said in ("Organization of the Petroleum Exporting Countries", "member_of", "Cut", "Who",
                 "outlet", "Herald"):  # fmt: skip
        assert said in page.words
    # the trigger's span first, then those of its arguments: what a script joins
    assert 'data-places="75-78 0-4 79-86"' in page.text
    assert 'data-span="13-62"' in page.text
    reviewed = site.get(document(site, "news-5"))
    assert "Reviewed by Ada" in reviewed.words
    assert "a person's review" in reviewed.words


def test_the_colours_of_types_are_a_style_sheet(site: Site) -> None:
    page = site.get(f"/documents/types/{site.job}.css")
    assert page.headers["content-type"].startswith("text/css")
    assert "--h:" in page.text


def test_where_a_record_comes_from(site: Site) -> None:
    page = site.get(document(site, "news-4"))
    call = site.get(page.link("/documents/calls/"))
    for said in ("small", "0.0001 USD", "100 in, 10 out", "0.25 s", "buster-12", "not known here",
                 "Find the named entities in the sentence.", "cannot be told"):  # fmt: skip
        assert said in call.words
    assert site.visitor.get("/documents/calls/999999").status == 404


def _listed(page: Page) -> list[str]:
    return re.findall(r'<h2><a href="/documents/[^"]*">([^<]*)</a>', page.text)


def _names(site: Site, path: str) -> list[str]:
    return _listed(site.get(path))


def _next(page: Page) -> str:
    found = re.search(r'rel="next" href="([^"]*)"', page.text)
    assert found
    return unescape(found[1])
