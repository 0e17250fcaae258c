"""A batch in a process, with a scripted endpoint: what is called, saved and given back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import openai  # loading it takes longer than a batch may take to see that its job was paused
import pytest
from rich.console import Console
from sqlalchemy import Engine, text
from support.constrained import ignores, vllm
from support.constrained import openai as openai_like
from support.endpoint import Reply, ScriptedEndpoint, answer, failure

from ruie.db import jobs, migrate, queue
from ruie.db.engine import open_engine
from ruie.db.job_changes import JobChange, change_job
from ruie.db.job_settings import JobSettings
from ruie.db.jobs import Priority
from ruie.db.progress import progress as job_progress
from ruie.decoding import Decoding
from ruie.llm import LLMClient
from ruie.parsing import OutputForm
from ruie.schema import Schema
from ruie.worker.batches.demonstrations import Demonstrations
from ruie.worker.batches.lanes import Lane
from ruie.worker.batches.outcome import Outcome
from ruie.worker.batches.retries import RetryPolicy
from ruie.worker.batches.runner import BatchRunner
from ruie.worker.batches.store import Store
from ruie.worker.cli.progress_view import detail
from ruie.worker.job_status import JobStatus
from ruie.worker.prices import Price

SCHEMA = Schema("names", entities={"person": ""})
PRICES = {"dear": Price(1000.0, 1000.0), "free": Price(0.0, 0.0)}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_engine(f"sqlite:///{tmp_path}/ruie.db")
    migrate.upgrade(opened)
    yield opened
    opened.dispose()


def batch_of(
    engine: Engine, texts: list[str], form: OutputForm = OutputForm.LINEAR, **changes: Any
) -> str:
    """The id of a batch with an item for each text."""
    settings = JobSettings(Decoding(form=form))
    new = jobs.NewJob(
        "n", "names", SCHEMA.body(), SCHEMA.digest, "dear", "", "5", settings, **changes
    )
    with engine.begin() as conn:
        job = jobs.create_job(conn, new)
        rows = [queue.NewDocument(each, each) for each in texts]
        queue.enqueue_documents(conn, job, rows, SCHEMA.tasks)
        (batch,) = queue.dispatch(conn, job, 100, 100, 60)
    return batch.id


def process(engine: Engine, endpoint: ScriptedEndpoint, batch_id: str) -> Outcome:
    return process_all(engine, endpoint, [batch_id])[0]


def process_all(
    engine: Engine, endpoint: ScriptedEndpoint, batch_ids: Iterable[str]
) -> list[Outcome]:
    """One after another in one process; each is taken when the one before has ended."""

    async def run() -> list[Outcome]:
        assert openai
        llm = LLMClient(endpoint.url, max_in_flight=1)
        lane = Lane(Priority.NORMAL, llm, Demonstrations(None), "m", PRICES.get)
        store = Store(open_engine(engine.url.render_as_string(False)))
        runner = BatchRunner(
            store, lambda _: lane, "w", lease_s=60.0, grace_s=1.0, policy=RetryPolicy()
        )
        outcomes = [
            await runner.run(batch_id, Priority.NORMAL, lambda: None) for batch_id in batch_ids
        ]
        await llm.close()
        store.close()
        return outcomes

    return asyncio.run(run())


def execute(engine: Engine, statement: str) -> list[tuple[Any, ...]]:
    with engine.begin() as conn:
        result = conn.execute(text(statement))
        return [tuple(row) for row in result] if result.returns_rows else []


def slow(_: dict[str, Any], __: int) -> Reply:
    return answer("person: Ada", delay_s=1.0)


def test_a_cap_leaves_calls_in_flight_that_cost_nothing(engine: Engine) -> None:
    batch_id = batch_of(engine, ["Ada met Bo .", "Ada met Cy ."], cap_nusd=1)
    execute(engine, "UPDATE work_items SET model = 'free' WHERE id = 1")
    with ScriptedEndpoint(slow) as endpoint:
        outcome = process(engine, endpoint, batch_id)
        assert [r.body["model"] for r in endpoint.requests] == ["free"]
    assert outcome == Outcome(leased=2, saved=1, returned=1)
    states = "SELECT id, state, attempts FROM work_items ORDER BY id"
    assert execute(engine, states) == [(1, "done", 1), (2, "pending", 0)]
    assert execute(engine, "SELECT state, paused_by FROM jobs") == [("paused", "job_cap")]


def test_an_upgraded_database_pays_nothing_again(engine: Engine) -> None:
    """The key is the one under which version 0.1 stored the answer."""
    key_of_0_1 = "1bddf8198e1527eca78536a551923434f73039d4e713273e2de56f0540852b1d"
    with ScriptedEndpoint(answer("person: Ada; person: Bo")) as endpoint:
        process(engine, endpoint, batch_of(engine, ["Ada met Bo ."]))
        assert execute(engine, "SELECT key FROM extractions") == [(key_of_0_1,)]
        migrate.downgrade(engine, "0001")
        migrate.upgrade(engine)
        outcome = process(engine, endpoint, batch_of(engine, ["Ada met Bo ."]))
        assert len(endpoint.requests) == 1
    assert outcome == Outcome(leased=1, reused=1)
    assert execute(engine, "SELECT COUNT(*) FROM entity_mentions") == [(4,)]


USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 30,
    "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 20},
    "completion_tokens_details": {"reasoning_tokens": 25},
}
BOOKED = """SELECT prompt_tokens, completion_tokens, cached_tokens, cache_write_tokens,
    reasoning_tokens, ROUND(cost_usd * 1000000000) FROM {}"""


@pytest.mark.parametrize(
    ("text", "table"), [("person: Ada", "extractions"), ("I see nobody .", "attempts")]
)
def test_each_kind_of_token_is_stored_and_paid_for(engine: Engine, text: str, table: str) -> None:
    batch_id = batch_of(engine, ["Ada met Bo ."], cap_nusd=10**12)
    with ScriptedEndpoint(answer(text, usage=USAGE)) as endpoint:
        process(engine, endpoint, batch_id)
    assert execute(engine, BOOKED.format(table)) == [(100, 30, 60, 20, 25, 130 * 10**6)]
    progress = execute(engine, "SELECT committed_nusd FROM spend_accounts")
    refunds = execute(engine, "SELECT SUM(nusd) FROM spend_refunds GROUP BY account")
    assert [c - r for (c,), (r,) in zip(progress, refunds, strict=True)] == [130 * 10**6] * 2
    with engine.begin() as conn:
        (job,) = jobs.list_jobs(conn)
        shown = job_progress(conn, job.id)
    assert (shown.cached_tokens, shown.cache_write_tokens, shown.reasoning_tokens) == (60, 20, 25)
    console = Console(width=200, record=True)
    console.print(detail(JobStatus(shown)))
    assert "100 tokens in, 30 out (60 cached, 25 reasoning), 0.1300 USD" in console.export_text()


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": 100}, {"prompt_tokens": "100"}])
def test_a_usage_that_cannot_be_read_costs_what_was_reserved(engine: Engine, usage: object) -> None:
    batch_id = batch_of(engine, ["Ada met Bo ."], cap_nusd=10**12)
    with ScriptedEndpoint(answer("person: Ada", usage=usage)) as endpoint:
        process(engine, endpoint, batch_id)
    ((cost,),) = execute(engine, "SELECT ROUND(cost_usd * 1000000000) FROM extractions")
    reserved = execute(engine, "SELECT committed_nusd FROM spend_accounts")
    assert reserved == [(cost,)] * 2
    assert execute(engine, "SELECT COUNT(*) FROM spend_refunds") == [(0,)]


def test_what_the_provider_says_that_it_charged_is_booked(engine: Engine) -> None:
    batch_id = batch_of(engine, ["Ada met Bo ."], cap_nusd=10**12)
    with ScriptedEndpoint(answer("person: Ada", usage={**USAGE, "cost": 0.0123})) as endpoint:
        process(engine, endpoint, batch_id)
    assert execute(engine, BOOKED.format("extractions"))[0][-1] == 12_300_000


def test_a_process_asks_the_rest_of_a_job_that_was_changed_in_the_new_way(engine: Engine) -> None:
    texts = ["Ada met Bo .", "Ada met Cy .", "Ada met Di ."]

    def batches() -> Iterator[str]:
        batch_of(engine, texts)
        ((job,),) = execute(engine, "SELECT id FROM jobs")
        for change in (
            JobChange(),
            JobChange(model="free", parameters={"seed": 1}),
            JobChange(max_tokens=99, stop=["!"]),
        ):
            with engine.begin() as conn:
                change_job(conn, job, change)
                queue.undispatch(conn)
                (batch,) = queue.dispatch(conn, job, 1, 1, 60)
            yield batch.id

    with ScriptedEndpoint(answer("person: Ada")) as endpoint:
        assert process_all(engine, endpoint, batches()) == [Outcome(leased=1, saved=1)] * 3
        names = ("model", "seed", "max_tokens", "stop")
        assert [tuple(r.body.get(name) for name in names) for r in endpoint.requests] == [
            ("dear", None, 256, ["\n\n"]),
            ("free", 1, 256, ["\n\n"]),
            ("free", 1, 99, ["!"]),
        ]
    assert execute(engine, "SELECT model FROM extractions") == [("dear",), ("free",), ("free",)]


def test_a_model_that_says_nothing_useful_is_not_paid_for_a_whole_corpus(engine: Engine) -> None:
    batch_id = batch_of(engine, [f"Ada met number {n} ." for n in range(30)])
    with ScriptedEndpoint(answer("As an AI I cannot help with that.")) as endpoint:
        process(engine, endpoint, batch_id)
        assert len(endpoint.requests) == 20
    ((state, reason),) = execute(engine, "SELECT state, reason FROM jobs")
    assert state == "paused"
    assert "none of the last 20 items got a usable answer" in reason
    assert execute(engine, "SELECT COUNT(*) FROM quarantine") == [(0,)]


NAMES = answer("person: Ada")
NAMES_AS_JSON = answer('{"items": [{"type": "person", "span": "Ada"}]}')


@pytest.mark.parametrize(
    ("script", "field", "proofs"),
    [(vllm, "structured_outputs", 1), (openai_like, "response_format", 1), (ignores, "", 4)],
)
def test_the_form_is_the_best_that_the_endpoint_holds(
    engine: Engine, script: Callable[[dict[str, Any], int], Reply], field: str, proofs: int
) -> None:
    def says(body: dict[str, Any], n: int) -> Reply:
        if "Ada" not in body["messages"][-1]["content"]:
            return script(body, n)  # it is to prove what it holds
        return NAMES_AS_JSON if "response_format" in body else NAMES

    with ScriptedEndpoint(says) as endpoint:
        batch_id = batch_of(engine, ["Ada met Bo .", "Ada met Cy ."], OutputForm.AUTO)
        assert process(engine, endpoint, batch_id) == Outcome(leased=2, saved=2)
        asked = [r.body for r in endpoint.requests if "Ada" in r.prompt]
    assert len(asked) == 2
    fields = {"structured_outputs", "grammar", "ebnf", "response_format"}
    assert all(fields & body.keys() == ({field} if field else set()) for body in asked)
    assert execute(engine, "SELECT text FROM entities") == [("Ada",)] * 2
    # what the proofs used is in the books
    (tokens,) = execute(
        engine, "SELECT SUM(prompt_tokens), SUM(completion_tokens) FROM extractions"
    )
    assert tokens == (11 * (2 + proofs), 7 * (2 + proofs))


def test_a_job_that_wants_a_grammar_pauses_where_there_is_none(engine: Engine) -> None:
    with ScriptedEndpoint(ignores) as endpoint:
        batch_id = batch_of(engine, ["Ada met Bo ."], OutputForm.GRAMMAR)
        assert process(engine, endpoint, batch_id) == Outcome(leased=1, returned=1)
    ((state, reason),) = execute(engine, "SELECT state, reason FROM jobs")
    assert state == "paused"
    assert "does not hold the model's answers to a grammar" in reason


def test_a_corpus_is_not_given_up_item_by_item_for_what_its_settings_ask(engine: Engine) -> None:
    """As where `max_tokens` alone is more than the account may use in a minute."""
    batch_id = batch_of(engine, [f"Ada met number {n} ." for n in range(40)])
    with ScriptedEndpoint(failure(413, message="Request too large: Limit 6000")) as endpoint:
        process(engine, endpoint, batch_id)
    ((state, reason),) = execute(engine, "SELECT state, reason FROM jobs")
    assert state == "paused"
    assert "none of the last 20 items got a usable answer" in reason
    assert "Request too large: Limit 6000" in reason
    assert execute(engine, "SELECT COUNT(*) >= 20, COUNT(*) < 40 FROM quarantine") == [(1, 1)]


def test_among_documents_that_are_answered_many_in_a_row_may_be_filtered(engine: Engine) -> None:
    def script(body: dict[str, Any], _: int) -> Reply:
        fine = "number 0 " in body["messages"][-1]["content"]
        return answer("person: Ada") if fine else failure(400, code="content_filter")

    texts = [f"Ada met number {n} ." for n in range(26)]
    with ScriptedEndpoint(script) as endpoint:
        process(engine, endpoint, batch_of(engine, texts))
    assert execute(engine, "SELECT state FROM jobs") == [("running",)]
    assert execute(engine, "SELECT COUNT(*) FROM quarantine") == [(25,)]


def test_one_document_that_is_refused_as_a_bad_key_is_given_up_alone(engine: Engine) -> None:
    """A firewall that answers 403, say: the job does not stand still for it."""

    def script(body: dict[str, Any], _: int) -> Reply:
        blocked = "DROP TABLE" in body["messages"][-1]["content"]
        return failure(403, message="Blocked by WAF") if blocked else answer("person: Ada")

    texts = ["Ada met Bo .", "Ada said DROP TABLE .", "Ada met Cy ."]
    with ScriptedEndpoint(script) as endpoint:
        process(engine, endpoint, batch_of(engine, texts))
        execute(engine, "UPDATE work_items SET state = 'pending', not_before = NULL, batch = 'b'"
                " WHERE state = 'retry'")  # fmt: skip  # its time has come
        process(engine, endpoint, "b")
        assert len(endpoint.requests) == 4
    assert execute(engine, "SELECT state FROM jobs") == [("running",)]
    assert execute(engine, "SELECT error_class FROM quarantine") == [("account",)]
