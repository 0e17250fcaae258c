"""Batches that somebody carries as files: `ruie batch write`, what `vllm run-batch` makes of them,
`ruie batch read`. There is no endpoint that could be called."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from support.batch_file import run_batch
from support.batch_provider import BatchPlan, Fault
from support.corpus import SCHEMA, rows
from support.metered import MeteredEndpoint
from support.metering import Plan
from support.pipeline import work_off, work_until

from ruie.settings import Settings, load
from ruie.worker.client import Client

Run = Callable[..., subprocess.CompletedProcess[str]]
RECORDS = (
    "SELECT external_id, type, text, char_start, char_end, grounding FROM entity_mentions",
    "SELECT external_id, type, head_text, tail_text, head_start, tail_start FROM relation_mentions",
    "SELECT external_id, type, trigger_text, trigger_start, role, argument_text, argument_start"
    " FROM event_mentions",
)
PLAN = Plan(delay_s=(0.0, 0.0))


def settings_of(database: str, redis: str, bundle: Path, **more: Any) -> Settings:
    shared: dict[str, Any] = {
        "llm_model": "scripted", "llm_max_tokens": 48, "demonstrations": 2, "batch_size": 8,
        "database_url": database, "redis_url": redis, "bundle": bundle,
    }  # fmt: skip  # a setting is a few words
    return load(**shared, **more)


def records_of(client: Client) -> list[list[tuple[Any, ...]]]:
    with client.engine.connect() as conn:
        found = [conn.execute(text(query)).all() for query in RECORDS]
    return [sorted(map(tuple, rows)) for rows in found]


@dataclass
class Carried:
    """A job whose requests are carried by hand."""

    config: Settings
    ruie: Run
    folder: Path
    job: str = ""
    files: int = 0

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.ruie(*arguments, **self.config.environment())

    def enqueue(self, count: int = 6) -> None:
        with Client(self.config) as client:
            self.job = client.enqueue(rows(count, 1), SCHEMA, mode="batch").job_id

    def work(self) -> None:
        """Until nothing is left to be done before a file comes back."""
        work_until(self.config, lambda _: self.state() != "running" or self.waits())

    def waits(self) -> bool:
        """Whether every item that is open waits for its answer."""
        todo = self.count("work_items", "state IN ('pending', 'leased')")
        return not todo and self.count("work_items", "state = 'submitted'") > 0

    def write(self) -> Path:
        self.files += 1
        path = self.folder / f"requests-{self.files}.jsonl"
        done = self.run("batch", "write", self.job, "-o", str(path))
        assert done.returncode == 0, done.stderr
        return path

    def answer(self, path: Path, plan: Plan = PLAN, *faults: Fault) -> Path:
        answers = path.with_name(f"answers-{self.files}.jsonl")
        run_batch(path, answers, plan, BatchPlan(faults=faults))
        return answers

    def read(self, path: Path) -> str:
        done = self.run("batch", "read", str(path))
        assert done.returncode == 0, done.stderr
        return done.stdout

    def count(self, table: str, where: str = "1 = 1") -> int:
        query = text(f"SELECT COUNT(*) FROM {table} WHERE {where}")
        with Client(self.config) as client, client.engine.connect() as conn:
            return int(conn.execute(query).scalar_one())

    def state(self) -> str:
        with Client(self.config) as client:
            return str(client.progress(self.job).state)

    def carry(self, plan: Plan = PLAN, *faults: Fault) -> None:
        """Files there and back until the job is done."""
        self.work()
        while self.state() == "running":
            self.read(self.answer(self.write(), plan, *faults))
            self.work()


@pytest.fixture
def carried(ruie: Run, upgraded: Path, url: str, bundle_path: Path, tmp_path: Path) -> Carried:
    config = settings_of(f"sqlite:///{upgraded}", url, bundle_path, llm_batches="file")
    return Carried(config, ruie, tmp_path)


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[MeteredEndpoint]:
    (folder := tmp_path / "endpoint").mkdir()
    with MeteredEndpoint(PLAN, folder) as running:
        yield running


def test_records_are_those_of_ordinary_mode(
    carried: Carried, endpoint: MeteredEndpoint, database_url: str, url: str, bundle_path: Path
) -> None:
    carried.enqueue()
    carried.carry()
    assert carried.files == 2  # arguments are asked for when the events are known
    assert not carried.count("provider_requests")
    assert carried.count("provider_batches", "state = 'done'") == 2
    config = settings_of(database_url, url, bundle_path, llm_base_url=endpoint.url)
    with Client(config) as ordinary, Client(carried.config) as client:
        job = ordinary.enqueue(rows(6, 1), SCHEMA).job_id
        assert work_off(config, job) == "done"
        records = records_of(client)
        assert records == records_of(ordinary)
    assert all(records)


def test_a_file_that_is_read_twice_changes_nothing(carried: Carried) -> None:
    carried.enqueue()
    carried.work()
    answers = carried.answer(carried.write())
    assert "18 answers and 0 errors are stored, 0 lines" in carried.read(answers)
    assert "0 answers and 0 errors are stored, 18 lines" in carried.read(answers)
    carried.work()
    assert "0 answers and 0 errors are stored, 18 lines" in carried.read(answers)
    carried.carry()
    assert carried.count("extractions") == 24
    assert not carried.count("provider_requests")


def test_half_a_file_leaves_the_rest_waiting(carried: Carried) -> None:
    carried.enqueue()
    carried.work()
    answers = carried.answer(carried.write())
    lines = answers.read_bytes().splitlines(keepends=True)
    answers.write_bytes(b"".join(lines[:10]) + lines[10][:50])
    said = carried.read(answers)
    assert "10 answers and 0 errors are stored, 1 lines" in said
    assert "batch 1: 8 requests have no line; `ruie batch cancel 1` sends them again" in said
    carried.work()
    assert carried.count("work_items", "state = 'submitted'")
    answers.write_bytes(b"".join(reversed(lines)))
    assert "8 answers and 0 errors are stored, 10 lines" in carried.read(answers)
    carried.carry()
    assert carried.count("extractions") == 24


def test_lines_that_are_not_its_own_are_left_out(carried: Carried) -> None:
    carried.enqueue()
    carried.work()
    answers = carried.answer(carried.write())
    first = json.loads(answers.read_bytes().splitlines()[0])
    item, request, token = first["custom_id"].split("-")
    foreign = ["", f"{item}-{request}-{'0' * 24}", f"{item}-999999-{token}", "x", f"{item}-{token}"]
    lines = [json.dumps({**first, "custom_id": each}) for each in foreign]
    strange = carried.folder / "strange.jsonl"
    strange.write_text("\n".join([*lines, "[]", "{", "", '{"custom_id": 1}', "\x00"]) + "\n")
    assert "0 answers and 0 errors are stored, 9 lines" in carried.read(strange)
    requests = carried.folder / "of-another-database.jsonl"
    requests.write_text(json.dumps({**first, "custom_id": foreign[1]}) + "\n\n[]\n")
    refused = carried.run("batch", "read", str(requests))
    assert refused.returncode == 1
    assert "has no line of a batch of this database" in refused.stderr
    carried.read(answers)
    carried.carry()
    assert carried.count("extractions") == 24


def test_a_batch_that_is_cancelled_is_written_again(carried: Carried) -> None:
    """Its answers come too late then; they belong to no request."""
    carried.enqueue()
    carried.work()
    path = carried.write()
    assert carried.run("batch", "write", carried.job, "-o", str(path)).returncode == 2  # it exists
    assert carried.run("batch", "cancel", "1").returncode == 0
    assert carried.state() == "paused"
    assert carried.run("resume", carried.job).returncode == 0
    carried.work()
    again = carried.write()
    assert carried.count("provider_batches", "state = 'done'") == 1
    late = path.with_name("late.jsonl")
    run_batch(path, late, PLAN)
    assert "0 answers and 0 errors are stored, 18 lines" in carried.read(late)
    carried.read(carried.answer(again))
    carried.carry()
    assert carried.count("extractions") == 24


def test_requests_that_fail_are_written_again(carried: Carried) -> None:
    """As often as there are attempts; a line that never came is another matter."""
    carried.enqueue()
    carried.work()
    plan = Plan(delay_s=(0.0, 0.0), faults=0.5, kinds=("500", "length"), most=1)
    said = carried.read(carried.answer(carried.write(), plan))
    assert " 0 errors" not in said
    carried.carry()
    assert carried.count("extractions") == 24
    assert carried.count("attempts")


def test_a_worker_without_an_endpoint_has_to_know_the_model(carried: Carried) -> None:
    said = carried.ruie("worker", **{**carried.config.environment(), "RUIE_LLM_MODEL": ""})
    assert said.returncode == 2
    assert "RUIE_LLM_MODEL is not set" in said.stderr


@pytest.mark.parametrize("command", ["worker", "coordinator"])
def test_a_form_that_does_not_go_with_its_requests_is_said_at_the_start(
    carried: Carried, command: str
) -> None:
    wrong = {"RUIE_LLM_BATCHES": "anthropic", "RUIE_LLM_BASE_URL": "http://127.0.0.1:1/v1"}
    said = carried.ruie(command, **{**carried.config.environment(), **wrong})
    assert said.returncode == 2
    assert "RUIE_LLM_BATCHES=anthropic does not go with" in said.stderr
