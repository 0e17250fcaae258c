"""What is off loads nothing of OpenTelemetry; what is not installed cannot be asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.waiting import PATIENCE_S

from ruie.llm import Unlimited
from ruie.llm.profile import DEFAULT
from ruie.settings import load
from ruie.worker.tracing import opening
from ruie.worker.tracing.spans import UNTRACED

Run = Callable[..., subprocess.CompletedProcess[str]]

WITHOUT = str(Path(__file__).parents[1] / "support" / "without_otel")


def test_off_is_the_tracer_that_does_nothing_and_hooks_stay_as_they_are() -> None:
    tracer = opening.tracer(load())
    assert tracer is UNTRACED
    hook = Unlimited()
    assert tracer.hook(hook, "", lambda *_: DEFAULT) is hook


def test_nothing_of_it_is_loaded_while_it_is_off(ruie: Run, tmp_path: Path) -> None:
    """redis-py loads metrics of OpenTelemetry where it is installed; nobody loads what traces."""
    code = """
import sys
import ruie.worker.batches.process, ruie.worker.coordinator, ruie.worker.tasks
from ruie.client import Client
from ruie.schema import Schema
client = Client()
client.enqueue([{"text": "Ada ."}], Schema("n", entities={"person": ""}))
loaded = [name for name in sys.modules if name.startswith(("opentelemetry.sdk.trace",
          "opentelemetry.exporter", "ruie.worker.tracing.recording"))]
assert "ruie.worker.tracing.opening" in sys.modules
assert not loaded, loaded
"""
    assert ruie("db", "upgrade").returncode == 0
    environment = {**os.environ, "RUIE_DATABASE_URL": f"sqlite:///{tmp_path}/ruie.db"}
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, check=True)


@pytest.mark.parametrize("command", ["worker", "coordinator", "up", "enqueue"])
def test_what_is_not_installed_is_said_with_the_command_that_installs_it(
    ruie: Run, tmp_path: Path, command: str, redis_url: str
) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "Ada ."}')
    assert ruie("db", "upgrade").returncode == 0
    arguments = ["in.jsonl", "--schema", "news.yaml"] if command == "enqueue" else []

    def run(traces: str) -> subprocess.CompletedProcess[str]:
        """In an interpreter of its own, which finds no OpenTelemetry."""
        given = {
            "PYTHONPATH": os.pathsep.join([WITHOUT, os.environ.get("PYTHONPATH", "")]),
            "RUIE_REDIS_URL": redis_url,
            "RUIE_LLM_BASE_URL": "http://127.0.0.1:9/v1",
            "RUIE_TRACES": traces,
        }
        return subprocess.run(
            [sys.executable, "-m", "ruie.worker.cli", command, *arguments],
            cwd=tmp_path,
            env={**os.environ, **given},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    done = run("on")
    assert done.returncode == 3, done.stderr
    assert 'pip install "ruie[otel]"' in done.stderr
    if command == "enqueue":
        assert run("off").returncode == 0
