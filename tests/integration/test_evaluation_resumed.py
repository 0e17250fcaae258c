"""`ruie evaluate` goes on where it was stopped, and pays for nothing twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.endpoint import Reply, ScriptedEndpoint
from support.gold_model import FILES, IN_FLIGHT, QUESTIONS, gold_model, predictions, settings
from support.waiting import PATIENCE_S, wait_until

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def endpoint() -> Iterator[ScriptedEndpoint]:
    with ScriptedEndpoint(gold_model()) as running:
        yield running


def test_what_was_answered_before_a_kill_is_not_asked_again(
    ruie: Run, endpoint: ScriptedEndpoint, bundle_path: Path, tmp_path: Path
) -> None:
    right = endpoint.script
    given = settings(endpoint, bundle_path)
    assert callable(right)

    def stalling(body: dict[str, Any], number: int) -> Reply:
        return Reply(hang=True) if number >= 30 else right(body, number)

    command = ("evaluate", *FILES, "--retriever", "bm25", "--output", "out")
    endpoint.script = stalling
    process = subprocess.Popen(
        [sys.executable, "-m", "ruie.worker.cli", *command],
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if not k.startswith("RUIE_")} | given,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    kept = tmp_path / "out" / "predictions.jsonl"
    try:
        # all that was answered is written, and no call is under way that will be
        wait_until(
            lambda: endpoint.count == 30 + IN_FLIGHT and kept.read_bytes().count(b"\n") == 30,
            timeout_s=PATIENCE_S,
        )
        refused = ruie(*command, **given)
        assert refused.returncode == 2
        assert "Another evaluation" in refused.stderr
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert endpoint.count == 30 + IN_FLIGHT
    with kept.open("ab") as file:
        file.write(b'{"corpus": "crossner_ai", "id": "half a li')

    endpoint.script = right
    assert ruie(*command, **given).returncode == 0
    assert endpoint.count == IN_FLIGHT + QUESTIONS
    lines = predictions(tmp_path / "out")
    assert len(lines) == len({line["key"] for line in lines}) == QUESTIONS

    again = ruie(*command, "--json", **given)
    assert endpoint.count == IN_FLIGHT + QUESTIONS
    whole = ruie(*command[:-1], "other", "--json", **given)
    assert json.loads(again.stdout) == json.loads(whole.stdout)
    assert endpoint.count == IN_FLIGHT + 2 * QUESTIONS
    assert len(predictions(tmp_path / "out")) == QUESTIONS


def test_a_call_that_failed_is_asked_again(
    ruie: Run, endpoint: ScriptedEndpoint, bundle_path: Path, tmp_path: Path
) -> None:
    right = endpoint.script
    assert callable(right)

    def failing(body: dict[str, Any], number: int) -> Reply:
        return Reply(status=500) if number < 5 else right(body, number)

    endpoint.script = failing
    command = ("evaluate", FILES[0], "--output", "out")
    given = settings(endpoint, bundle_path)
    first = ruie(*command, **given)
    kinds = [line["error"]["kind"] for line in predictions(tmp_path / "out") if line["error"]]
    unread = kinds.count("output")
    assert sorted(kinds) == ["output"] * unread + ["transient"] * 5
    assert f"{5 + unread} of 20 calls" in first.stdout
    second = ruie(*command, "--json", **given)
    assert endpoint.count == 20 + 5
    (result,) = json.loads(second.stdout)["results"]
    assert result["failed"] == unread
    assert result["difference"] is None
