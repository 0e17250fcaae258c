"""The `ruie` command as a user meets it: what it prints, and how it ends when things are wrong."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.endpoint import ScriptedEndpoint, answer

from ruie.worker.embedded.redis_server import RedisServer

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_bad_lines_are_reported_and_the_rest_is_enqueued(ruie: Run, tmp_path: Path) -> None:
    lines = [
        b'{"id": "a", "text": "Ada went to Rome ."}',
        b"not json",
        b'{"id": "b"}',
        b"",
        b'{"id": "c", "text": "\xff"}',
        b'{"id": "a", "text": "Another Ada ."}',
        b'{"id": "d", "text": "' + b"x" * 60 + b'"}',
        b'{"id": "e", "text": "Bo went to Oslo ."}',
    ]
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    assert ruie("db", "upgrade").returncode == 0

    done = ruie("enqueue", "in.jsonl", "--schema", "news.yaml", RUIE_MAX_DOCUMENT_CHARS="50")

    assert done.returncode == 0, done.stderr
    job_id = done.stdout.strip()
    reported = {line.split()[1] for line in done.stderr.splitlines() if line.startswith("refused")}
    assert reported == {f"in.jsonl:{n}" for n in (2, 3, 4, 5, 6, 7)}
    assert "2 documents (2 new), 2 work items, 6 refused" in done.stderr
    printed = json.loads(ruie("status", job_id, "--json").stdout)
    assert (printed["documents"], printed["input_errors"], printed["open"]) == (2, 6, 2)
    rows = ruie("query", "SELECT line, reason FROM input_errors ORDER BY line", "--format", "csv")
    assert rows.stdout.splitlines() == [
        "line,reason",
        "2,is not JSON (Expecting value)",
        "3,lacks 'text'",
        "4,is empty",
        "5,is not UTF-8 (byte 22); save the file as UTF-8",
        "6,repeats the id 'a'",
        '7,"has 60 characters, more than 50 (RUIE_MAX_DOCUMENT_CHARS)"',
    ]


@pytest.mark.usefixtures("upgraded")
def test_nothing_usable_ends_with_1(ruie: Run, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("nonsense\n")
    assert ruie("enqueue", "in.jsonl", "--schema", "news.yaml").returncode == 1


WRONG = [
    (("enqueue", "no.jsonl", "--schema", "news.yaml"), {}, 2, "no file no.jsonl"),
    (("enqueue", "news.yaml", "--schema", "news.yaml"), {}, 2, "of no known kind"),
    (("enqueue", "x.txt", "--schema", "no.yaml"), {}, 2, "no schema file no.yaml"),
    (("status", "job_0"), {}, 4, "no job job_0"),
    (("status", "--nonsense"), {}, 2, "No such option"),
    (("query", "DELETE FROM jobs"), {}, 4, "refuses"),
    (("query", "SELECT x FROM nowhere"), {}, 4, "nowhere"),
    (("worker",), {}, 2, "RUIE_REDIS_URL is not set"),
    (("worker",), {"RUIE_REDIS_URL": "redis://127.0.0.1:1/0"}, 3, "does not answer"),
    (("status",), {"RUIE_DATABASE_URL": "postgresql://u:secret@127.0.0.1:1/d"}, 3, "127.0.0.1"),
    (("status",), {"RUIE_LEASE_S": "soon"}, 2, "RUIE_LEASE_S"),
    (("status",), {"RUIE_NONSENSE": "1"}, 2, "RUIE_NONSENSE"),
    (("evaluate", "x.jsonl"), {}, 2, "no file x.jsonl"),
    (("bundle", "verify", "nowhere"), {}, 4, "no bundle at nowhere"),
]


@pytest.mark.usefixtures("upgraded")
@pytest.mark.parametrize(("arguments", "settings", "code", "message"), WRONG)
def test_an_error_is_one_sentence_and_a_code(
    ruie: Run, arguments: tuple[str, ...], settings: dict[str, str], code: int, message: str
) -> None:
    done = ruie(*arguments, **settings)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 4


def test_a_database_that_is_not_ours_or_empty_is_named(ruie: Run, tmp_path: Path) -> None:
    done = ruie("status")
    assert done.returncode == 4
    assert "ruie db upgrade" in done.stderr
    (tmp_path / "ruie.db").write_text("this is no database, whatever its name says")
    done = ruie("status")
    assert done.returncode in (3, 4)
    assert "Traceback" not in done.stderr


def test_doctor_says_what_is_wrong_and_how_to_fix_it(
    ruie: Run, bundle_path: Path, redis_url: str
) -> None:
    with ScriptedEndpoint(answer("None")) as endpoint:
        well = {
            "RUIE_REDIS_URL": redis_url,
            "RUIE_LLM_BASE_URL": endpoint.url,
            "RUIE_BUNDLE": str(bundle_path),
        }
        sick = json.loads(ruie("doctor", "--json", **{**well, "RUIE_BUNDLE": "none"}).stdout)
        assert {c["part"] for c in sick if not c["ok"]} == {"database", "bundle"}
        assert all(c["hint"] for c in sick if not c["ok"])
        # the names of version 0.1
        assert all(
            (c["well"], c["found"], c["mend"]) == (c["ok"], c["detail"], c["hint"]) for c in sick
        )
        ruie("db", "upgrade")
        done = ruie("doctor", **well)
    assert done.returncode == 0, done.stdout
    assert "wrong" not in done.stdout


def test_doctor_refuses_a_redis_that_evicts(ruie: Run, tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "redis", policy="allkeys-lru")
    try:
        checks = json.loads(ruie("doctor", "--json", RUIE_REDIS_URL=server.url).stdout)
    finally:
        server.stop()
    (redis_check,) = [check for check in checks if check["part"] == "redis"]
    assert not redis_check["ok"]
    assert "noeviction" in redis_check["hint"]


def test_a_job_whose_enqueueing_was_interrupted_is_not_processed(tmp_path: Path) -> None:
    from ruie.db import migrate
    from ruie.db.engine import open_engine
    from ruie.schema import Schema
    from ruie.settings import load
    from ruie.worker.client import Client

    config = load(database_url=f"sqlite:///{tmp_path / 'ruie.db'}")
    migrate.upgrade(open_engine(config.database_url))
    client = Client(config)

    def rows() -> Iterator[dict[str, str]]:  # a source that breaks off
        yield from ({"text": f"Sentence {i} ."} for i in range(700))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.enqueue(rows(), Schema("news", entities={"person": ""}))

    (job,) = client.jobs()
    assert (job.state, job.reason) == ("cancelled", "enqueueing was interrupted")
    assert client.progress(job.id).open == 0
