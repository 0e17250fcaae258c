"""Enqueueing is broken off in every way, and gone on with: nothing twice, nothing missed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.databases import Server
from support.job_database import JobDatabase
from support.waiting import PATIENCE_S, wait_until

from ruie.db.engine import reading
from ruie.schema import Schema
from ruie.settings import load
from ruie.worker.client import Client
from ruie.worker.ingest.dry_run import DryRun
from ruie.worker.ingest.enqueue import Enqueued, EnqueueProgress

SCHEMA = Schema("news", entities={"person": ""}, relations={"knows": ""})
DOCUMENTS = 30_000
COUNTS = ("documents", "new_documents", "items", "refused", "changed", "unchanged", "removed")


def write(path: Path, documents: int, first: int = 0, word: str = "met") -> Path:
    """A file of different texts, of which each thousandth line cannot be read."""
    with path.open("w", encoding="utf-8") as file:
        for n in range(first, first + documents):
            row = {
                "id": f"d{n}",
                "text": f"Person {n} {word} person {n + 1} .",
                "date": "2026-01-31",
            }
            file.write("{broken\n" if n % 1000 == 999 else json.dumps(row) + "\n")
    return path


@pytest.fixture
def client(url: str, engine: Any) -> Client:
    return Client(load(database_url=url), engine)


def heed_ctrl_c() -> None:
    """What a shell starts in the background ignores Ctrl-C, and so would all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def start(url: str, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `ruie enqueue` of the test's folder."""
    (tmp_path / "news.yaml").write_text("name: news\nentities: [person]\nrelations: [knows]\n")
    clean = {k: v for k, v in os.environ.items() if not k.startswith("RUIE_")}
    started = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "ruie.worker.cli", "enqueue", "--schema", "news.yaml",
             *arguments],
            cwd=tmp_path, env={**clean, "RUIE_DATABASE_URL": url},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_ctrl_c,
        )  # fmt: skip  # one process
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def enqueued(database: JobDatabase) -> int:
    """How many there are, without waiting for the one who writes."""
    with reading(database.engine) as conn:
        return int(conn.exec_driver_sql("SELECT COUNT(*) FROM origins").scalar_one())


def audit(database: JobDatabase, documents: int = DOCUMENTS) -> None:
    """One job that is wholly enqueued, with each line of the file once."""
    good = documents - documents // 1000
    assert database.one("SELECT COUNT(*) FROM jobs WHERE enqueued_at IS NOT NULL") == 1
    assert database.one("SELECT COUNT(*) FROM jobs") == 1
    for counted, expected in (
        ("COUNT(*) FROM documents", good),
        ("COUNT(*) FROM origins", good),
        ("COUNT(DISTINCT line) FROM origins", good),
        ("COUNT(*) FROM chunks", good),
        ("COUNT(*) FROM work_items", 2 * good),
        ("COUNT(DISTINCT chunk_id) FROM work_items", good),
        ("COUNT(*) FROM input_errors", documents // 1000),
        ("COUNT(DISTINCT line) FROM input_errors", documents // 1000),
    ):
        assert database.one(f"SELECT {counted}") == expected, counted
    assert database.rows("SELECT position, state FROM job_sources") == [(documents, "done")]


def wait_for_documents(database: JobDatabase, documents: int) -> None:
    wait_until(lambda: enqueued(database) >= documents)


@pytest.mark.parametrize(
    "server", [pytest.param("sqlite", marks=pytest.mark.slow), "postgresql"], indirect=True
)
def test_killed_and_started_again(
    database: JobDatabase, start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    write(tmp_path / "in.jsonl", DOCUMENTS)
    for at_least in (1, 10_000):
        process = start("in.jsonl")
        wait_for_documents(database, at_least)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert enqueued(database) < DOCUMENTS - DOCUMENTS // 1000
    stdout, stderr = start("in.jsonl").communicate(timeout=PATIENCE_S)
    assert "continued the job that was interrupted" in stderr
    assert database.rows("SELECT id FROM jobs") == [(stdout.strip(),)]
    audit(database)


@pytest.mark.parametrize(
    "server", [pytest.param("sqlite", marks=pytest.mark.slow), "postgresql"], indirect=True
)
def test_ctrl_c_says_how_to_continue(
    database: JobDatabase, start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    write(tmp_path / "in.jsonl", DOCUMENTS)
    process = start("in.jsonl")
    wait_until(lambda: enqueued(database) >= 1)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=PATIENCE_S)
    job = database.one("SELECT id FROM jobs")
    assert (process.returncode, stdout) == (130, "")
    assert "the same command continues from there" in stderr
    assert f"`ruie cancel {job}` discards the job" in stderr
    again = start("in.jsonl")
    assert again.communicate(timeout=PATIENCE_S)[0].strip() == job
    audit(database)


@pytest.mark.parametrize("server", ["postgresql"], indirect=True)
def test_a_database_that_restarts_is_waited_for(
    database: JobDatabase, server: Server, client: Client, tmp_path: Path
) -> None:
    crashes: list[threading.Timer] = []

    def progress(reached: EnqueueProgress) -> None:
        under_way = bool(crashes) and crashes[-1].is_alive()
        if reached.documents and len(crashes) < 2 and not under_way:
            # in a thread: the next transaction has begun when the server ends
            crashes.append(threading.Timer(0.1 * len(crashes), server.crash))
            crashes[-1].start()

    path = write(tmp_path / "in.jsonl", DOCUMENTS)
    done = client.enqueue_files([path], SCHEMA, progress)
    for crash in crashes:
        crash.join()
    assert len(crashes) == 2
    assert done.documents == DOCUMENTS - DOCUMENTS // 1000
    audit(database)


class Stop(Exception):
    """What a test breaks an enqueueing off with."""


def stop_after(documents: int) -> Callable[[EnqueueProgress], None]:
    def progress(reached: EnqueueProgress) -> None:
        if reached.documents >= documents:
            raise Stop

    return progress


def broken_off(client: Client, place: Path) -> None:
    """An enqueueing that ends after its first batch."""
    with pytest.raises(Stop):
        client.enqueue_files([place], SCHEMA, stop_after(1))


def test_a_source_that_changed_meanwhile_is_read_anew(
    database: JobDatabase, client: Client, tmp_path: Path
) -> None:
    path = write(tmp_path / "in.jsonl", 8_000)
    broken_off(client, path)
    write(path, 6_000, word="saw")
    done = client.enqueue_files([path], SCHEMA)
    assert (done.documents, done.continued) == (5_994, False)
    jobs = database.rows("SELECT state, reason FROM jobs ORDER BY id")
    assert jobs == [
        ("cancelled", f"{path} changed while it was being enqueued; another job took its place"),
        ("running", None),
    ]
    assert database.one("SELECT COUNT(*) FROM work_items WHERE state = 'pending'") == 2 * 5_994


def test_another_job_where_it_is_wanted_or_asked_otherwise(
    database: JobDatabase, client: Client, tmp_path: Path
) -> None:
    path = write(tmp_path / "in.jsonl", 8_000)
    broken_off(client, path)
    for options in ({"new_job": True}, {"model": "large"}, {"corpus": "c"}, {"force": True}):
        assert not client.enqueue_files([path], SCHEMA, **options).continued
    other = Schema("news", entities={"place": ""})
    assert not client.enqueue_files([path], other).continued
    assert client.enqueue_files([path], SCHEMA, name="any", cap_usd=None).continued
    assert database.one("SELECT COUNT(*) FROM jobs") == 6


def test_a_file_whose_name_is_no_utf_8(
    database: JobDatabase, client: Client, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    path = write(folder / os.fsdecode(b"caf\xe9.jsonl"), 12_000)
    broken_off(client, folder)
    done = client.enqueue_files([path], SCHEMA, corpus="c")
    assert (done.documents, done.refused) == (11_988, 12)
    again = client.enqueue_files([folder], SCHEMA)
    assert (again.documents, again.continued, again.refused) == (11_988, True, 2)
    os.utime(path)
    assert client.enqueue_files([path], SCHEMA, corpus="c").unchanged == 11_988
    named = database.rows("SELECT DISTINCT source FROM origins")
    assert named == [(f"{folder}/caf\\xe9.jsonl",)]


def test_new_files_in_a_folder_join_an_interrupted_job(
    database: JobDatabase, client: Client, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    write(folder / "a.jsonl", 3_000)
    write(folder / "b.jsonl", 3_000, first=10_000)
    broken_off(client, folder)
    write(folder / "c.jsonl", 1_000, first=20_000)
    done = client.enqueue_files([folder], SCHEMA)
    assert (done.documents, done.continued) == (6_993, True)
    assert database.one("SELECT COUNT(DISTINCT external_id) FROM origins") == 6_993


def both(client: Client, paths: list[Path], **options: Any) -> tuple[DryRun, Enqueued]:
    """What a dry run counts, and then what is done."""
    counted = client.dry_run(paths, SCHEMA, **options)
    return counted, client.enqueue_files(paths, SCHEMA, **options)


def test_a_dry_run_counts_what_is_then_done_and_writes_nothing(
    database: JobDatabase, client: Client, tmp_path: Path
) -> None:
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    write(one, 7_000)
    write(two, 7_000, first=6_500)  # 500 ids and texts in both
    client.dry_run([one, two], SCHEMA, corpus="c")
    assert database.one("SELECT COUNT(*) FROM jobs") == 0
    steps = []
    for change in (
        lambda: None,
        lambda: None,
        lambda: write(two, 100, first=6_990, word="saw"),
        lambda: write(one, 6_990),
    ):
        change()
        counted, done = both(client, [one, two], corpus="c")
        for count in COUNTS:
            assert getattr(counted, count) == getattr(done, count), count
        assert counted.errors == done.errors
        steps.append((done.documents, done.changed, done.unchanged, done.removed))
    assert steps == [
        (13_487, 0, 0, 0),
        (0, 0, 13_487, 0),
        (90, 90, 6_993, 6_404),  # and nine ids of one.jsonl, which is as it was: refused
        (0, 0, 7_074, 9),
    ]


def test_a_dry_run_of_an_interrupted_job_counts_the_rest(
    client: Client, database: JobDatabase, tmp_path: Path
) -> None:
    path = write(tmp_path / "in.jsonl", 12_000)
    broken_off(client, path)
    in_already = database.one("SELECT COUNT(*) FROM origins")
    counted = client.dry_run([path], SCHEMA)
    assert counted.continues == database.one("SELECT id FROM jobs")
    assert counted.documents == 11_988 - in_already


def test_rows_of_a_program_know_their_corpus(client: Client, database: JobDatabase) -> None:
    rows = [{"id": str(n), "text": f"Text {n}"} for n in range(3)]
    client.enqueue(rows, SCHEMA, corpus="c")
    rows[1]["text"] = "Another text"
    done = client.enqueue(rows[1:], SCHEMA, corpus="c")
    assert (done.documents, done.changed, done.unchanged, done.removed) == (1, 1, 1, 0)
