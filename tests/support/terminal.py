"""The command on a terminal of a given width, as a person sees it."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from support.waiting import PATIENCE_S

STYLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_a_terminal(arguments: Sequence[str], folder: Path, columns: int = 200, **env: str) -> str:
    """What the command writes to a terminal."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "ruie.worker.cli", *arguments]
    clean = {k: v for k, v in os.environ.items() if not k.startswith("RUIE_")}
    with subprocess.Popen(
        command, cwd=folder, env={**clean, "TERM": "xterm", "COLUMNS": str(columns), **env},
        stdin=theirs, stdout=theirs, stderr=theirs,
    ) as process:  # fmt: skip  # a call
        os.close(theirs)
        read = b""
        while select.select([ours], [], [], 60)[0]:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the terminal's other end is closed
                break
            if not part:
                break
            read += part
        process.wait(PATIENCE_S)
    os.close(ours)
    return read.decode()


def lines_on_a_terminal(
    arguments: Sequence[str], folder: Path, columns: int = 80, **env: str
) -> list[str]:
    """Likewise, its lines without colours and spaces at their ends."""
    written = STYLE.sub("", on_a_terminal(arguments, folder, columns, **env))
    return [line.rstrip() for line in written.replace("\r\n", "\n").splitlines()]
