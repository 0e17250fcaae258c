"""`ruie job`: showing and changing the settings of a job."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.endpoint import ScriptedEndpoint, answer
from support.job_database import JobDatabase

from ruie.client import Client
from ruie.db import job_states, queue
from ruie.db.engine import open_engine
from ruie.errors import DatabaseError, OutputError, UsageError
from ruie.schema import Schema
from ruie.settings import load

Run = Callable[..., subprocess.CompletedProcess[str]]
ENQUEUE = ("enqueue", "in.txt", "--schema", "news.yaml", "--model", "small")
PRICES = {"RUIE_LLM_PRICES": '{"small": [0.4, 1.6], "large": [2, 8]}'}


@pytest.fixture
def database(upgraded: Path, tmp_path: Path) -> Iterator[JobDatabase]:
    (tmp_path / "in.txt").write_text("Ada went to Rome .\n")
    engine = open_engine(f"sqlite:///{upgraded}")
    yield JobDatabase(engine)
    engine.dispose()


def test_show_prints_the_settings(ruie: Run, database: JobDatabase) -> None:
    parameters = '{"seed": 1}'
    job = ruie(*ENQUEUE, "--cap", "2", "--parameters", parameters, **PRICES).stdout.strip()
    printed = json.loads(ruie("job", "show", job, "--json").stdout)
    assert (printed["id"], printed["model"], printed["state"]) == (job, "small", "running")
    assert (printed["priority"], printed["cap_usd"]) == ("normal", 2)
    settings = printed["settings"]
    assert (settings["max_tokens"], settings["parameters"]) == (256, {"seed": 1})
    lines = [line.split() for line in ruie("job", "show", job).stdout.splitlines()]
    shown = {words[0]: words[1:] for words in lines}
    assert (shown["model"], shown["cap"]) == (["small"], ["2.0000", "USD"])
    assert shown["endpoint"] == ["that", "of", "the", "workers"]
    assert (shown["stop"], shown["parameters"]) == (['["\\n\\n"]'], ['{"seed":', "1}"])
    assert ruie("job", "show", "job_0").returncode == 4


def test_set_says_what_it_changes_and_what_remains(ruie: Run, database: JobDatabase) -> None:
    job = database.job()
    database.enqueue(job, ["a", "b", "c", "d"])
    first, second, third, fourth = database.take(job)
    database.save(first)
    with database.engine.begin() as conn:
        queue.quarantine(conn, second, OutputError("unreadable"))
        queue.release(conn, [third])
    done = ruie("job", "set", job, "--model", "large", "--max-tokens", "512", "--stop", "[]",
                "--parameters", '{"seed": 1}', "--priority", "live", "--name", "n")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"{job}: name was oil, is now n",
        f"{job}: model was small, is now large",
        f"{job}: max_tokens was 256, is now 512",
        f'{job}: stop was ["\\n\\n"], is now []',
        f'{job}: parameters was {{}}, is now {{"seed": 1}}',
        f"{job}: priority was normal, is now live",
        "still to be asked: 1 item",
        "already answered: 1 item, whose records stay",
        "in progress, with the former settings: 1 item",
        f"in quarantine: 1 item; `ruie retry {job}` asks again",
    ]
    assert "nothing was changed" in ruie("job", "set", job, "--model", "large").stdout
    with database.engine.begin() as conn:
        job_states.set_job_state(conn, job, "paused")
    done = ruie("job", "set", job, "--priority", "backfill", "--json")
    assert json.loads(done.stdout) == {
        "job_id": job,
        "state": "paused",
        "changed": {"priority": {"before": "live", "now": "backfill"}},
        "waiting": 1,
        "leased": 1,
        "submitted": 0,
        "done": 1,
        "quarantined": 1,
        "own_model": 0,
    }
    assert f"ruie resume {job}" in ruie("job", "set", job, "--name", "m").stderr
    assert fourth.id == 4


def test_a_change_of_the_mode_is_called_so(ruie: Run, database: JobDatabase) -> None:
    job = ruie(*ENQUEUE, "--mode", "batch", "--parameters", '{"seed": 1}').stdout.strip()
    done = ruie("job", "set", job, "--mode", "standard")
    assert done.stdout.splitlines()[0] == f"{job}: mode was batch, is now standard"
    assert "parameters" not in done.stdout
    changed = json.loads(ruie("job", "set", job, "--mode", "flex", "--json").stdout)["changed"]
    assert changed == {"mode": {"before": "standard", "now": "flex"}}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "give at least one option"),
        (("--max-tokens", "0"), "--max-tokens"),
        (("--stop", "x"), "--stop: not JSON"),
        (("--stop", '"x"'), "--stop: not a JSON list"),
        (("--parameters", '{"model": "x"}'), "'model' cannot be given here"),
        (("--model", ""), "The model is empty."),
    ],
)
def test_what_a_job_cannot_have_is_refused(
    ruie: Run, database: JobDatabase, options: tuple[str, ...], said: str
) -> None:
    job = database.job()
    done = ruie("job", "set", job, *options)
    assert (done.returncode, said in " ".join(done.stderr.split())) == (2, True), done.stderr


def test_a_model_that_the_endpoint_does_not_list_is_refused(
    ruie: Run, database: JobDatabase
) -> None:
    job = ruie(*ENQUEUE, "--cap", "2", **PRICES).stdout.strip()
    done = ruie("job", "set", job, "--model", "larg", **PRICES)
    assert (done.returncode, "none is known for larg" in done.stderr) == (2, True)
    with ScriptedEndpoint(answer("None"), models=["large"]) as endpoint:
        settings = {"RUIE_LLM_BASE_URL": endpoint.url, **PRICES}
        assert ruie("job", "set", job, "--model", "large", **settings).returncode == 0
        done = ruie("job", "set", job, "--model", "small", **settings)
    assert (done.returncode, "small" in done.stderr) == (2, True)
    assert database.one("SELECT model FROM jobs") == "large"


def test_the_mode_stays_unless_another_is_named(database: JobDatabase) -> None:
    client = Client(load(database_url=str(database.engine.url)))
    job = client.enqueue(
        [{"text": "Ada ."}], Schema("news", entities={"person": ""}), mode="flex"
    ).job_id

    def parameters(**changes: object) -> object:
        client.change_job(job, **changes)  # type: ignore[arg-type]  # of any setting
        return client.job(job).settings.decoding.parameters

    assert parameters(parameters={"seed": 1}) == {"seed": 1, "service_tier": "flex"}
    assert parameters(mode="standard") == {"seed": 1}
    assert parameters(parameters={"service_tier": "priority"}) == {"service_tier": "priority"}
    assert parameters(mode="flex") == {"service_tier": "flex"}
    with pytest.raises(UsageError):
        client.change_job(job, max_tokens=0)
    with pytest.raises(DatabaseError):
        client.change_job("job_0", name="n")
    client.engine.dispose()
