"""The documents' examples in Python, run in processes of their own."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from support.documents import blocks, text_of
from support.endpoint import Reply, answer
from support.pipeline import work_off
from support.waiting import PATIENCE_S

from ruie.client import Client
from ruie.settings import Settings

ADDRESS = "http://127.0.0.1:8000/v1"
"""The endpoint of the examples."""


def oil(body: Mapping[str, Any], number: int = 0) -> Reply:
    """What a model says of the texts of the examples."""
    prompt = body["messages"][-1]["content"]
    replies = {
        "Entities:": "COMMODITY: Crude; ORGANISATION: OPEC",
        "Events:": "Movement-up-gain: raised",
        "Arguments:": "Item: output",
    }
    found = replies.get(prompt.rsplit("\n", 1)[-1], "None")
    return answer(found if "OPEC" in prompt else "None")


def examples(page: str, language: str = "python") -> list[str]:
    """The blocks of a page, in order."""
    found = [block.text for block in blocks(text_of(page)) if block.language == language]
    assert found, page
    return found


def imports(code: str) -> set[str]:
    """The packages that an example imports, by their first names."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def installed(code: str) -> bool:
    """Whether everything that an example imports is there."""
    return all(importlib.util.find_spec(name) for name in imports(code))


def run(code: str, folder: Path, environment: Mapping[str, str]) -> str:
    """What it prints. A warning of ruie is an error."""
    with started(code, folder, environment) as process:
        process.wait(PATIENCE_S)
    return printed(process, folder)


def run_with_workers(code: str, folder: Path, config: Settings) -> str:
    """Likewise, while the jobs that it makes are worked off."""
    with started(code, folder, config.environment()) as process, Client(config) as client:
        deadline = time.monotonic() + PATIENCE_S
        while process.poll() is None:
            assert time.monotonic() < deadline, "the example does not end"
            for job in running(client):
                work_off(config, job)
            time.sleep(0.05)
    return printed(process, folder)


def running(client: Client) -> Iterator[str]:
    return (job.id for job in client.jobs() if job.state == "running" and job.enqueued_at)


def started(code: str, folder: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RUIE_")}
    path = os.pathsep.join(map(os.path.abspath, sys.path))
    with (folder / "printed").open("wb") as out, (folder / "errors").open("wb") as errors:
        return subprocess.Popen(
            [sys.executable, "-W", "error::UserWarning", "-c", code],
            cwd=folder,
            env={**clean, "PYTHONPATH": path, **environment},
            stdout=out,
            stderr=errors,
        )


def printed(process: subprocess.Popen[bytes], folder: Path) -> str:
    assert not process.returncode, (folder / "errors").read_text()
    return (folder / "printed").read_text()
