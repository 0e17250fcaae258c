"""The model of the editor, tested by Node's own test runner."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.commands import ROOT

from ruie.worker import web

MODULES = Path(web.__file__).parent / "static" / "review"


def test_the_model_of_the_editor() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node on this machine")
    done = subprocess.run(
        [node, "--test", "--test-reporter=spec", str(Path(__file__).with_name("model.test.mjs"))],
        capture_output=True,
        text=True,
        env={**os.environ, "REVIEW_MODULES": str(MODULES)},
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_documentation_has_the_keys_that_the_help_shows() -> None:
    table = (MODULES / "commands.js").read_text(encoding="utf-8").partition("const PLAIN")[0]
    shown = re.findall(r'^    \["(.+)", "(.+)"\],$', table, flags=re.MULTILINE)
    page = (ROOT / "docs" / "review.md").read_text(encoding="utf-8")
    assert len(shown) > 15
    assert [f"| {keys} | {meaning} |" for keys, meaning in shown] == re.findall(
        r"^\| .+ \| .+ \|$", page, flags=re.MULTILINE
    )
