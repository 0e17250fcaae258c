"""`ruie enqueue --parameters`: what a job keeps, and what is refused before anything is written."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
ENQUEUE = ("enqueue", "in.txt", "--schema", "news.yaml", "--parameters")


@pytest.fixture(autouse=True)
def source(tmp_path: Path, upgraded: None) -> None:
    (tmp_path / "in.txt").write_text("Ada went to Rome .\n")


def test_a_job_keeps_its_own(ruie: Run) -> None:
    parameters = {"reasoning_effort": "low", "provider": {"order": ["a"]}}
    worker_s = {"RUIE_LLM_PARAMETERS": '{"seed": 1}'}
    done = ruie(*ENQUEUE, json.dumps(parameters), **worker_s)
    assert done.returncode == 0, done.stderr
    stored = ruie("query", "SELECT settings FROM jobs", "--format", "json").stdout
    assert parameters == json.loads(json.loads(stored)["settings"])["parameters"]


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ("{", "--parameters: not JSON"),
        ("[]", "--parameters: not a JSON object"),
        ('{"stream": true}', "'stream' cannot be given here: ruie asks for one answer"),
        ('{"max_tokens": 9}', "set RUIE_LLM_MAX_TOKENS"),
    ],
)
def test_what_cannot_be_added_is_refused(ruie: Run, parameters: str, said: str) -> None:
    for command in (ENQUEUE, ("schedule", "add", "x", "--cron", "0 2 * * *", "--source",
                              "in.txt", "--schema", "news.yaml", "--parameters")):  # fmt: skip
        done = ruie(*command, parameters)
        assert done.returncode == 2
        assert said in " ".join(done.stderr.split())
    assert ruie("query", "SELECT id FROM jobs", "--format", "csv").stdout.split() == ["id"]


def parameters(ruie: Run) -> object:
    """Of the only job."""
    stored = ruie("query", "SELECT settings FROM jobs", "--format", "json").stdout
    return json.loads(json.loads(stored)["settings"]).get("parameters")


@pytest.mark.parametrize(
    ("options", "setting", "kept"),
    [
        (["--mode", "flex"], "standard", {"service_tier": "flex"}),
        ([], "flex", {"service_tier": "flex"}),
        (["--mode", "standard"], "flex", None),
        ([], "standard", None),
        (
            ["--mode", "flex", "--parameters", '{"seed": 1}'],
            "standard",
            {"seed": 1, "service_tier": "flex"},
        ),
    ],
)
def test_the_mode_flex_is_a_service_tier(
    ruie: Run, options: list[str], setting: str, kept: object
) -> None:
    done = ruie(*ENQUEUE[:-1], *options, RUIE_LLM_MODE=setting)
    assert done.returncode == 0, done.stderr
    assert parameters(ruie) == kept


@pytest.mark.parametrize(
    ("price", "warned"),
    [("[1, 4]", True), ('{"input": 1, "output": 4, "flex": [0.5, 2]}', False)],
)
def test_a_tier_without_a_price_is_pointed_out(ruie: Run, price: str, warned: bool) -> None:
    prices = {"RUIE_LLM_PRICES": f'{{"m": {price}}}'}
    done = ruie(*ENQUEUE[:-1], "--mode", "flex", "--model", "m", **prices)
    assert done.returncode == 0, done.stderr
    assert ("no price of the tier flex is known" in done.stderr) == warned
