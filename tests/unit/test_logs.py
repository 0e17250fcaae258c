"""The log's lines: the ids of what they are about, one line each, as JSON or for people."""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from ruie.worker.logs import LogFormat, identify, start_logging

log = logging.getLogger("ruie.test")


@pytest.fixture(autouse=True)
def root_logger() -> Iterator[None]:
    """The root logger as a command finds it, and afterwards as it was."""
    before, level = logging.root.handlers, logging.root.level
    yield
    logging.root.handlers, logging.root.level = before, level


async def item(number: int) -> None:
    identify(item_id=number, document_id=10 + number)
    await asyncio.sleep(0)
    log.info("about item %d", number)


async def batch() -> None:
    identify(batch_id="b1")
    identify(job_id="job_1")
    async with asyncio.TaskGroup() as group:
        for number in (1, 2):
            group.create_task(item(number))
    log.warning("two\nlines", extra={"job_id": "job_2"})


def speak() -> None:
    asyncio.run(batch())
    log.info("about nothing")


def lines(form: LogFormat, capsys: pytest.CaptureFixture[str]) -> list[str]:
    logging.root.handlers = []  # pytest's own
    start_logging(form)
    contextvars.Context().run(speak)  # whatever other tests have said of themselves before
    return capsys.readouterr().err.splitlines()


def test_json_lines_have_the_ids_of_their_task(capsys: pytest.CaptureFixture[str]) -> None:
    said: list[dict[str, Any]] = [json.loads(line) for line in lines("json", capsys)]
    times = [one.pop("time") for one in said]
    assert all(time.endswith("+00:00") for time in times)
    of_batch = {"level": "info", "logger": "ruie.test", "batch_id": "b1", "job_id": "job_1"}
    assert said == [
        {**of_batch, "message": "about item 1", "item_id": 1, "document_id": 11},
        {**of_batch, "message": "about item 2", "item_id": 2, "document_id": 12},
        {**of_batch, "level": "warning", "message": "two\nlines", "job_id": "job_2"},
        {"level": "info", "logger": "ruie.test", "message": "about nothing"},
    ]


def test_the_ids_of_a_span_are_in_json_alone(capsys: pytest.CaptureFixture[str]) -> None:
    def said(form: LogFormat) -> str:
        logging.root.handlers = []
        start_logging(form)
        ids = {"trace_id": "5f", "span_id": "a1", "job_id": "job_1"}
        context = contextvars.copy_context()
        context.run(identify, **ids)
        context.run(log.info, "traced")
        return capsys.readouterr().err

    assert json.loads(said("json")).items() >= {"trace_id": "5f", "span_id": "a1"}.items()
    assert said("human").endswith("traced  [job_id=job_1]\n")


def test_lines_for_people_end_with_the_ids(capsys: pytest.CaptureFixture[str]) -> None:
    said = lines("human", capsys)
    assert [line.split("ruie.test  ")[1] for line in said] == [
        "about item 1  [job_id=job_1 batch_id=b1 item_id=1 document_id=11]",
        "about item 2  [job_id=job_1 batch_id=b1 item_id=2 document_id=12]",
        r"two\nlines  [job_id=job_2 batch_id=b1]",
        "about nothing",
    ]


def test_an_error_is_one_json_line_with_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    logging.root.handlers = []
    start_logging("json")
    try:
        raise ValueError("ünreadable\n")
    except ValueError as error:
        log.error("it failed", exc_info=error)
    (line,) = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert said["message"] == "it failed"
    assert "Traceback" in said["error"]
    assert said["error"].rstrip().endswith("ValueError: ünreadable")
