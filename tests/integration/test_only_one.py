"""A folder in which `ruie up` runs: a second one is refused, until the first has ended."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ruie.errors import UsageError
from ruie.worker.embedded.only_one import NAME, only_one, running_in

Run = Callable[..., subprocess.CompletedProcess[str]]
HOLD = """
import sys
from pathlib import Path
from ruie.worker.embedded.only_one import only_one
with only_one(Path(sys.argv[1]), "ruie up"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> subprocess.Popen[str]:
    """A process that holds the folder `.ruie`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / ".ruie")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip  # a call
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_one_is_refused_until_the_first_has_ended(
    ruie: Run, holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    with holder:
        refused = ruie("up")
        assert refused.returncode == 2
        assert f"`ruie up` (pid {holder.pid}, since " in refused.stderr
        assert "already runs in .ruie.\n      Use what runs: `ruie enqueue`" in refused.stderr
        assert f"`kill {holder.pid}`" in refused.stderr
        assert "another RUIE_HOME" in refused.stderr
        assert not list((tmp_path / ".ruie").glob("*.log"))  # nothing was started
        found = running_in(tmp_path / ".ruie")
        assert found is not None
        assert (found.command, found.pid) == ("ruie up", holder.pid)
        with only_one(tmp_path / "other", "ruie up"):
            pass
        holder.kill()
    assert running_in(tmp_path / ".ruie") is None
    with only_one(tmp_path / ".ruie", "ruie up"):
        assert running_in(tmp_path / ".ruie") is not None


@pytest.mark.parametrize("left_over", ["", "nonsense", '{"pid": 1}', "[]"])
def test_a_file_that_is_left_over_says_nothing(tmp_path: Path, left_over: str) -> None:
    (tmp_path / NAME).write_text(left_over)
    assert running_in(tmp_path) is None
    with (
        only_one(tmp_path, "ruie up"),
        pytest.raises(UsageError, match="already runs in"),
        only_one(tmp_path, "ruie up"),
    ):
        raise AssertionError("it is held")
