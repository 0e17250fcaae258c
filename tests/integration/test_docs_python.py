"""The Python of README.md and of the pages on Python runs as it stands; an endpoint is scripted."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.databases import Server
from support.endpoint import Reply, ScriptedEndpoint, answer
from support.examples import ADDRESS, examples, imports, installed, oil, run, run_with_workers
from support.finishing import finish
from support.job_database import JobDatabase
from support.pipeline import work_off

from ruie import settings as settings_module
from ruie.client import Client, Settings
from ruie.errors import RuieError
from ruie.records import Grounding, Item, Span
from ruie.schema import Schema
from ruie.settings import load

ANALYSIS = examples("docs/analysis.md")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder with the README's schema file."""
    schema = next(each for each in examples("README.md", "yaml") if "name: oil-news" in each)
    (tmp_path / "oil.yaml").write_text(schema)
    return tmp_path


class Model:
    """Says what is in the texts; while `broken`, nothing that can be read."""

    broken = False

    def __call__(self, body: dict[str, Any], number: int) -> Reply:
        return answer("I am sorry") if self.broken else oil(body)


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def config(
    sqlite_server: Server, url: str, folder: Path, bundle_path: Path, model: Model
) -> Iterator[Settings]:
    with ScriptedEndpoint(model) as endpoint:
        yield load(
            database_url=sqlite_server.current(),
            redis_url=url,
            home=folder,
            llm_base_url=endpoint.url,
            llm_model="scripted",
            llm_prices={"scripted": (1.0, 4.0)},
            bundle=bundle_path,
            batch_size=8,
            max_attempts=1,
        )


# README.md


def test_texts_become_records(folder: Path) -> None:
    code, _ = examples("README.md")
    assert code.count(ADDRESS) == 1
    with ScriptedEndpoint(oil) as endpoint:
        said = run(code.replace(ADDRESS, endpoint.url), folder, {})
        prompts = [request.body["messages"] for request in endpoint.requests]
    assert "Span(text='OPEC', start=18, end=22" in said
    assert "Argument(role='Item', span=Span(text='output'" in said
    # the included bundle has demonstrations of these events
    assert max(map(len, prompts)) > 3


def test_rows_become_a_job(folder: Path, config: Settings) -> None:
    _, code = examples("README.md")
    run(code, folder, config.environment())
    with Client(config) as client:
        (job,) = client.jobs()
        assert client.progress(job.id).documents == 1
    assert (job.corpus, job.schema_digest) == ("news", Schema.load(folder / "oil.yaml").digest)


# docs/python.md


def test_the_page_on_python_runs_from_its_beginning_to_its_end(
    folder: Path, config: Settings
) -> None:
    code = "\n".join(examples("docs/python.md")).replace(ADDRESS, config.llm_base_url)
    said = run_with_workers(code, folder, config)
    assert "'start': 18, 'end': 22" in said
    assert "2 of 2" in said
    assert "done True 0 of 4 given up" in said
    assert "1 ['Crude', 'OPEC']" in said
    assert "True []" in said  # the bundle is the job's, and no document is without an answer
    assert said.rstrip().endswith("True 1")


# docs/scheduling.md


@pytest.fixture
def scheduled(
    config: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Callable[..., Any]]]:
    """The functions of the page, in a process whose settings are those of the test."""
    for name, value in config.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)
    settings_module.settings.cache_clear()
    namespace: dict[str, Any] = {}
    for code in examples("docs/scheduling.md"):
        exec(code, namespace)  # noqa: S102  # our own page, and what it defines is what is tested
    yield namespace
    settings_module.settings.cache_clear()


def test_what_a_scheduler_calls(
    scheduled: dict[str, Callable[..., Any]], config: Settings, folder: Path
) -> None:
    (folder / "news").mkdir()
    (folder / "news" / "a.txt").write_text("Crude fell 2 % as OPEC raised output.")
    job = scheduled["enqueue_news"]("news")
    assert scheduled["has_ended"](job) is False
    assert work_off(config, job) == "done"
    assert scheduled["has_ended"](job) is True
    scheduled["wait_for_news"](job)
    assert scheduled["write_entities"](job, "entities.parquet") == 2
    assert pq.read_table("entities.parquet").column("text").to_pylist() == ["Crude", "OPEC"]
    # nothing is new: a job of no document, which is done at once
    again = scheduled["enqueue_news"]("news")
    assert work_off(config, again) == "done"
    assert scheduled["has_ended"](again) is True
    assert Client(config).progress(again).items == 0


def test_a_scheduler_is_told_of_a_job_that_failed(
    scheduled: dict[str, Callable[..., Any]], config: Settings, folder: Path, model: Model
) -> None:
    model.broken = True
    (folder / "a.txt").write_text("Crude fell 2 % as OPEC raised output.")
    job = scheduled["enqueue_news"]("a.txt")
    assert work_off(config, job) == "done"
    for name in ("has_ended", "wait_for_news"):
        with pytest.raises(RuieError, match="is done: too much was given up"):
            scheduled[name](job)


def test_the_schedulers_own_parts_import_them_alone(
    scheduled: dict[str, Callable[..., Any]],
) -> None:
    for name, packages in (
        ("airflow_dag", {"airflow", "pendulum"}),
        ("dagster_definitions", {"dagster"}),
    ):
        (code,) = [code for code in examples("docs/scheduling.md") if name in code]
        assert imports(code) == packages
        if installed(code):
            assert scheduled[name]()
        else:
            with pytest.raises(ModuleNotFoundError):
                scheduled[name]()


# docs/analysis.md


@pytest.fixture
def finished(sqlite_server: Server, folder: Path) -> tuple[str, Settings]:
    """A job with an entity in each of its two documents, and the database in the folder."""
    config = load(database_url=f"sqlite:///{folder}/ruie.db", home=folder)
    made = sqlite_server.current().removeprefix("sqlite:///")
    Path(made).rename(folder / "ruie.db")
    with Client(config) as client:
        database = JobDatabase(client.engine)
        job = database.job()
        database.enqueue(job, ["Crude fell .", "OPEC met ."])

        def first_word(item: Any) -> list[Item]:
            word = item.text.split()[0]
            return [Item("COMMODITY", (Span(word, 0, len(word), Grounding.EXACT),))]

        finish(client.engine, job, first_word)
    return job, config


RUNNABLE = [code for code in ANALYSIS if installed(code)]


def test_what_is_installed_for_the_tests_is_among_the_examples() -> None:
    named = [imports(code) for code in RUNNABLE]
    assert {"pandas", "polars", "sqlite3"} <= set().union(*named)


@pytest.mark.parametrize("number", range(len(RUNNABLE)))
def test_an_example_of_analysis_runs(
    number: int, finished: tuple[str, Settings], folder: Path
) -> None:
    job, config = finished
    said = run(f"job = {job!r}\n{RUNNABLE[number]}", folder, config.environment())
    assert "COMMODITY" in said or "Crude" in said
    with closing(sqlite3.connect(folder / "ruie.db")) as database:
        assert database.execute("SELECT COUNT(*) FROM entity_mentions").fetchone() == (2,)
