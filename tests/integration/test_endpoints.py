"""The whole pipeline, from rows to records, on every endpoint that tests/contract/endpoints
describes: with a cap, and with what the model does not take learned on the way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from support.databases import Server
from support.pipeline import work_off
from support.provider import KEY, Provider, providers
from support.provider_endpoint import ProviderEndpoint

from ruie.schema import Schema
from ruie.settings import Settings, load
from ruie.worker.client import Client

PROVIDERS = providers()
SCHEMA = Schema("names", entities={"person": "", "org": ""})
ROWS = [{"id": name, "text": f"{name} met Nobody ."} for name in ("Ada", "Grace", "Joan")]


def says(body: Mapping[str, Any]) -> str:
    """A model that finds the first word of the text, in the form that is asked for."""
    sentence = body["messages"][-1]["content"].rsplit("Sentence: ", 1)[-1]
    person = sentence.split()[0]
    if "json" in str(body.get("response_format", "")) or '"items"' in str(body["messages"]):
        return json.dumps({"items": [{"type": "person", "span": person}]})
    return f"person: {person}"


def settings_for(provider: Provider, endpoint: ProviderEndpoint, **more: object) -> Settings:
    return load(
        llm_base_url=endpoint.base_url,
        llm_auth=provider.auth,
        llm_model=provider.model,
        llm_api_key=KEY,
        llm_prices={provider.model: (1.0, 4.0)},
        demonstrations=1,
        batch_size=8,
        **more,
    )


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda p: p.key)
def test_rows_become_records(
    provider: Provider, sqlite_server: Server, url: str, tmp_path: Path
) -> None:
    with ProviderEndpoint(provider, says) as endpoint:
        config = settings_for(
            provider,
            endpoint,
            database_url=sqlite_server.current(),
            redis_url=url,
            home=tmp_path,
        )
        client = Client(config)
        job = client.enqueue(ROWS, SCHEMA, cap_usd=1.0).job_id
        assert work_off(config, job) == "done"
        with client.engine.connect() as conn:
            found = conn.execute(text("SELECT external_id, type, text FROM entity_mentions")).all()
            items = conn.execute(text("SELECT state, attempts FROM work_items")).all()
            (cost,) = conn.execute(text("SELECT SUM(cost_usd) FROM extractions")).one()
        client.engine.dispose()
    assert sorted(map(tuple, found)) == [(row["id"], "person", row["id"]) for row in ROWS]
    # A model whose thoughts end at the first stop sequence shows that by an answer without text.
    thoughtless = 1 if provider.answer.stop_cuts else 0
    assert {state for state, _ in items} == {"done"}
    assert sum(attempts - 1 for _, attempts in items) == thoughtless, "an attempt was used"
    assert endpoint.answered == len(ROWS) + thoughtless
    assert set(endpoint.refused.values()) <= {1}, "what one call has learned, all have"
    usage = provider.answer.usage
    charged = usage.cost_usd or usage.prompt * 1e-6 + usage.completion * 4e-6
    assert cost == pytest.approx(len(ROWS) * charged)
