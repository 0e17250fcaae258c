"""`ruie status` and `ruie wait` of a job whose requests are in batches at a provider."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from rich.console import Console
from support.job_database import JobDatabase
from support.provider_job import ProviderJob

from ruie.db import provider_batches
from ruie.db.engine import open_engine
from ruie.db.progress import JobProgress, TaskProgress
from ruie.records import Task
from ruie.worker.cli.batch_lines import batch_line
from ruie.worker.cli.progress_view import detail
from ruie.worker.job_status import JobStatus

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def job(database_url: str) -> Iterator[ProviderJob]:
    """Two items are done alone, two in a batch, one waits for one."""
    engine = open_engine(database_url)
    database = JobDatabase(engine)
    made = ProviderJob(database)
    made.enqueue([f"Crude fell {n} %." for n in range(5)])
    first, second, *others, last = database.take(made.id)
    for item in (first, second):
        database.save(item)
    made.submit(others)
    made.sent()
    made.submit([last])
    yield made
    engine.dispose()


@pytest.fixture
def shown(ruie: Run, database_url: str) -> Run:
    """The command, on this database."""
    return lambda *words: ruie(*words, RUIE_DATABASE_URL=database_url)


def test_the_batches_of_a_job_are_listed(shown: Run, job: ProviderJob) -> None:
    done = shown("status", job.id)
    assert done.returncode == 0, done.stderr
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[0] == f"{job.id} oil running, enqueueing"
    (batch,) = (line for line in lines if line.startswith("batch"))
    assert batch.startswith("batch 1 running (in_progress), sent ")
    assert batch.endswith("ago: 0 of 2 requests answered")
    assert "waiting 1 request for a batch" in lines
    assert "NER 5 2 0 0 3 0 0 0" in lines
    assert not [line for line in lines if line.startswith("left")]


def test_they_are_there_for_programs(shown: Run, job: ProviderJob) -> None:
    with job.database.engine.begin() as conn:
        provider_batches.still_running(conn, 1, 5.0, "finalizing", 1)
        provider_batches.look_again(conn, 1, 5.0, "It is\naway.")
    document = json.loads(shown("status", job.id, "--json").stdout)
    counts = [document[name] for name in ("submitted", "open", "requests_waiting")]
    assert (counts, document["seconds_left"]) == ([3, 3, 1], None)
    (batch,) = document["batches"]
    assert (batch["id"], batch["state"], batch["requests"]) == (1, "running", 2)
    assert batch["answered"] == 1
    assert (batch["provider_state"], batch["error"]) == ("finalizing", "It is\naway.")
    assert "last error: It is away." in " ".join(shown("status", job.id).stdout.split())


def test_a_log_says_how_much_is_in_batches(shown: Run, job: ProviderJob) -> None:
    with job.database.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE jobs SET enqueued_at = created_at")
    waited = shown("wait", job.id, "--timeout", "0")
    assert f"{job.id} running, 3 in batches: 2 of 5 items done" in waited.stderr
    assert "running, 3 in batches" in " ".join(shown("status").stdout.split())


def test_a_batch_that_ended_is_not_listed(shown: Run, job: ProviderJob) -> None:
    job.answer(1)
    with job.database.engine.begin() as conn:
        provider_batches.ended(conn, 1, "completed")
        provider_batches.harvested(conn, 1)
        provider_batches.done(conn, 1)
    assert "batch 1" not in shown("status", job.id).stdout


def test_what_a_line_says() -> None:
    batch = provider_batches.ProviderBatch(
        id=7, token="t", endpoint="e", model="m", scope="job", state="running", creates=1,
        input_file="f", provider_id="b", provider_state="in_progress", doubles=None, requests=1200,
        prompt_tokens=1, answered=900, failed=3, cancelling=True, error="no",
        created_at=datetime(2026, 1, 1, tzinfo=UTC), submitted_at=None, ended_at=None, due=True,
        since_s=7200.0,
    )  # fmt: skip  # a batch
    assert batch_line(batch) == (
        "cancelling (in_progress), sent 2 h 0 min ago: 900 of 1,200 requests answered, 3 failed; "
        "last error: no"
    )


def test_the_table_fits_a_terminal() -> None:
    task = TaskProgress(Task.NER, done=999_999, submitted=999_999)
    progress = JobProgress(
        "job_0123456789ab", "oil", "running", None, True, 999_999, 0, (task,), 0, 0, 0, 0, 0.0,
        None, None, 0.05,
    )  # fmt: skip  # a job
    screen = Console(width=80)
    with screen.capture() as written:
        screen.print(detail(JobStatus(progress)))
    head, row = (line.split() for line in written.get().splitlines()[-2:])
    assert dict(zip(head, row, strict=True))["submitted"] == "999,999"


def test_a_list_of_no_job_is_an_error(shown: Run, job: ProviderJob) -> None:
    assert shown("batch", "list", job.id).returncode == 0
    idle = job.database.job("idle", corpus="news")
    for name in (idle, "news"):
        listed = shown("batch", "list", name)
        assert (listed.returncode, listed.stdout) == (0, "no batches\n"), listed.stderr
    for words in (("job_nope",), ("job_nope", "--json")):
        wrong = shown("batch", "list", *words)
        assert wrong.returncode == 4
        assert "There is no job job_nope." in wrong.stderr
