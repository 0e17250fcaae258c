"""Child processes that end with their parent, however it ends.

The parent starts `python -m ruie.worker.embedded.supervised_process COMMAND...`, a supervisor,
and holds the write end of a pipe. The supervisor starts the command in a process group of its own
and waits. When the pipe closes, which the operating system does even after `kill -9`, it ends the
command: SIGTERM, then, once it has ended or its grace period is over, SIGKILL to the whole group.
When the command ends by itself, the supervisor ends with its exit code.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from ruie.errors import UnavailableError
from ruie.private import open_private

SUPERVISOR = "ruie.worker.embedded.supervised_process"
GRACE_S = 10.0
"""Time to end, for a command that has nothing to finish."""


class Child:
    """A child that dies with its parent. Its output goes to a log file. grace_s: seconds from the
    SIGTERM that asks it to end to SIGKILL."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        env: Mapping[str, str] | None = None,
        grace_s: float = GRACE_S,
    ) -> None:
        self.name = name
        self.log = log
        self._grace_s = grace_s
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(open_private(log), "ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", SUPERVISOR, str(grace_s), *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                # Ctrl-C goes to the foreground group; the children end when we end them.
                start_new_session=True,
            )

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def check(self) -> None:
        """Raises `UnavailableError` with the last line of the log if the child has ended."""
        if not self.alive:
            raise UnavailableError(
                f"The {self.name} process ended with code {self._process.returncode}: "
                f"{self.last_line()}",
                f"See {self.log}.",
            )

    def last_line(self) -> str:
        """The last line of the log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").split("\n")
        written = [line.strip() for line in lines if line.strip()]
        return written[-1][:300] if written else "it printed nothing"

    def stop(self) -> None:
        """End the child and everything it started; returns when it is gone."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(self._grace_s + 5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def main(command: Sequence[str], grace_s: float) -> int:
    """Run the command until it ends or standard input closes."""
    # A process group of its own, so that what it forks (Celery's children) ends with it.
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(end(child, grace_s)))
    while child.poll() is None:
        ready, _, _ = select.select([0], [], [], 0.2)
        if ready and not os.read(0, 1024):
            return end(child, grace_s)
    end(child, grace_s)
    return child.returncode


def end(child: subprocess.Popen[bytes], grace_s: float) -> int:
    """Ask the child to end; kill what is left of its group when it has, or has not in time. What
    it started it ends itself: a worker's processes finish their calls in flight."""
    child.terminate()
    deadline = time.monotonic() + grace_s
    while time.monotonic() < deadline and child.poll() is None:
        time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    return child.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:], float(sys.argv[1])))
