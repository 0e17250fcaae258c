"""`ruie estimate` as a user meets it."""

from __future__ import annotations

import gzip
import json
import math
import shutil
import subprocess
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
from support.endpoint import ScriptedEndpoint, answer

Run = Callable[..., subprocess.CompletedProcess[str]]
DATA = Path(__file__).parents[2] / "worker" / "demo" / "data"


@pytest.fixture
def ask(ruie: Run, tmp_path: Path, upgraded: Path, bundle_path: Path) -> Run:
    """`ruie estimate` of 20 real sentences and a line that is none, with a bundle that serves
    their schema."""
    for name in ("events.jsonl", "events.yaml"):
        shutil.copy(DATA / name, tmp_path)
    name = "events.demonstrations.jsonl.gz"
    with gzip.open(DATA / name) as rows, gzip.open(tmp_path / name, "wb") as few:
        few.writelines(islice(rows, 20))  # each that the bundle has not is encoded every time
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write("nonsense\n")

    def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        given = ("estimate", "events.jsonl", "--schema", "events.yaml", *arguments)
        return ruie(*given, **{"RUIE_BUNDLE": str(bundle_path), **settings})

    return run


def test_the_table_and_where_each_number_is_from(ask: Run) -> None:
    done = ask("--model", "m-2026-01-31", RUIE_LLM_PRICES='{"m": [0.4, 1.6]}')
    assert done.returncode == 0, done.stderr
    assert "refused  events.jsonl:21  is not JSON" in done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "20 documents, 20 different texts, 1 refused line; model m-2026-01-31"
    (detection,) = (line.split() for line in lines if line.startswith("ED "))
    assert detection[1:3] == ["20", "0"]
    for line in (
        "0.4 USD for a million tokens in, 1.6 out (RUIE_LLM_PRICES)",
        "EAE: ",
        "for each of 20 ED calls, as in the demonstrations most like the sampled texts",
        "prompts of 20 ED, 20 EAE (seed 0), estimated (4 ASCII characters a token)",
        "ED, EAE: the mean of the demonstrations' answers",
    ):
        assert line in done.stdout, line


def test_for_programs(ask: Run) -> None:
    priced = {"RUIE_LLM_PRICES": '{"m": [0.4, 1.6]}'}
    printed = json.loads(ask("--model", "m", "--json", "--sample", "5", **priced).stdout)
    assert (printed["documents"], printed["refused"], printed["paid_before"]) == (20, 1, 0)
    tasks = {task["task"]: task for task in printed["tasks"]}
    assert set(tasks) == {"ED", "EAE"}
    assert (tasks["ED"]["sampled"], tasks["ED"]["calls"]) == (5, 20)
    assert tasks["ED"]["prompt_spread"] > 0
    assert printed["calls"] == 20 + tasks["EAE"]["calls"]
    assert tasks["ED"]["most_completion_tokens"] == 20 * 256
    expected = (0.4 * printed["prompt_tokens"] + 1.6 * printed["completion_tokens"]) / 1e6
    assert printed["cost_usd"] == pytest.approx(expected)
    assert printed["cost_usd"] < printed["most_usd"]


def test_the_mode_batch_has_its_price_and_its_batches(ask: Run) -> None:
    price = '{"m": {"input": 0.4, "output": 1.6, "batch": [0.2, 0.8]}}'
    options = ("--model", "m", "--mode")
    standard, batch = (
        json.loads(ask(*options, mode, "--json", RUIE_LLM_PRICES=price).stdout)
        for mode in ("standard", "batch")
    )
    assert batch["cost_usd"] == pytest.approx(standard["cost_usd"] / 2)
    assert batch["most_usd"] == pytest.approx(standard["most_usd"] / 2)
    assert (standard["batches"], standard["batch_days"]) == (None, None)
    assert (batch["batches"], batch["batch_days"]) == (2, 2)  # events first, then their arguments
    done = ask(*options, "batch", RUIE_LLM_PRICES=price, RUIE_LLM_BATCH_REQUESTS="8")
    (calls,) = (line.split() for line in done.stdout.splitlines() if line.startswith("EAE "))
    number = 3 + math.ceil(int(calls[1]) / 8)
    assert f"at least {number}, of at most 8 requests each" in done.stdout
    assert "within 2 days" in done.stdout
    assert "0.2 USD for a million tokens in, 0.8 out" in done.stdout
    done = ask(*options, "batch", RUIE_LLM_PRICES='{"m": [0.4, 1.6]}')
    assert "booked in full: no price is known" in done.stdout


def test_the_mode_flex_has_its_price(ask: Run) -> None:
    price = '{"m": {"input": 0.4, "output": 1.6, "flex": [0.2, 0.8]}}'
    standard, flex = (
        json.loads(ask("--model", "m", "--mode", m, "--json", RUIE_LLM_PRICES=price).stdout)
        for m in ("standard", "flex")
    )
    assert flex["cost_usd"] == pytest.approx(standard["cost_usd"] / 2)
    assert flex["most_usd"] == standard["most_usd"]  # the endpoint may charge the full price
    done = ask("--model", "m", "--mode", "flex", RUIE_LLM_PRICES='{"m": [0.4, 1.6]}')
    assert "booked in full: no price is known" in done.stdout


def test_a_price_that_is_not_known_is_asked_for(ask: Run) -> None:
    done = ask("--model", 'my "model"')
    assert done.returncode == 0
    assert 'unknown: no price is known for my "model"' in done.stdout
    assert r"""RUIE_LLM_PRICES='{"my \"model\"": [IN, OUT]}'""" in done.stdout
    printed = json.loads(ask("--model", "m", "--json").stdout)
    assert (printed["cost_usd"], printed["most_usd"], printed["price"]) == (None, None, None)


def test_no_text_leaves_this_machine_and_no_job_is_made(ask: Run, ruie: Run) -> None:
    with ScriptedEndpoint(answer("None"), models=["first", "second"]) as endpoint:
        done = ask(RUIE_LLM_BASE_URL=endpoint.url)
        assert endpoint.requests == []
    assert "model first" in done.stdout
    counts = "SELECT (SELECT COUNT(*) FROM jobs) + (SELECT COUNT(*) FROM documents) AS rows_made"
    assert ruie("query", counts, "--format", "csv").stdout == "rows_made\n0\n"


def test_a_tokenizer_is_used_and_a_wrong_one_is_an_error(ask: Run, minilm: Path) -> None:
    done = ask("--model", "m", RUIE_LLM_TOKENIZER=str(minilm / "tokenizer.json"))
    assert f"counted by {minilm / 'tokenizer.json'}" in done.stdout
    wrong = ask("--model", "m", RUIE_LLM_TOKENIZER="events.jsonl")
    assert (wrong.returncode, "RUIE_LLM_TOKENIZER" in wrong.stderr) == (2, True)


def test_nothing_usable_ends_with_1_and_no_bundle_with_4(ask: Run, tmp_path: Path) -> None:
    assert ask("--model", "m", RUIE_BUNDLE="none").returncode == 4
    (tmp_path / "events.jsonl").write_text("nonsense\n")
    done = ask("--model", "m")
    assert done.returncode == 1
    assert "0 documents, 0 different texts, 1 refused line" in done.stdout
