"""`Extractor.stream`, `astream` and `aextract`: results as they come, in any kind of program."""

from __future__ import annotations

import asyncio
import itertools
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing
from typing import Any

import pytest
from support.endpoint import HANG, Reply, ScriptedEndpoint, answer, failure
from support.waiting import PATIENCE_S, wait_until, wait_until_async

from ruie.errors import FailedCallsWarning, FatalCallError, UsageError
from ruie.extractor import Extractor
from ruie.llm import LLMClient
from ruie.result import Result
from ruie.schema import Schema

SCHEMA = Schema("news", entities={"PER": ""})
TEXTS = [f"Ada met number {n} ." for n in range(5)]
NONE = answer("None")


def extractor(endpoint: ScriptedEndpoint, max_in_flight: int = 2) -> Extractor:
    return Extractor(None, LLMClient(endpoint.url, max_in_flight=max_in_flight), "m")


def asked(body: dict[str, Any]) -> str:
    """The text that a request asks about."""
    prompt: str = body["messages"][-1]["content"]
    return next(text for text in (*TEXTS, "Bad .", "Hang .") if text in prompt)


def texts_of(results: list[Result]) -> list[str]:
    return [result.text for result in results]


def test_a_result_comes_before_the_others_are_answered_and_ending_cancels_these() -> None:
    def script(body: dict[str, Any], number: int) -> Reply:
        return HANG if asked(body) == "Hang ." else answer("PER: Ada")

    with ScriptedEndpoint(script) as endpoint:
        with closing(extractor(endpoint).stream([*TEXTS, "Hang ."], SCHEMA)) as stream:
            first = next(stream)
            assert [entity.span.text for entity in first.entities] == ["Ada"]
            assert texts_of(list(itertools.islice(stream, 4))) == TEXTS[1:]
            wait_until(lambda: endpoint.in_flight == 1)
        wait_until(lambda: endpoint.in_flight == 0)


def test_results_come_in_order_whatever_is_answered_first() -> None:
    answered: list[str] = []
    first_may_end = threading.Event()

    def script(body: dict[str, Any], number: int) -> Reply:
        text = asked(body)
        answered.append(text)
        if text == TEXTS[0] and not first_may_end.is_set():
            first_may_end.set()
            return failure(500)  # the first to be asked is answered by the second request for it
        return NONE

    with ScriptedEndpoint(script) as endpoint, pytest.warns(FailedCallsWarning, match="number 0"):
        results = list(extractor(endpoint).stream(TEXTS, SCHEMA))
    assert texts_of(results) == TEXTS
    assert [result.complete for result in results] == [False, True, True, True, True]


def test_endless_texts_are_taken_as_they_are_needed_in_the_thread_that_iterates() -> None:
    taken: list[int] = []
    mine = threading.get_ident()

    def endless() -> Iterator[str]:
        for number in itertools.count():
            assert threading.get_ident() == mine
            taken.append(number)
            yield TEXTS[number % 5]

    with ScriptedEndpoint(NONE) as endpoint:
        with closing(extractor(endpoint).stream(endless(), SCHEMA)) as stream:
            for done, _ in enumerate(itertools.islice(stream, 30), 1):
                assert len(taken) <= done + 4  # twice as many as calls in flight
        assert endpoint.max_in_flight <= 2


def test_texts_may_come_from_a_cursor_of_sqlite() -> None:
    with closing(sqlite3.connect(":memory:")) as database, ScriptedEndpoint(NONE) as endpoint:
        database.execute("CREATE TABLE news (text)")
        database.executemany("INSERT INTO news VALUES (?)", [(text,) for text in TEXTS])
        rows = database.execute("SELECT text FROM news")
        results = list(extractor(endpoint).stream((text for (text,) in rows), SCHEMA))
    assert texts_of(results) == TEXTS


def test_a_column_of_a_frame_is_a_list_of_texts_and_what_is_missing_is_told() -> None:
    pd = pytest.importorskip("pandas")
    with ScriptedEndpoint(NONE) as endpoint:
        column = pd.Series(TEXTS)
        assert texts_of(extractor(endpoint).extract(column, SCHEMA)) == TEXTS
        column[1] = float("nan")
        with pytest.raises(TypeError, match="Text 2 is no str, but of type float"):
            extractor(endpoint).extract(column, SCHEMA)


def test_the_event_loop_goes_on_while_calls_are_in_flight() -> None:
    """The endpoint answers only once another coroutine of the same loop has run."""
    may_answer = threading.Event()

    def script(body: dict[str, Any], number: int) -> Reply:
        assert may_answer.wait(PATIENCE_S)
        return NONE

    async def other(endpoint: ScriptedEndpoint) -> None:
        await wait_until_async(lambda: endpoint.in_flight)
        may_answer.set()

    async def main(endpoint: ScriptedEndpoint) -> list[Result]:
        results, _ = await asyncio.gather(
            extractor(endpoint).aextract(TEXTS, SCHEMA), other(endpoint)
        )
        return results

    with ScriptedEndpoint(script) as endpoint:
        assert texts_of(asyncio.run(main(endpoint))) == TEXTS


def test_several_at_once_share_the_calls_in_flight() -> None:
    async def main(endpoint: ScriptedEndpoint) -> list[list[Result]]:
        shared = extractor(endpoint)
        return list(await asyncio.gather(*(shared.aextract(TEXTS[n:], SCHEMA) for n in range(5))))

    with ScriptedEndpoint(NONE) as endpoint:
        several = asyncio.run(main(endpoint))
        assert endpoint.max_in_flight <= 2
    assert [texts_of(results) for results in several] == [TEXTS[n:] for n in range(5)]


def test_texts_may_be_an_async_iterable_and_ending_early_cancels() -> None:
    async def source() -> AsyncIterator[str]:
        for text in itertools.cycle(TEXTS):
            await asyncio.sleep(0)
            yield text

    async def main(endpoint: ScriptedEndpoint) -> list[str]:
        found = []
        async with aclosing(extractor(endpoint).astream(source(), SCHEMA)) as stream:
            async for result in stream:
                found.append(result.text)
                if len(found) == 7:
                    break
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not [task for task in others if "extract" in repr(task)]
        return found

    with ScriptedEndpoint(NONE) as endpoint:
        assert asyncio.run(main(endpoint)) == [*TEXTS, *TEXTS[:2]]


def test_all_of_them_work_inside_a_running_event_loop() -> None:
    async def notebook(endpoint: ScriptedEndpoint) -> None:
        one = extractor(endpoint)
        assert texts_of(one.extract(TEXTS, SCHEMA)) == TEXTS
        assert texts_of(list(one.stream(TEXTS, SCHEMA))) == TEXTS
        assert texts_of(await one.aextract(TEXTS, SCHEMA)) == TEXTS
        assert texts_of([r async for r in one.astream(TEXTS, SCHEMA)]) == TEXTS

    with ScriptedEndpoint(NONE) as endpoint:
        asyncio.run(notebook(endpoint))


def test_two_event_loops_at_once_are_refused_and_one_after_the_other_are_not() -> None:
    with ScriptedEndpoint(NONE) as endpoint:
        one = extractor(endpoint)
        with closing(one.stream(TEXTS, SCHEMA)) as stream:
            next(stream)
            with pytest.raises(UsageError, match="another thread or event loop"):
                one.extract(TEXTS, SCHEMA)
            assert texts_of(list(stream)) == TEXTS[1:]
        assert texts_of(one.extract(TEXTS, SCHEMA)) == TEXTS


def test_each_text_that_lacks_records_is_warned_of_where_it_is_iterated() -> None:
    def script(body: dict[str, Any], number: int) -> Reply:
        return answer("I am sorry") if asked(body) == "Bad ." else NONE

    with ScriptedEndpoint(script) as endpoint:
        with pytest.warns(FailedCallsWarning) as warned:
            list(extractor(endpoint).stream([TEXTS[0], "Bad .", TEXTS[1], "Bad ."], SCHEMA))
        with pytest.warns(FailedCallsWarning) as once:
            extractor(endpoint).extract([TEXTS[0], "Bad ."], SCHEMA)
    said = [str(warning.message) for warning in (*warned, *once)]
    one = "records, because calls failed: NER of 'Bad .': The answer cannot be read."
    assert said == [f"A text lacks {one}"] * 2 + [f"1 of 2 texts lack {one}"]
    assert {warning.filename for warning in (*warned, *once)} == {__file__}


def test_a_failure_of_every_call_ends_the_iteration_at_once() -> None:
    """One before it hangs: it is not waited for."""

    def script(body: dict[str, Any], number: int) -> Reply:
        return {"Hang .": HANG, "Bad .": failure(401)}.get(asked(body), NONE)

    with ScriptedEndpoint(script) as endpoint:
        stream = extractor(endpoint).stream([TEXTS[0], "Hang .", "Bad ."], SCHEMA)
        assert next(stream).complete
        with pytest.raises(FatalCallError):
            next(stream)


def test_progress_is_told_after_each_text() -> None:
    told: list[tuple[int, int]] = []
    with ScriptedEndpoint(NONE) as endpoint:
        one = extractor(endpoint)
        one.extract(TEXTS, SCHEMA, progress=lambda done, of: told.append((done, of)))
        asyncio.run(
            one.aextract(TEXTS[:2], SCHEMA, progress=lambda done, of: told.append((done, of)))
        )
    assert told == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5), (1, 2), (2, 2)]


PROGRAM = """
from ruie import Extractor, Schema
extractor = Extractor.open(None, {url!r}, "m")
extractor.extract(["Hang ."], Schema("news", entities={{"PER": ""}}))
"""


def test_ctrl_c_ends_it() -> None:
    with ScriptedEndpoint(HANG) as endpoint:
        program = [sys.executable, "-c", PROGRAM.format(url=endpoint.url)]
        with subprocess.Popen(program, stderr=subprocess.PIPE, text=True) as process:
            wait_until(lambda: endpoint.in_flight == 1)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=PATIENCE_S)
        assert errors.rstrip().endswith("KeyboardInterrupt")
        wait_until(lambda: endpoint.in_flight == 0)
