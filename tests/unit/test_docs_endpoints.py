"""docs/endpoints.md has a row and a section for each endpoint that is described; what is learned of
each is compared in tests/integration/test_endpoints.py."""

from __future__ import annotations

from support.documents import Row, sections, shown, table_rows, text_of
from support.provider import Provider, providers

from ruie.worker.prices import price_of

PAGE = "docs/endpoints.md"


def price(provider: Provider) -> str:
    """How the price of its model is known, in the words of the page."""
    found = price_of(provider.model, {}, provider.public_url)
    if found is None:
        return "to be set"
    words = ["listed"]
    words += ["cached"] if found.cached is not None else []
    words += ["flex"] if "flex" in found.tiers else []
    words += ["as it says"] if provider.answer.usage.cost_usd is not None else []
    return ", ".join(words)


def test_each_endpoint_has_its_row() -> None:
    documented = table_rows(sections(text_of(PAGE))["What works"])
    learned = {row[0]: row[3] for row in documented}
    expected: list[Row] = [
        (p.name, f"`{p.public_url}`", f"`{p.model}`", learned.get(p.name, "?"), price(p))
        for p in providers()
    ]
    assert documented == expected, shown(expected)


def test_each_endpoint_has_its_section() -> None:
    page = text_of(PAGE)
    for provider in providers():
        assert f"\n### {provider.name.partition(',')[0].partition(' proxy')[0]}" in page or (
            f"\n### {provider.name.partition(' ')[0]}" in page
        ), provider.name
