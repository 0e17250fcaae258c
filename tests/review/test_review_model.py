"""The model of the editor, tested by Node's own test runner."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

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
