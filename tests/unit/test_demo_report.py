"""The last lines of the demo: what to type next."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ruie.db import migrate
from ruie.db.engine import open_engine
from ruie.worker.demo.report import next_steps


def test_they_fit_80_columns_and_work_as_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ("a folder deep in others, " + 60 * "x")
    program = folder / ".venv" / "bin" / "ruie"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m ruie.worker.cli "$@"\n')
    program.chmod(0o755)
    monkeypatch.chdir(folder)
    (folder / ".ruie" / "demo").mkdir(parents=True)
    url = f"sqlite:///{Path('.ruie') / 'demo' / 'ruie.db'}"
    engine = open_engine(url)
    migrate.upgrade(engine)
    engine.dispose()
    for given in (url, f"sqlite:///{folder}/.ruie/demo/ruie.db"):
        lines = next_steps(given, program)
        assert max(map(len, lines)) <= 80
        assert lines[2] == "    export RUIE_DATABASE_URL=sqlite:///.ruie/demo/ruie.db"
        clean = {k: v for k, v in os.environ.items() if not k.startswith("RUIE_")}
        done = subprocess.run(
            ["sh", "-ec", "\n".join(lines[2:])],
            env=clean,
            capture_output=True,
            text=True,
            check=True,
        )
        assert "entity_mentions" in done.stdout
        assert done.stdout.splitlines()[-1].split() == ["name", "task", "items", "done"]


def test_other_databases_and_programs_are_named_as_they_are(tmp_path: Path) -> None:
    lines = next_steps("postgresql://host/db", tmp_path / "my ruie")
    assert lines[2] == "    export RUIE_DATABASE_URL=postgresql://host/db"
    assert lines[3] == f"    {shlex.quote(str(tmp_path / 'my ruie'))} tables"


def test_a_program_on_the_path_has_its_name_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "ruie"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert next_steps("postgresql://host/db", program)[3] == "    ruie tables"
