"""The server of the local LLM, as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Collection


def start(*options: str, cores: Collection[int] = ()) -> subprocess.Popen[str]:
    """cores: those that it may use; default: all."""
    return subprocess.Popen(
        [sys.executable, "-m", "ruie.worker.embedded.llm", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores or os.sched_getaffinity(0)),
    )
