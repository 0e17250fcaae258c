"""docs/traces.md describes the spans and attributes that there are; names of providers."""

from __future__ import annotations

import re

import pytest
from support.documents import sections, table_rows, text_of

from ruie.worker.tracing import names
from ruie.worker.tracing.providers import HOSTS, address_of, provider_of

PAGE = text_of("docs/traces.md")
SECTIONS = sections(PAGE)
NAMES = {
    value
    for name, value in vars(names).items()
    if name.isupper() and isinstance(value, str) and "." in value
}
SPANS = [names.ENQUEUE, names.BATCH, names.PREPARE, names.ITEM, names.WAIT, names.CALL, names.SAVE]


def test_the_page_lists_the_spans() -> None:
    listed = [re.findall("`([a-z ]+)", row[0])[0].strip() for row in table_rows(SECTIONS["Spans"])]
    assert listed == SPANS


def test_the_page_lists_every_attribute_once() -> None:
    listed = [
        attribute
        for title in ("Attributes of ruie", "Attributes of a call")
        for row in table_rows(SECTIONS[title])
        for attribute in re.findall("`([^`]+)`", row[0])
    ]
    assert sorted(listed) == sorted(NAMES)


def test_what_is_there_only_where_it_was_asked_for_is_listed_so() -> None:
    rows = table_rows(SECTIONS["Attributes of a call"])
    asked = {row[0].strip("`") for row in rows if "content" in row[1]}
    assert asked == set(names.CONTENT)


@pytest.mark.parametrize(
    ("endpoint", "provider", "address"),
    [
        ("https://api.openai.com/v1", "openai", ("api.openai.com", 443)),
        ("https://a.openai.azure.com/x", "azure.ai.openai", ("a.openai.azure.com", 443)),
        ("https://eu-aiplatform.googleapis.com/v1", "gcp.vertex_ai",
         ("eu-aiplatform.googleapis.com", 443)),
        ("https://notapi.openai.com.example/v1", "openai_compatible",
         ("notapi.openai.com.example", 443)),
        ("http://[::1]:8000/v1", "openai_compatible", ("::1", 8000)),
        ("http://llm/v1", "openai_compatible", ("llm", 80)),
        ("", "openai_compatible", ("", 0)),
    ],
)  # fmt: skip  # one endpoint after the other
def test_an_endpoint_s_provider_and_address(
    endpoint: str, provider: str, address: tuple[str, int]
) -> None:
    assert provider_of(endpoint) == provider
    assert address_of(endpoint) == address


def test_the_hosts_are_hosts() -> None:
    assert all(provider_of(f"https://{host}/v1") == name for host, name in HOSTS.items())
