"""Extraction through servers that other people wrote (docs/endpoints.md says what came out).

On demand: see tests/support/real_servers.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from sqlalchemy import text
from support.databases import Server
from support.pipeline import work_off
from support.provider import FOLDER
from support.provider import load as load_provider
from support.provider_endpoint import ProviderEndpoint
from support.real_servers import KEY, LLAMA, installed, litellm_config, served, unpack

from ruie.packaged import packaged_llm
from ruie.settings import load
from ruie.worker.client import Client
from ruie.worker.demo import gold
from ruie.worker.embedded.redis_server import RedisServer
from ruie.worker.embedded.stack import LocalLLM

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
SENTENCES = 4


@pytest.fixture
def run(
    sqlite_server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., list[str]]]:
    """run(url, model, api): extracts from some sentences of the demo; the states of the items."""
    redis = RedisServer(tmp_path)

    def extract(url: str, model: str, api: str = "chat") -> list[str]:
        config = load(
            database_url=sqlite_server.current(),
            redis_url=redis.url,
            home=tmp_path,
            llm_base_url=url,
            llm_api=api,
            llm_model=model,
            llm_api_key=KEY,
            llm_prices={model: (1.0, 4.0)},
            llm_max_tokens=64,
            llm_max_in_flight=2,
            demonstrations=4,
        )
        corpus = gold.corpus("entities")
        rows = [{"id": str(n), "text": row.text} for n, row in enumerate(corpus.rows[:SENTENCES])]
        client = Client(config)
        job = client.enqueue(rows, corpus.schema, cap_usd=1.0).job_id
        state = work_off(config, job, timeout_s=900)
        with client.engine.connect() as conn:
            states = [row[0] for row in conn.execute(text("SELECT state FROM work_items"))]
            found = conn.execute(text("SELECT COUNT(*) FROM entity_mentions")).scalar_one()
            learned = conn.execute(text("SELECT learned FROM request_profiles")).scalars().all()
        client.engine.dispose()
        with capsys.disabled():
            print(f"\n{model}, {api}: {state}, {states}, {found} mentions, learned {learned}")
        assert found
        return states

    yield extract
    redis.stop()


def needs(program: str) -> None:
    if installed(program) is None:
        pytest.skip(f"{program} is not installed: see tests/support/real_servers.py")


def test_the_server_of_transformers(run: Callable[..., list[str]], tmp_path: Path) -> None:
    needs("transformers")
    unpack(packaged_llm(), tmp_path / "model")
    model = str(tmp_path / "model")
    arguments = ("serve", model, "--host", "127.0.0.1", "--port", "PORT", "--device", "cpu")
    with served("transformers", tmp_path, *arguments, HF_HUB_OFFLINE="1") as url:
        assert run(url, model).count("done") >= SENTENCES / 2


@pytest.mark.parametrize("api", ["chat", "messages"])
def test_the_server_of_llama_cpp(run: Callable[..., list[str]], tmp_path: Path, api: str) -> None:
    needs("python")
    arguments = ("-c", LLAMA, str(packaged_llm()), "PORT", KEY)
    with served("python", tmp_path, *arguments) as url:
        assert run(url, "smollm2", api).count("done") >= SENTENCES / 2


@pytest.mark.parametrize(
    ("model", "described", "api"),
    [
        ("gpt-5-mini", "openai_reasoning", "chat"),
        ("plain", "openai_reasoning", "chat"),
        ("claude", "anthropic", "messages"),
        ("claude", "anthropic", "chat"),
    ],
)
def test_the_proxy_of_litellm(
    run: Callable[..., list[str]], tmp_path: Path, model: str, described: str, api: str
) -> None:
    needs("litellm")
    provider = load_provider(FOLDER / f"{described}.toml")
    with ProviderEndpoint(provider, lambda _: "country: Spain; person: The") as endpoint:
        env = litellm_config(tmp_path, endpoint.url)
        arguments = ("--config", "litellm.yaml", "--host", "127.0.0.1", "--port", "PORT")
        with served("litellm", tmp_path, *arguments, **env) as url:
            assert run(url, model, api) == ["done"] * SENTENCES
    assert endpoint.answered == SENTENCES
    endpoint.refused.pop("anthropic-version", None)  # LiteLLM's own list of models
    assert set(endpoint.refused.values()) <= {1}


def test_the_local_model_of_ruie(run: Callable[..., list[str]], tmp_path: Path) -> None:
    with LocalLLM(load(home=tmp_path)) as llm:
        with urlopen(f"{llm.url()}/models", timeout=10) as response:
            model = json.load(response)["data"][0]["id"]
        assert run(llm.url(), model).count("done") >= SENTENCES / 2
