"""What a shell completes after `ruie`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.job_database import JobDatabase
from support.provider_job import ProviderJob

from ruie.db import provider_batches
from ruie.db.engine import open_engine

Run = Callable[..., subprocess.CompletedProcess[str]]
EVIL = "\x1b]0;owned\x07"


@pytest.fixture
def database(upgraded: Path) -> Iterator[JobDatabase]:
    engine = open_engine(f"sqlite:///{upgraded}")
    yield JobDatabase(engine)
    engine.dispose()


def completed(ruie: Run, line: str, shell: str = "bash") -> list[str]:
    """The lines that a shell gets to complete the last word of this one."""
    words = line.split(" ")
    done = ruie(
        COMP_WORDS=line, COMP_CWORD=words[-1] if shell == "fish" else str(len(words) - 1),
        _RUIE_COMPLETE=f"{shell}_complete",
    )  # fmt: skip  # a call
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1] if done.stdout.strip() else []


def test_jobs_are_completed_where_a_command_takes_one(ruie: Run, database: JobDatabase) -> None:
    first, second = database.job(f"oil {EVIL}"), database.job("news\nof today")
    for line in ("status ", "wait ", "export ", "search --job ", "review import x --job ",
                 "job show ", "quarantine list ", "cap "):  # fmt: skip  # a list
        assert completed(ruie, f"ruie {line}") == [f"plain,{second}", f"plain,{first}"], line
    assert completed(ruie, f"ruie status {first}") == [f"plain,{first}"]
    assert completed(ruie, f"ruie wait {first} ") == [f"plain,{second}"]
    shown = completed(ruie, "ruie status ", "zsh")
    assert shown[:3] == ["plain", second, "news of today, running"]
    assert shown[5].startswith("oil \\u001b")


def test_open_batches_are_completed(ruie: Run, database: JobDatabase) -> None:
    job = ProviderJob(database)
    job.enqueue(["Crude fell."])
    job.submit()
    number = job.cut()
    for line in ("batch show ", "batch cancel "):
        assert completed(ruie, f"ruie {line}") == [f"plain,{number}"]
    shown = completed(ruie, "ruie batch cancel ", "zsh")
    assert shown[:3] == ["plain", str(number), f"{job.id}, preparing"]
    with database.engine.begin() as conn:
        assert provider_batches.refused(conn, number, "failed", "no")
    assert completed(ruie, "ruie batch show ") == []


def test_commands_schedules_tables_and_options_are_completed(ruie: Run, upgraded: Path) -> None:
    assert completed(ruie, "ruie st") == ["plain,status"]
    assert completed(ruie, "ruie job s") == ["plain,set", "plain,show"]
    assert completed(ruie, "ruie status --w") == ["plain,--watch"]
    assert completed(ruie, "ruie tables entity_") == [
        "plain,entity_mentions", "plain,entity_pairs",
    ]  # fmt: skip  # a line
    made = ruie("schedule", "add", "nightly", "--cron", "0 2 * * *", "--source", "/data",
                "--schema", "news.yaml")  # fmt: skip  # one command
    assert made.returncode == 0, made.stderr
    assert completed(ruie, "ruie schedule run ") == ["plain,nightly"]
    assert completed(ruie, "ruie schedule add ") == []


def test_without_a_database_nothing_is_offered(ruie: Run, tmp_path: Path) -> None:
    assert completed(ruie, "ruie status ") == []
    (tmp_path / "ruie.toml").write_text("nonsense = 1\n")
    assert completed(ruie, "ruie status ") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(ruie: Run, shell: str) -> None:
    done = ruie(_RUIE_COMPLETE=f"{shell}_source")
    assert done.returncode == 0, done.stderr
    assert f"_RUIE_COMPLETE={shell}_complete" in done.stdout
    assert "_ruie_completion" in done.stdout


def test_bash_completes_with_it(database: JobDatabase, tmp_path: Path) -> None:
    bash = shutil.which("bash")
    assert bash
    job = database.job()
    program = tmp_path / "bin" / "ruie"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m ruie.worker.cli "$@"\n')
    program.chmod(0o755)
    script = """eval "$(_RUIE_COMPLETE=bash_source ruie)"
COMP_WORDS=(ruie status job_); COMP_CWORD=2
_ruie_completion ruie job_ status
echo "${COMPREPLY[@]}" """
    done = subprocess.run(
        [bash, "-c", f'PATH="{program.parent}:$PATH"\n{script}'],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip  # a call
    assert done.stdout.split() == [job], done.stderr
