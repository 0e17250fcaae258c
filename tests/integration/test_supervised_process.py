"""Children end with their parent: when it stops them, and also after `kill -9`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.waiting import wait_until

from ruie.errors import UnavailableError
from ruie.worker.embedded.supervised_process import Child

FAMILY = (
    "import os, subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    "print(os.getpid(), child.pid, flush=True)\n"
    "time.sleep(600)\n"
)
FINISHING = (
    "import signal, subprocess, sys, time\n"
    "def finish(*_):\n"
    "    child.stdin.close()\n"
    "    sys.exit(child.wait())\n"
    "signal.signal(signal.SIGTERM, finish)\n"
    "program = 'import sys; sys.stdin.read(); print(\"finished\", flush=True)'\n"
    "child = subprocess.Popen([sys.executable, '-c', program], stdin=subprocess.PIPE)\n"
    "print('started', flush=True)\n"
    "time.sleep(600)\n"
)
DEAF = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + FAMILY


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def family(log: Path) -> list[int]:
    wait_until(lambda: log.exists() and len(log.read_text().split()) == 2)
    return [int(pid) for pid in log.read_text().split()]


@pytest.mark.parametrize("program", [FAMILY, DEAF], ids=["well-behaved", "deaf to SIGTERM"])
def test_stopping_a_child_ends_all_it_started(program: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", program]
    with Child("family", command, tmp_path / "log", grace_s=1.0) as child:
        pids = family(tmp_path / "log")
        assert child.alive
    assert not any(alive(pid) for pid in pids)


def test_what_a_child_started_is_ended_by_the_child_itself(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Child("worker", [sys.executable, "-c", FINISHING], log):
        wait_until(lambda: log.exists() and "started" in log.read_text())
    assert log.read_text().split() == ["started", "finished"]


def test_a_parent_killed_with_kill_9_leaves_nobody(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = (
        "import sys, time\nfrom pathlib import Path\n"
        "from ruie.worker.embedded.supervised_process import Child\n"
        f"Child('family', [sys.executable, '-c', {FAMILY!r}], Path({str(log)!r}))\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script])
    pids = family(log)
    assert all(alive(pid) for pid in pids)

    parent.send_signal(signal.SIGKILL)
    parent.wait()

    wait_until(lambda: not any(alive(pid) for pid in pids))


def test_a_child_that_ends_by_itself_is_reported_with_the_last_line_of_its_log(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('out of memory')"]
    with Child("clerk", command, tmp_path / "log") as child:
        wait_until(lambda: not child.alive)
        with pytest.raises(UnavailableError, match=r"clerk process ended .* 1: out of memory"):
            child.check()
