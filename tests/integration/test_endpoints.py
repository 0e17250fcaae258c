"""The whole pipeline, from rows to records, on every endpoint that tests/contract/endpoints
describes: with a cap, and with what the model does not take learned on the way."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from support.databases import Server
from support.documents import sections, table_rows, text_of
from support.pipeline import work_off
from support.provider import KEY, Provider, providers
from support.provider_endpoint import ProviderEndpoint

from ruie.llm.api import Api
from ruie.llm.profile import RequestProfile
from ruie.schema import Schema
from ruie.settings import load
from ruie.worker.client import Client

PROVIDERS = providers()
CHOOSY = [p for p in PROVIDERS if any(r.parameter == "response_format" for r in p.refusals)]
SCHEMA = Schema("names", entities={"person": "", "org": ""})
WORKS = sections(text_of("docs/endpoints.md"))["What works"]
LEARNED = {row[0]: row[3] for row in table_rows(WORKS)}
ROWS = [{"id": name, "text": f"{name} met Nobody ."} for name in ("Ada", "Grace", "Joan")]


def says(body: Mapping[str, Any]) -> str:
    """A model that finds the first word of the text, in the form that is asked for."""
    sentence = body["messages"][-1]["content"].rsplit("Sentence: ", 1)[-1]
    person = sentence.split()[0]
    wanted = f"{body.get('response_format')}{body.get('output_config')}"
    if "json" in wanted or '"items"' in str(body["messages"]):
        return json.dumps({"items": [{"type": "person", "span": person}]})
    return f"person: {person}"


@dataclass(frozen=True)
class Run:
    """What a job did. cost: US dollars; the other values are those of the tables."""

    state: str
    reason: str
    entities: list[tuple[str, str, str]]
    items: list[tuple[str, int]]
    cost: float | None
    learned: str


Works = Callable[..., Run]


def profile(rows: Callable[[str], list[Any]]) -> RequestProfile | None:
    """What was learned of the model."""
    learned = rows("SELECT learned FROM request_profiles")
    return RequestProfile.from_body(json.loads(learned[0][0])) if learned else None


@pytest.fixture
def works(sqlite_server: Server, url: str, tmp_path: Path) -> Works:
    """works(endpoint, setting=...): a job with a cap, worked off until it runs no more."""

    def run(endpoint: ProviderEndpoint, **settings: object) -> Run:
        provider = endpoint.provider
        config = load(
            database_url=sqlite_server.current(),
            redis_url=url,
            home=tmp_path,
            llm_base_url=endpoint.base_url,
            llm_api=provider.api,
            llm_auth=provider.auth,
            llm_model=provider.model,
            llm_api_key=KEY,
            demonstrations=1,
            batch_size=8,
            **{"llm_prices": {provider.model: (1.0, 4.0)}, **settings},
        )
        client = Client(config)
        job = client.enqueue(ROWS, SCHEMA, cap_usd=1.0).job_id
        state = work_off(config, job)
        with client.engine.connect() as conn:

            def rows(sql: str) -> list[Any]:
                return [tuple(row) for row in conn.execute(text(sql))]

            found = Run(
                state,
                rows("SELECT reason FROM jobs")[0][0] or "",
                sorted(rows("SELECT external_id, type, text FROM entity_mentions")),
                rows("SELECT state, attempts FROM work_items"),
                rows("SELECT SUM(cost_usd) FROM extractions")[0][0],
                learned.describe() if (learned := profile(rows)) else "",
            )
        client.engine.dispose()
        return found

    return run


ALL = [(row["id"], "person", row["id"]) for row in ROWS]


def having(error: str) -> pytest.MarkDecorator:
    """The endpoints whose description has this error."""
    some = [provider for provider in PROVIDERS if error in provider.failures]
    return pytest.mark.parametrize("provider", some, ids=lambda p: p.key)


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda p: p.key)
def test_rows_become_records(provider: Provider, works: Works) -> None:
    with ProviderEndpoint(provider, says) as endpoint:
        ran = works(endpoint)
    assert ran.state == "done"
    assert ran.entities == ALL
    # A model whose thoughts end at the first stop sequence shows that by an answer without text.
    thoughtless = 1 if provider.answer.stop_cuts else 0
    assert {state for state, _ in ran.items} == {"done"}
    assert sum(attempts - 1 for _, attempts in ran.items) == thoughtless, "an attempt was used"
    assert endpoint.answered == len(ROWS) + thoughtless
    assert set(endpoint.refused.values()) <= {1}, "what one call has learned, all have"
    usage = provider.answer.usage
    charged = usage.cost_usd or usage.prompt * 1e-6 + usage.completion * 4e-6
    assert ran.cost == pytest.approx(len(ROWS) * charged)
    assert ran.learned == LEARNED[provider.name].replace("nothing", "")


@pytest.mark.parametrize("provider", CHOOSY, ids=lambda p: p.key)
def test_a_response_format_that_is_not_taken_is_done_without(
    provider: Provider, works: Works
) -> None:
    with ProviderEndpoint(provider, says) as endpoint:
        ran = works(endpoint, output_form="json")
    assert ran.entities == ALL
    assert set(ran.items) == {("done", 1)}
    assert endpoint.answered == len(ROWS)
    assert set(endpoint.refused.values()) <= {1}


NATIVE = [p for p in PROVIDERS if p.form is Api.MESSAGES]


@pytest.mark.parametrize("form", ["json", "auto"])
@pytest.mark.parametrize("provider", NATIVE, ids=lambda p: p.key)
def test_answers_are_held_to_a_schema(provider: Provider, form: str, works: Works) -> None:
    """In the form Messages: under a schema whose every value is one word, the model says it."""
    schemas: list[dict[str, Any]] = []

    def held(body: Mapping[str, Any]) -> str:
        schema = body["output_config"]["format"]["schema"]
        schemas.append(schema)
        if word := schema["properties"].get("word"):
            return json.dumps({"word": word["enum"][0]})
        return says(body)

    with ProviderEndpoint(provider, held) as endpoint:
        ran = works(endpoint, output_form=form)
    assert ran.entities == ALL
    assert set(ran.items) == {("done", 1)}
    asked = [s["properties"]["items"]["items"] for s in schemas if "items" in s["properties"]]
    assert [each["properties"]["type"]["enum"] for each in asked] == [["person", "org"]] * 3
    assert len(schemas) - len(asked) == (form == "auto"), "it is proved once"


def test_a_cap_holds_what_a_cache_costs(works: Works) -> None:
    """What is read from the provider's cache and written to it is a part of the prompt."""
    (provider,) = NATIVE
    usage = {
        "input_tokens": 100,
        "cache_read_input_tokens": 1000,
        "cache_creation_input_tokens": 400,
        "output_tokens": 10,
    }
    body = {**provider.answer.body, "usage": usage}
    cached = replace(provider, answer=replace(provider.answer, body=body))
    prices = {provider.model: {"input": 2.0, "output": 4.0, "cached": 0.2, "cache_write": 2.5}}
    asked = {"cache_control": {"type": "ephemeral"}}
    with ProviderEndpoint(cached, says) as endpoint:
        ran = works(endpoint, llm_prices=prices, llm_parameters=asked)
    assert ran.entities == ALL
    each = (100 * 2.0 + 1000 * 0.2 + 400 * 2.5 + 10 * 4.0) / 1_000_000
    assert ran.cost == pytest.approx(len(ROWS) * each)


@having("content_filter")
def test_a_document_that_is_filtered_is_the_only_one_given_up(
    provider: Provider, works: Works
) -> None:
    with ProviderEndpoint(provider, says) as endpoint:
        endpoint.fail("content_filter", where="Grace", times=99)
        ran = works(endpoint)
    assert ran.state == "done"
    assert ran.entities == [each for each in ALL if each[0] != "Grace"]
    assert sorted(state for state, _ in ran.items) == ["done", "done", "quarantined"]
    assert endpoint.refused["content_filter"] == 1


@having("no_credit")
def test_an_account_without_credit_pauses_the_job(provider: Provider, works: Works) -> None:
    with ProviderEndpoint(provider, says) as endpoint:
        endpoint.fail("no_credit", times=99)
        ran = works(endpoint)
    assert ran.state == "paused"
    assert "credit" in ran.reason
    assert "quarantined" not in {state for state, _ in ran.items}
    assert endpoint.refused["no_credit"] <= 5
