"""What ruie keeps for itself is its user's alone: new files, and those of an older version."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from stat import S_IMODE

import pytest
from sqlalchemy import text

from ruie.db.engine import open_engine
from ruie.private import is_private, open_private, private_file, private_folder
from ruie.worker.embedded.supervised_process import Child


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return S_IMODE(path.stat().st_mode)


def test_a_new_folder_and_its_log(tmp_path: Path) -> None:
    home = private_folder(tmp_path / ".ruie")
    with Child("true", ["true"], home / "a.log"):
        pass
    assert (mode(home), mode(home / "a.log")) == (0o700, 0o600)
    assert is_private(home)


def test_those_of_an_older_version(tmp_path: Path) -> None:
    home = tmp_path / ".ruie"
    (home / "demo").mkdir(parents=True)
    files = ["worker.log", "redis.log", "demo/ruie.db", "demo/ruie.db-wal", "demo/llm.log"]
    for name in files:
        (home / name).write_text("text of a document")
    assert mode(home) == 0o755
    private_folder(home)
    assert [mode(home), mode(home / "demo")] == [0o700, 0o700]
    assert {mode(home / name) for name in files} == {0o600}


def test_a_folder_that_has_other_things_too_stays_open(tmp_path: Path) -> None:
    (tmp_path / "worker.log").write_text("text")
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "index.html").write_text("public")
    tmp_path.chmod(0o755)
    private_folder(tmp_path)
    assert mode(tmp_path) == mode(tmp_path / "page") == 0o755
    assert mode(tmp_path / "worker.log") == 0o600
    assert mode(tmp_path / "page" / "index.html") == 0o644
    assert not is_private(tmp_path)


def test_a_database(tmp_path: Path) -> None:
    path = tmp_path / "ruie.db"
    engine = open_engine(f"sqlite:///{path}")
    with engine.begin() as conn:
        conn.execute(text("CREATE TABLE t (a)"))
        assert {mode(file) for file in tmp_path.iterdir()} == {0o600}
        assert len(list(tmp_path.iterdir())) == 3
    engine.dispose()
    path.chmod(0o644)
    (tmp_path / "ruie.db-wal").touch(0o644)
    open_engine(f"sqlite:///{path}").dispose()
    assert mode(path) == 0o600


def test_a_file_that_is_shared_with_a_group_on_purpose_stays_so(tmp_path: Path) -> None:
    for chosen in (0o660, 0o640, 0o400):
        path = tmp_path / f"{chosen:o}.db"
        path.touch()
        path.chmod(chosen)
        private_file(path)
        assert mode(path) == chosen


def test_a_link_is_not_followed_to_change_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "public.html").write_text("public")
    home = tmp_path / "home"
    home.mkdir()
    (home / "x.log").symlink_to(tmp_path / "public.html")
    private_folder(home)
    assert mode(tmp_path / "public.html") == 0o644


def test_a_log_is_continued(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("one\n")
    with os.fdopen(open_private(tmp_path / "a.log"), "ab") as log:
        log.write(b"two\n")
    assert (tmp_path / "a.log").read_text() == "one\ntwo\n"
    assert mode(tmp_path / "a.log") == 0o600


WRITES = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()"


def test_a_database_that_is_open_keeps_its_locks(tmp_path: Path) -> None:
    """Closing any descriptor of a file drops the process' locks on it. Another process that closes
    the database then believes to be its last user, and removes its log under the others."""
    file = tmp_path / "ruie.db"
    engine = open_engine(f"sqlite:///{file}")
    with engine.begin() as conn:
        conn.execute(text("CREATE TABLE found (n INTEGER)"))
    open_engine(f"sqlite:///{file}").dispose()
    for sql in ("INSERT INTO found VALUES (1)", "INSERT INTO found VALUES (2)"):
        subprocess.run([sys.executable, "-c", f"{WRITES}; c.close()", file, sql], check=True)
    assert (tmp_path / "ruie.db-wal").exists()
    with engine.connect() as conn:
        assert conn.execute(text("SELECT COUNT(*) FROM found")).scalar_one() == 2
    engine.dispose()
