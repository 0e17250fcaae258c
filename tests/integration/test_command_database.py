"""`ruie db`: to another version and back, and waiting for it."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from support.waiting import wait_until

from ruie.db import leadership, migrate, version
from ruie.db.engine import open_engine

Run = Callable[..., subprocess.CompletedProcess[str]]
OLDER = "0020"


@pytest.fixture
def engine(ruie: Run, tmp_path: Path) -> Iterator[Engine]:
    assert ruie("db", "upgrade").returncode == 0
    opened = open_engine(f"sqlite:///{tmp_path / 'ruie.db'}")
    yield opened
    opened.dispose()


def stored(engine: Engine) -> str | None:
    with engine.connect() as conn:
        return version.stored(conn)


def test_back_to_an_older_version_and_up_again(ruie: Run, engine: Engine) -> None:
    with engine.begin() as conn:
        conn.exec_driver_sql("INSERT INTO metric_totals VALUES ('calls', '', '', '', 1)")
    asked = ruie("db", "downgrade", "0018")
    assert asked.returncode != 0
    assert "Revision 0018 has no place for:" in asked.stderr
    assert "table metric_totals, rows: 1" in asked.stderr
    assert "of leadership: useful_processes, useful_at" in asked.stderr
    assert stored(engine) == version.newest(), "nobody has said yes"

    done = ruie("db", "downgrade", "0018", "--yes")
    assert "Install the older ruie, and run its `ruie db upgrade`" in done.stderr
    assert stored(engine) == "0018"
    assert "Run `ruie db upgrade`" in ruie("status").stderr
    assert "It was 0018" in ruie("db", "upgrade").stderr
    assert f"of this version, {version.newest()}" in ruie("db", "check").stderr


@pytest.mark.parametrize("wrong", ["base", "9999", "0.2.0"])
def test_only_to_a_revision_that_there_is(ruie: Run, engine: Engine, wrong: str) -> None:
    done = ruie("db", "downgrade", wrong, "--yes")
    assert done.returncode == 2
    assert f"{wrong} is no revision before this version's" in done.stderr
    assert stored(engine) == version.newest()


def test_a_fleet_at_work_is_left_alone(ruie: Run, engine: Engine) -> None:
    with engine.begin() as conn:
        leadership.lead(conn, "elsewhere:1:aaa", 600.0)
    done = ruie("db", "downgrade", OLDER, "--yes", "--wait", "0")
    assert done.returncode == 4
    assert "The database is in use: coordinator elsewhere:1:aaa leads." in done.stderr
    assert ruie("db", "upgrade", "--wait", "0").returncode == 0, "there is nothing to change"


def test_waiting_until_it_is_of_this_version(ruie: Run, engine: Engine) -> None:
    migrate.downgrade(engine, OLDER)
    assert ruie("db", "check").returncode == 4
    found: list[subprocess.CompletedProcess[str]] = []
    waiting = threading.Thread(target=lambda: found.append(ruie("db", "check", "--wait", "120")))
    waiting.start()
    migrate.upgrade(engine)
    wait_until(lambda: not waiting.is_alive())
    assert found[0].returncode == 0
    assert f"of this version, {version.newest()}" in found[0].stderr
