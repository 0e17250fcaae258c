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
        (["--mode", "batch"], "flex", {"service_tier": "batch"}),
        ([], "batch", {"service_tier": "batch"}),
        (
            ["--mode", "flex", "--parameters", '{"seed": 1}'],
            "standard",
            {"seed": 1, "service_tier": "flex"},
        ),
    ],
)
def test_a_mode_is_kept_as_a_service_tier(
    ruie: Run, options: list[str], setting: str, kept: object
) -> None:
    done = ruie(*ENQUEUE[:-1], *options, RUIE_LLM_MODE=setting)
    assert done.returncode == 0, done.stderr
    assert parameters(ruie) == kept


@pytest.mark.parametrize("mode", ["flex", "batch"])
@pytest.mark.parametrize("warned", [True, False])
def test_a_tier_without_a_price_is_pointed_out(ruie: Run, mode: str, warned: bool) -> None:
    price = "[1, 4]" if warned else f'{{"input": 1, "output": 4, "{mode}": [0.5, 2]}}'
    prices = {"RUIE_LLM_PRICES": f'{{"m": {price}}}'}
    done = ruie(*ENQUEUE[:-1], "--mode", mode, "--model", "m", **prices)
    assert done.returncode == 0, done.stderr
    assert (f"no price of the tier {mode} is known" in done.stderr) == warned


def settings(ruie: Run) -> dict[str, object]:
    """Of the only job."""
    stored = ruie("query", "SELECT id, settings FROM jobs", "--format", "json").stdout
    row = json.loads(stored)
    return {"id": row["id"], **json.loads(row["settings"])}


def test_a_job_falls_back_to_single_calls_where_it_shall(ruie: Run) -> None:
    done = ruie(*ENQUEUE[:-1], "--mode", "batch", "--fallback", "standard")
    assert done.returncode == 0, done.stderr
    assert settings(ruie)["fallback"] == "standard"
    job = str(settings(ruie)["id"])
    done = ruie("job", "set", job, "--fallback", "none")
    assert f"{job}: fallback was standard, is now none" in done.stdout
    assert "fallback" not in settings(ruie)
    done = ruie("job", "set", job, "--mode", "standard", "--json")
    assert json.loads(done.stdout)["changed"] == {"mode": {"before": "batch", "now": "standard"}}


def test_a_schedule_keeps_how_its_jobs_are_asked(ruie: Run) -> None:
    done = ruie("schedule", "add", "nightly", "--cron", "0 2 * * *", "--source", "in.txt",
                "--schema", "news.yaml", "--mode", "batch",
                "--fallback", "standard")  # fmt: skip  # one command
    assert done.returncode == 0, done.stderr
    shown = json.loads(ruie("schedule", "show", "nightly", "--json").stdout)
    assert (shown["spec"]["options"]["mode"], shown["spec"]["options"]["fallback"]) == (
        "batch", "standard",
    )  # fmt: skip  # a pair
