"""The units in deploy/systemd are what systemd takes, and say the same as the code."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.commands import ROOT, parse

from ruie.settings import Settings

FOLDER = ROOT / "deploy" / "systemd"
UNITS = sorted(FOLDER.glob("*.service"))
PROGRAM = "/opt/ruie/bin/ruie"


def lines(unit: Path, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE)


def test_there_is_a_unit_for_each_long_running_half() -> None:
    assert {unit.stem for unit in UNITS} >= {"ruie-coordinator", "ruie-worker"}


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: str(unit.stem))
def test_a_unit_runs_commands_that_ruie_has(unit: Path) -> None:
    for line in lines(unit, "ExecStart") + lines(unit, "ExecStartPre"):
        program, *words = line.split()
        assert program == PROGRAM
        parse(words)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: str(unit.stem))
def test_every_variable_is_a_setting_and_every_secret_is_handed_over(unit: Path) -> None:
    known = {f"RUIE_{name.upper()}" for name in Settings.model_fields}
    given = dict(line.split("=", 1) for line in lines(unit, "Environment"))
    assert {name for name in given if name.startswith("RUIE_")} <= known
    (settings,) = lines(unit, "EnvironmentFile")
    assert Path(settings).name == "ruie.env"
    written = (FOLDER / "ruie.env").read_text(encoding="utf-8")
    assert set(re.findall(r"^(\w+)=", written, re.MULTILINE)) <= known
    credentials = {line.partition(":")[0] for line in lines(unit, "LoadCredential")}
    files = {value for name, value in given.items() if name.endswith("_FILE")}
    assert files == {f"%d/{name}" for name in credentials}


def test_a_worker_has_time_for_its_calls() -> None:
    (worker,) = (unit for unit in UNITS if unit.stem == "ruie-worker")
    (seconds,) = lines(worker, "TimeoutStopSec")
    defaults = Settings.model_fields
    assert defaults["stop_grace_s"].default < int(seconds) < defaults["lease_s"].default


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: str(unit.stem))
def test_systemd_finds_nothing_wrong(unit: Path, tmp_path: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    here = tmp_path / unit.name
    here.write_text(text.replace(PROGRAM, "/bin/true"), encoding="utf-8")  # verify looks for it
    done = subprocess.run(
        ["systemd-analyze", "verify", str(here)], capture_output=True, text=True, check=False
    )
    ours = [line for line in done.stderr.splitlines() if unit.name in line]
    assert (done.returncode, ours) == (0, [])
