"""How much memory a command took at most: `peak([...])` in MB (2**20 bytes)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from support.waiting import PATIENCE_S

# A child begins with its parent's peak (getrusage(2) counts from before exec): so the parent of
# what is measured is a small process.
_SMALL_PARENT = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(json.dumps([done.returncode, done.stdout, done.stderr, peak]))
"""


class Measured(NamedTuple):
    """How a command ended, what it said, and the most memory it had, MB."""

    returncode: int
    stdout: str
    stderr: str
    peak_mb: float


def measure(command: Sequence[str], folder: Path, env: Mapping[str, str]) -> Measured:
    """Run a command to its end."""
    done = subprocess.run(
        [sys.executable, "-c", _SMALL_PARENT, *command],
        cwd=folder,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    return Measured(*json.loads(done.stdout))
