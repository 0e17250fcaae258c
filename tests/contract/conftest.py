"""Both databases, real ones: each test gets a fresh one of each kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from support.databases import BACKENDS, Server, postgresql_server, sqlite_server
from support.job_database import JobDatabase

from ruie.db import jobs, kept_answers, queue, reused_results
from ruie.db.engine import open_engine
from ruie.errors import OutputError
from ruie.records import Grounding, Item, Span, Task

__all__ = ["postgresql_server", "sqlite_server"]

MakeRecord = Callable[..., Item]
TEXT = "Crude fell 2 % as OPEC met."


@pytest.fixture(params=BACKENDS)
def server(request: pytest.FixtureRequest) -> Server:
    chosen: Server = request.getfixturevalue(f"{request.param}_server")
    return chosen


@pytest.fixture
def empty_url(server: Server) -> Iterator[str]:
    url = server.empty()
    yield url
    server.drop(url)


@pytest.fixture
def url(server: Server) -> Iterator[str]:
    url = server.current()
    yield url
    server.drop(url)


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    opened = open_engine(url)
    yield opened
    opened.dispose()


@pytest.fixture
def database(engine: Engine) -> JobDatabase:
    return JobDatabase(engine)


def spans(text: str, *words: str) -> tuple[Span, ...]:
    """Each word where it first is in the text."""
    return tuple(
        Span(word, text.index(word), text.index(word) + len(word), Grounding.EXACT)
        for word in words
    )


@pytest.fixture
def record() -> MakeRecord:
    """record(text, type, word, ...): an item whose spans are the words in the text."""
    return lambda text, type_, *words: Item(type_, spans(text, *words))


@pytest.fixture
def worked(database: JobDatabase, record: MakeRecord) -> str:
    """A job with every kind of record, a quarantined item, and a second job that reused it."""
    job = database.job("oil")
    database.enqueue(job, {"b": TEXT, "a": TEXT, "c": "Broken."}, Task.NER, Task.RE, Task.ED)
    items = {
        Task.NER: [record(TEXT, "COMMODITY", "Crude"), record(TEXT, "ORGANISATION", "OPEC")],
        Task.RE: [record(TEXT, "moved_by", "Crude", "OPEC")],
        Task.ED: [record(TEXT, "Movement", "fell"), record(TEXT, "Caused", "as")],
    }
    for item in database.take():
        if item.text == TEXT:
            database.save(item, items[item.task], key=str(item.task))
        elif item.task is Task.NER:
            with database.engine.begin() as conn:
                queue.quarantine(conn, item, OutputError("nothing to read"))
        else:
            with database.engine.begin() as conn:
                queue.retry(conn, item, 3600, OutputError("again"), counts=True)
    for item in database.take():
        database.save(item, [record(TEXT, "Item", "Crude")], key="EAE")
    second = database.job("again")
    database.enqueue(second, {"z": TEXT})
    (item,) = database.take(second)
    with database.engine.begin() as conn:
        reused_results.reuse_result(conn, item, kept_answers.find_paid(conn, ["NER"])["NER"])
        jobs.add_input_errors(conn, job, [jobs.NewInputError("f", 3, "not JSON", "{")] * 2)
    return job


@pytest.fixture
def sqlite_path(tmp_path: Path) -> Path:
    return tmp_path / "other.db"
