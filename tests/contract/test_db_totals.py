"""Running totals: each row counts once, whatever happens to it later and whoever counts."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, Engine, update
from support.counted import counted, deltas_left, kept, shown_spent, spent
from support.job_database import JobDatabase

from ruie.db import fold, forget, jobs, leadership, progress, queue, results
from ruie.db.engine import open_engine, reading
from ruie.db.erasure import blank
from ruie.db.fold import Folding, count_unfolded, folded_to
from ruie.db.leadership import NotLeadingError
from ruie.db.models import attempts, extractions
from ruie.db.pruning.parts import Kind
from ruie.db.pruning.prune import cutoff, prune
from ruie.db.quarantine import retry_quarantined
from ruie.db.totals import Key, Total, read_totals
from ruie.errors import OutputError, RateLimitedError
from ruie.records import Reject, RejectReason, Task
from ruie.usage import Usage

PATIENCE_S = 60.0


class Leader:
    """A coordinator's transactions, and its counting."""

    def __init__(self, engine: Engine, name: str = "one") -> None:
        self.engine = engine
        self.name = name
        with engine.begin() as conn:
            self.token = leadership.lead(conn, name, 60.0) or 0
        self.folding = Folding(engine)

    @contextmanager
    def leading(self) -> Iterator[Connection]:
        with self.engine.begin() as conn:
            leadership.check(conn, self.name, self.token)
            yield conn

    def fold(self, seconds: float = PATIENCE_S) -> None:
        """At least one transaction."""
        self.folding.fold_for(self.leading, seconds)


def by_rows(database: JobDatabase, job: str) -> dict[str, float]:
    """What a job comes to, from every row."""
    asked = ("prompt_tokens, completion_tokens, cost_usd, cached_tokens, cache_write_tokens,"
             " reasoning_tokens")  # fmt: skip  # columns
    answered = database.rows(
        f"SELECT {asked} FROM extractions WHERE job_id = '{job}' AND source = 'model'"
        " AND reused_from IS NULL"
    )
    failed = database.rows(f"SELECT {asked} FROM attempts WHERE job_id = '{job}'")
    sums = [sum(value or 0 for value in column) for column in zip(*answered, *failed, strict=True)]
    prompt, completion, usd, cached, written, reasoning = sums
    return {
        "documents": database.one(f"SELECT COUNT(*) FROM origins WHERE job_id = '{job}'"),
        "calls": len(answered) + len(failed),
        "failed_calls": len(failed),
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "cost_usd": pytest.approx(float(usd)),
        "cached_tokens": cached,
        "cache_write_tokens": written,
        "reasoning_tokens": reasoning,
    }


def lives(database: JobDatabase, rng: random.Random, prefix: str, count: int) -> None:
    """Items that end in every way there is."""
    job = database.job(prefix)
    database.enqueue(job, [f"{prefix} {n}" for n in range(count)], Task.NER, Task.RE)
    with database.engine.begin() as conn:
        jobs.add_input_errors(conn, job, [jobs.NewInputError("b.jsonl", 7, "broken", "x")])
    for item in database.take(job):
        model = rng.choice(["small", "large"])
        match rng.randrange(6):
            case 0:
                continue  # its worker is lost
            case 1:
                error = OutputError("unreadable", raw_output="?")
                with database.engine.begin() as conn:
                    assert queue.quarantine(conn, item, error)
                    queue.record_attempt(
                        conn, item, error, model=model, endpoint="e",
                        usage=Usage(rng.randrange(900), rng.randrange(90), 3, 2, 1),
                        cost_usd=rng.randrange(10**7) / 1e9,
                    )  # fmt: skip  # one call
            case 2:
                with database.engine.begin() as conn:
                    assert queue.retry(conn, item, 60, RateLimitedError("slow"), counts=False)
                    queue.record_attempt(
                        conn, item, RateLimitedError(""), model=model, endpoint="e"
                    )
            case _:
                assert database.save(
                    item,
                    model=model,
                    prompt_tokens=rng.randrange(2000),
                    cached_tokens=rng.randrange(100),
                    reasoning_tokens=rng.randrange(100),
                    latency_s=rng.choice([0.1, 0.100001, 7.5, 299.0, 301.0]) * rng.random(),
                    cost_usd=rng.choice([None, rng.randrange(10**9) / 1e9]),
                    rejects=[Reject(RejectReason.LEAKED, "x")] * rng.randrange(3),
                )  # fmt: skip  # one answer
    database.pass_time(61)
    with database.engine.begin() as conn:
        queue.reap(conn, 5)


@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_every_total_is_what_counting_row_by_row_gives(
    database: JobDatabase, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fold, "ROWS", step)
    rng, leader = random.Random(3), Leader(database.engine)
    for prefix in ("first", "second", "third"):
        lives(database, rng, prefix, 12)
        leader.fold()
        assert kept(database.engine) == counted(database.engine)
    assert deltas_left(database.engine) == 0
    with reading(database.engine) as conn:
        assert count_unfolded(conn, read_totals(conn)) == 0


def test_what_a_job_comes_to_is_the_same_however_much_of_it_is_counted(
    database: JobDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(8)
    for name in ("first", "second"):
        lives(database, rng, name, 30)
    ((job,),) = database.rows("SELECT id FROM jobs WHERE name = 'first'")
    monkeypatch.setattr(fold, "ROWS", 7)
    leader = Leader(database.engine)
    unfolded = []
    for _ in range(20):
        with reading(database.engine) as conn:
            found, wanted = progress.progress(conn, job), by_rows(database, job)
            assert {name: getattr(found, name) for name in wanted} == wanted
            unfolded.append(count_unfolded(conn, read_totals(conn)))
        leader.folding.fold_for(leader.leading, 0.0)
    assert unfolded[0] > unfolded[5] > unfolded[-1] == 0


def test_another_leader_counts_on_and_the_former_one_counts_nothing(database: JobDatabase) -> None:
    first = Leader(database.engine)
    lives(database, random.Random(5), "before", 6)
    first.fold()
    with database.engine.begin() as conn:
        leadership.resign(conn, first.name, first.token)
    second = Leader(database.engine, "two")
    lives(database, random.Random(6), "after", 6)
    with pytest.raises(NotLeadingError):
        first.fold()
    second.fold()
    assert kept(database.engine) == counted(database.engine)


def test_what_is_forgotten_or_retried_stays_counted(database: JobDatabase) -> None:
    leader = Leader(database.engine)
    lives(database, random.Random(7), "text", 12)
    leader.fold()
    job = str(database.one("SELECT id FROM jobs"))
    before = kept(database.engine)
    with reading(database.engine) as conn:
        found = [one.document_id for one in forget.find(conn, [f"text {n}" for n in range(6)])]
    with database.engine.begin() as conn:
        forget.mark(conn, found)
        blank(conn, found)
        retry_quarantined(conn, job)
    leader.fold()
    assert kept(database.engine) == before
    assert counted(database.engine) != before  # its quarantine is gone


def test_rejects_that_are_forgotten_before_they_are_counted_count(database: JobDatabase) -> None:
    job = database.job()
    database.enqueue(job, {"a": "Crude fell."})
    (item,) = database.take()
    database.save(item, rejects=[Reject(RejectReason.LEAKED, "secret")] * 2)
    with reading(database.engine) as conn:
        found = [one.document_id for one in forget.find(conn, ["a"])]
    with database.engine.begin() as conn:
        forget.mark(conn, found)
        blank(conn, found)
    Leader(database.engine).fold()
    assert kept(database.engine)[Key(Total.REJECTS, kind="leaked")] == 2
    assert "secret" not in str(database.rows("SELECT rejects FROM extractions"))


def test_rows_may_be_deleted_once_they_are_counted(database: JobDatabase) -> None:
    leader = Leader(database.engine)
    lives(database, random.Random(8), "text", 6)
    with database.engine.begin() as conn:
        assert folded_to(conn, extractions) == 0
    leader.fold()
    with database.engine.begin() as conn:
        last = conn.execute(extractions.select()).all()[-1].id
        assert folded_to(conn, extractions) == last


def test_a_lost_call_counts_only_when_its_end_is_known(database: JobDatabase) -> None:
    """Reaped, counted, and then its worker comes back with the answer."""
    leader = Leader(database.engine)
    database.enqueue(database.job(), {"a": "Crude fell."})
    (item,) = database.take()
    database.pass_time(61)
    with database.engine.begin() as conn:
        queue.reap(conn, 5)
    leader.fold()
    assert Key(Total.FAILED_CALLS, model="small", kind="worker_lost") not in kept(database.engine)
    assert_spend_is_the_sum_over_calls(database.engine)
    with database.engine.begin() as conn:
        assert results.keep_result(conn, item, database.extraction(), [])
        assert queue.withdraw_lost(conn, item)
    assert_spend_is_the_sum_over_calls(database.engine)
    leader.fold()
    totals = kept(database.engine)
    assert totals[Key(Total.LOST_LEASES)] == 1
    assert totals[Key(Total.SPEND_NUSD, model="small")] == 1_500_000
    assert totals == counted(database.engine)


def assert_spend_is_the_sum_over_calls(engine: Engine) -> None:
    assert shown_spent(engine, "job_id") == spent(engine, "job_id")
    assert shown_spent(engine, "day") == spent(engine, "day")


@pytest.mark.parametrize("step", [1, 5, 10_000])
def test_spend_is_the_sum_over_calls_whatever_is_counted_and_pruned(
    database: JobDatabase, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is counted, a part is, all is; failed calls are pruned, and others come."""
    monkeypatch.setattr(fold, "ROWS", step)
    engine, rng, leader = database.engine, random.Random(step), Leader(database.engine)
    for prefix in ("first", "second", "third"):
        lives(database, rng, prefix, 12)
        with engine.begin() as conn:  # yesterday's
            conn.exec_driver_sql(
                "UPDATE attempts SET created_at = '2026-01-31 23:59:59.999999+00:00' WHERE id > "
                + str(folded_to(conn, attempts) + 2)
            )
            conn.exec_driver_sql("UPDATE jobs SET state = 'done'")
            conn.exec_driver_sql("UPDATE work_items SET state = 'done' WHERE state <> 'leased'")
        assert_spend_is_the_sum_over_calls(engine)
        for seconds in (0.0, PATIENCE_S):
            leader.fold(seconds)
            assert_spend_is_the_sum_over_calls(engine)
            before = shown_spent(engine, "day")
            prune(engine, cutoff(engine, 0), [Kind.ATTEMPTS], lambda *_: None)
            assert shown_spent(engine, "day") == before
            assert_spend_is_the_sum_over_calls(engine)
    assert database.one("SELECT SUM(calls) FROM pruned_attempts") > 0
    answered = sum(row[0] for row in spent(engine, "day").values())
    assert database.one("SELECT SUM(calls) FROM counted_calls") == answered


@pytest.mark.parametrize("server", ["postgresql"], indirect=True)
def test_a_row_that_appears_below_others_is_counted(database: JobDatabase, url: str) -> None:
    """PostgreSQL assigns an id long before its transaction commits."""
    leader = Leader(database.engine)
    database.enqueue(database.job(), ["a", "b"])
    first, second = database.take()
    late = open_engine(url)
    with late.begin() as conn:
        assert results.save_result(conn, first, database.extraction("first"), [])
        assert database.save(second)
        leader.fold()
        assert Key(Total.ANSWERED_CALLS, model="small", kind="NER") not in kept(database.engine)
    late.dispose()
    assert_spend_is_the_sum_over_calls(database.engine)
    leader.fold()
    assert_spend_is_the_sum_over_calls(database.engine)
    assert kept(database.engine) == counted(database.engine)


def test_amounts_beyond_what_a_float_holds_are_exact(database: JobDatabase) -> None:
    leader = Leader(database.engine)
    database.enqueue(database.job(), ["a", "b"])
    for item, cost in zip(database.take(), (1e7, 1e-9), strict=True):
        database.save(item, cost_usd=cost)
    with database.engine.begin() as conn:
        conn.execute(update(extractions).values(latency_s=1.0))
    leader.fold()
    assert kept(database.engine)[Key(Total.SPEND_NUSD, model="small")] == 10**16 + 1
