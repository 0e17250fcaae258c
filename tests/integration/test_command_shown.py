"""Every command that prints what comes from outside prints it harmless: on a terminal, too."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import insert, text
from support.terminal import STYLE, on_a_terminal

from ruie.db import job_states, queue
from ruie.db.engine import open_engine
from ruie.db.models import attempts
from ruie.errors import OutputError

Run = Callable[..., subprocess.CompletedProcess[str]]
EVIL = "\x1b]0;owned\x07\x1b]52;c;eA==\x07\x9b31m\u202e\rgone\x85x"
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture
def job(ruie: Run, tmp_path: Path, upgraded: Path) -> str:
    """A job of a file, a name, texts, answers and errors that would all like to be obeyed."""
    file = tmp_path / f"in{EVIL.replace('/', '')}.jsonl"
    lines = [json.dumps({"id": f"{n}{EVIL}", "text": f"Ada oil {EVIL} {n}"}) for n in range(2)]
    file.write_text("\n".join([*lines, json.dumps({"id": EVIL})]) + "\n")
    done = ruie("enqueue", file.name, "--schema", "news.yaml", "--name", f"n{EVIL}")
    made = done.stdout.strip()
    assert made.startswith("job_"), done.stderr
    assert "refused" in done.stderr
    assert not RAW.search(done.stderr)
    engine = open_engine(f"sqlite:///{upgraded}")
    with engine.begin() as conn:
        (batch,) = queue.dispatch(conn, made, 100, 100, 60)
        first, second = queue.lease(conn, batch.id, "worker", 60)
        prompt = [{"role": "user", "content": f"Sentence: {EVIL}"}]
        queue.quarantine(conn, first, OutputError(f"E {EVIL}"), raw_output=EVIL, prompt=prompt)
        queue.release(conn, [second])
        conn.execute(
            insert(attempts).values(
                work_item_id=first.id, job_id=made, attempt=1, error_class="transient",
                error=f"HTTP {EVIL}", model=f"m{EVIL}", prompt_tokens=1, cost_usd=0.0,
            )
        )  # fmt: skip  # two lines read better
        job_states.set_job_state(conn, made, "failed", f"reason {EVIL}")
        key = conn.scalar(text("SELECT max(id) FROM documents"))
        assert key
    engine.dispose()
    return made


COMMANDS = (
    ("status",), ("status", "JOB"), ("job", "show", "JOB"), ("wait", "JOB"),
    ("quarantine", "list"), ("quarantine", "show", "1"), ("search", "oil"),
    ("query", "SELECT text, digest FROM documents"), ("query", f"SELECT 1 AS \"{EVIL}\""),
    ("query", f"SELECT {EVIL}"), ("export", f"j{EVIL}"), ("schedule", "list"),
    ("schedule", "show", EVIL), ("review", "list"), ("pause", f"j{EVIL}"), ("cancel", EVIL),
    ("enqueue", f"{EVIL}.jsonl", "--schema", "news.yaml"), (f"c{EVIL}",), ("cap", "JOB", EVIL),
    ("enqueue", "in.txt", "--schema", f"{EVIL}.yaml"), ("retry", EVIL), ("doctor",),
    ("evaluate", EVIL, "--schema", "news.yaml"), ("convert", EVIL, "-o", "x.jsonl"),
    ("bundle", "show", EVIL),
)  # fmt: skip  # a list


def test_no_command_prints_what_a_terminal_obeys(ruie: Run, job: str) -> None:
    shown = 0
    for command in COMMANDS:
        arguments = [job if part == "JOB" else part for part in command]
        done = ruie(*arguments, RUIE_LLM_BASE_URL="http://127.0.0.1:1/v1")
        assert not RAW.search(done.stdout + done.stderr), command
        assert "Traceback" not in done.stderr, command
        shown += "\\u001b]0;owned" in done.stdout + done.stderr
    assert shown >= 12


def test_a_schedule_with_a_hostile_source(ruie: Run, job: str) -> None:
    source = f"{EVIL}.jsonl"
    made = ruie("schedule", "add", "s", "--cron", "0 2 * * *", "--source", source,
                "--schema", "news.yaml")  # fmt: skip  # one command
    assert made.returncode == 0, made.stderr
    for command in (("schedule", "list"), ("schedule", "show", "s")):
        done = ruie(*command)
        assert not RAW.search(done.stdout + done.stderr)


def test_data_is_harmless_on_a_terminal_and_as_it_is_in_a_file(
    ruie: Run, job: str, tmp_path: Path
) -> None:
    sql = "SELECT text FROM documents"
    for command in (["query", sql], ["query", "--format", "csv", sql],
                    ["query", "--format", "json", sql], ["status", job],
                    ["quarantine", "show", "1", "--json"]):  # fmt: skip  # a list
        written = on_a_terminal(command, tmp_path).replace("\r\n", "\n")
        assert "owned" in written or command[0] == "status", written
        assert not RAW.search(STYLE.sub("", written)), command
    assert EVIL.replace("\r", "\n") in ruie("query", "--format", "csv", sql).stdout
    lines = ruie("query", "--format", "json", sql).stdout.split("\n")[:2]
    assert {json.loads(line)["text"] for line in lines} == {f"Ada oil {EVIL} {n}" for n in (0, 1)}
    ruie("query", "--format", "csv", "-o", "out.csv", sql)
    assert EVIL in (tmp_path / "out.csv").read_bytes().decode()
