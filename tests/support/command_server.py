"""The `ruie` command, run in forks of one process that has loaded its libraries.

Starting the command takes a second or two of CPU, nearly all of it imports, and the tests run it
hundreds of times. A fork has an environment, a folder, files for its output and an end of its own;
it only did not import again. What starts threads when it is imported is left to the fork.

    python -m support.command_server

reads requests, a JSON document a line, and answers each with the exit code.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

TESTS = Path(__file__).parents[1]
LOADED = (
    "alembic.command", "alembic.script", "click", "psycopg", "pydantic_settings", "rich.console",
    "rich.progress", "rich.table", "ruie.db.migrate", "ruie.worker.cli", "ruie.worker.client",
    "sqlalchemy.dialects.postgresql", "sqlalchemy.dialects.sqlite", "yaml",
)  # fmt: skip  # a list


class CommandServer:
    """Runs commands one at a time; a context manager."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> CommandServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def run(
        self, arguments: Sequence[str], cwd: Path, env: Mapping[str, str], timeout_s: float
    ) -> subprocess.CompletedProcess[str]:
        """As `subprocess.run` does with the command. Raises `subprocess.TimeoutExpired`."""
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            request = {"arguments": list(arguments), "cwd": str(cwd), "env": dict(env),
                       "out": str(out), "err": str(err)}  # fmt: skip  # two lines
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            ready, _, _ = select.select([process.stdout], [], [], timeout_s)
            line = process.stdout.readline() if ready else b""
            if not line:
                self._stop()
                raise subprocess.TimeoutExpired(list(arguments), timeout_s)
            code = int(line)
            return subprocess.CompletedProcess(
                ["ruie", *arguments], code, out.read_text("utf-8"), err.read_text("utf-8")
            )

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            path = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH", "")]))
            self._process = subprocess.Popen(
                [sys.executable, "-m", "support.command_server"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": path},
                start_new_session=True,
            )
        return self._process

    def _stop(self) -> None:
        """Kill the server and the command that it runs."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.communicate()
            self._process = None


def become(request: Mapping[str, object]) -> None:
    """Make this process one that was started for the request."""
    os.environ.clear()
    os.environ.update(request["env"])  # type: ignore[call-overload]  # of text, as it was sent
    os.chdir(str(request["cwd"]))
    sys.argv = ["ruie", *request["arguments"]]  # type: ignore[misc]  # likewise
    sys.path[0] = str(Path.cwd())
    for number, name in ((0, os.devnull), (1, str(request["out"])), (2, str(request["err"]))):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_APPEND
        opened = os.open(name, flags)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = io.TextIOWrapper(open(0, "rb", closefd=False))  # noqa: SIM115  # as long as it runs
    sys.stdout = io.TextIOWrapper(open(1, "wb", closefd=False), "utf-8")  # noqa: SIM115  # it stays open
    sys.stderr = io.TextIOWrapper(
        open(2, "wb", closefd=False),  # noqa: SIM115  # likewise
        "utf-8",
        "backslashreplace",
        write_through=True,
    )


def serve() -> None:
    """Answer requests until there are none; returns in each fork, which then is the command."""
    for name in LOADED:
        importlib.import_module(name)
    gc.freeze()  # a fork that looks through them would copy them
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    while line := sys.stdin.buffer.readline():
        child = os.fork()
        if child == 0:
            answers.close()
            become(json.loads(line))
            return
        _, status = os.waitpid(child, 0)
        answers.write(b"%d\n" % os.waitstatus_to_exitcode(status))
    sys.exit()


def end(code: int) -> NoReturn:
    """End as an interpreter does, up to where it takes every module apart: that takes a third of a
    second, and changes nothing outside the process."""
    threading._shutdown()  # type: ignore[attr-defined]  # what an interpreter does first
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    serve()
    from ruie.worker.cli import main

    try:
        main()
    except SystemExit as ended:
        if not isinstance(ended.code, int):
            raise
        end(ended.code)
