"""A model that a command names is checked first, where the endpoint lists models."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.endpoint import ScriptedEndpoint, answer, failure

Run = Callable[..., subprocess.CompletedProcess[str]]
ENQUEUE = ("enqueue", "in.txt", "--schema", "news.yaml")


@pytest.fixture(autouse=True)
def source(tmp_path: Path, upgraded: None) -> None:
    (tmp_path / "in.txt").write_text("Ada went to Rome .\n")


def test_a_model_that_the_endpoint_does_not_list_is_refused(ruie: Run) -> None:
    with ScriptedEndpoint(answer("None"), models=("gpt-4.1", "llama3:latest")) as endpoint:
        here = {"RUIE_LLM_BASE_URL": endpoint.url}
        job = ruie(*ENQUEUE, "--model", "llama3", **here).stdout.strip()
        assert job.startswith("job_")
        for command in ((*ENQUEUE, "--new"), ("retry", job)):
            done = ruie(*command, "--model", "gpt-9", **here)
            assert done.returncode == 2
            assert f"{endpoint.url} has no model 'gpt-9'." in done.stderr
            assert "Did you mean gpt-4.1?" in done.stderr
        assert ruie("retry", job, "--model", "gpt-4.1", **here).returncode == 0
    assert ruie("query", "SELECT id FROM jobs", "--format", "csv").stdout.split() == ["id", job]


def test_an_endpoint_that_lists_no_models_takes_any(ruie: Run) -> None:
    with ScriptedEndpoint(answer("None")) as endpoint:
        endpoint.models_reply = failure(404)
        done = ruie(*ENQUEUE, "--model", "m", RUIE_LLM_BASE_URL=endpoint.url)
    assert (done.returncode, "not known" in done.stderr) == (0, False), done.stderr


def test_without_the_endpoint_there_is_a_warning(ruie: Run) -> None:
    nowhere = "http://127.0.0.1:9/v1"
    done = ruie(*ENQUEUE, "--model", "m", RUIE_LLM_BASE_URL=nowhere)
    assert done.returncode == 0
    assert f"{nowhere} cannot be reached" in done.stderr
    assert "Whether it has the model m is not known." in done.stderr


def test_a_job_stores_the_endpoint_without_secrets(ruie: Run) -> None:
    done = ruie(*ENQUEUE, RUIE_LLM_BASE_URL="https://ada:pw@llm.test/v1/?key=k")
    assert done.returncode == 0
    stored = ruie("query", "SELECT endpoint FROM jobs", "--format", "csv").stdout
    assert stored.split() == ["endpoint", "https://llm.test/v1"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "`ruie up` serves a model that takes no batches"),
        ({"RUIE_LLM_BASE_URL": "https://api.deepseek.com/v1"}, "api.deepseek.com takes no batches"),
        ({"RUIE_LLM_BASE_URL": "http://127.0.0.1:9/v1"}, ""),
        ({"RUIE_LLM_BATCHES": "file"}, ""),
    ],
)
def test_an_endpoint_without_batches_is_warned_of(
    ruie: Run, settings: dict[str, str], said: str
) -> None:
    for command in ("enqueue", "estimate"):
        for mode in ("batch", "standard"):
            done = ruie(command, *ENQUEUE[1:], "--mode", mode, RUIE_LLM_MODEL="small", **settings)
            warned = "no batches: the job will be paused" in done.stderr
            assert done.returncode == 0, done.stderr
            assert warned == bool(said and mode == "batch")
            assert said in done.stderr or not warned
