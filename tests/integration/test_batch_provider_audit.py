"""The audit of the scripted batch provider's books finds each thing that can be wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import openai
import pytest
from sqlalchemy import Engine, create_engine, text
from support.batch_provider import BatchProvider, Fault
from support.batch_provider_audit import BatchAudit
from support.batch_requests import create, ended, requests, upload
from support.metering import Plan
from support.waiting import wait_until

PLAN = Plan(delay_s=(0.0, 0.0), input_nusd=1000, output_nusd=4000)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """The tables that the audit reads, with the columns that it reads."""
    made = create_engine(f"sqlite:///{tmp_path / 'ruie.db'}")
    with made.begin() as conn:
        for table in ("extractions", "attempts"):
            conn.execute(text(f"CREATE TABLE {table} (job_id TEXT, cost_usd FLOAT)"))
        conn.execute(text("CREATE TABLE provider_batches (provider_id TEXT)"))
    yield made
    made.dispose()


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[BatchProvider]:
    with BatchProvider(PLAN, tmp_path) as running:
        yield running


@pytest.fixture
def client(provider: BatchProvider) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=provider.url, api_key="x", max_retries=0) as connected:
        yield connected


class Owner:
    """Who asks for batches, and keeps books as ruie should."""

    def __init__(self, engine: Engine, provider: BatchProvider, client: openai.OpenAI) -> None:
        self.engine = engine
        self.provider = provider
        self.client = client

    def run(self, count: int = 4) -> str:
        """One batch about the first documents, to its end."""
        batch = create(self.client, upload(self.client, requests(count)))
        self.name(batch.id)
        return ended(self.client, batch.id).id

    def name(self, batch_id: str) -> None:
        with self.engine.begin() as conn:
            conn.execute(text("INSERT INTO provider_batches VALUES (:id)"), {"id": batch_id})

    def book(self, nusd: int) -> None:
        with self.engine.begin() as conn:
            conn.execute(text("INSERT INTO extractions VALUES ('j', :usd)"), {"usd": nusd / 1e9})

    def tidy(self) -> None:
        for file in self.client.files.list():
            self.client.files.delete(file.id)

    def audit(self) -> BatchAudit:
        return BatchAudit(self.engine, self.provider.books(), job_id="j", calls=self.provider.log())


@pytest.fixture
def owner(engine: Engine, provider: BatchProvider, client: openai.OpenAI) -> Owner:
    return Owner(engine, provider, client)


def test_nothing_is_wrong_where_all_is_named_booked_and_deleted(owner: Owner) -> None:
    owner.run()
    bill = owner.provider.books().bill()
    owner.book(bill)
    owner.tidy()
    audit = owner.audit()
    audit.check(cap_nusd=bill)
    assert audit.figures().startswith("1 batches (1 completed), 4 billed, 0 paid twice by ruie")
    with pytest.raises(AssertionError, match=f"the bill is {bill} nusd, the cap {bill - 1}"):
        audit.check(cap_nusd=bill - 1)


def again(owner: Owner) -> None:
    owner.run()
    owner.book(owner.provider.books().bill() // 2)
    owner.tidy()


def unnamed(owner: Owner) -> None:
    with owner.engine.begin() as conn:
        conn.execute(text("DELETE FROM provider_batches"))


def another_file(owner: Owner) -> None:
    upload(owner.client, requests(1), "ruie-left.jsonl")


def a_call(owner: Owner) -> None:
    owner.client.chat.completions.create(**requests(1)[0]["body"])
    owner.book(owner.provider.log()[-1].nusd)


def unfinished(owner: Owner) -> None:
    owner.provider.behave_in_batches(in_progress_s=600.0)
    file_id = upload(owner.client, requests(2, series=2))
    owner.name(create(owner.client, file_id).id)
    owner.tidy()


@pytest.mark.parametrize(
    ("done", "words"),
    [
        (again, "4 prompts were paid for twice, more than 0"),
        (unnamed, "1 batches are orphans"),
        (another_file, "1 files are left: ['ruie-left.jsonl']"),
        (a_call, "1 prompts were paid for twice, more than 0"),
        (lambda owner: owner.book(1), "nusd are booked, the bill is"),
        (lambda owner: owner.book(-1), "nusd are booked, the bill is"),
        (unfinished, "1 batches are still open"),
    ],
)
def test_each_thing_that_is_wrong_is_found_alone(
    owner: Owner, done: Callable[[Owner], None], words: str
) -> None:
    owner.run()
    owner.book(owner.provider.books().bill())
    owner.tidy()
    done(owner)
    with pytest.raises(AssertionError) as error:
        owner.audit().check()
    first, *faults = str(error.value).splitlines()
    assert first == "at the provider of batches:"
    assert [words in fault for fault in faults] == [True]


def test_what_the_provider_doubles_or_loses_is_its_own(owner: Owner) -> None:
    owner.provider.behave_in_batches(faults=[Fault("twice", most=1), Fault("drop", most=1)])
    first = owner.run()
    wait_until(lambda: all(batch.ended for batch in owner.provider.books().batches()))
    (twin,) = [b for b in owner.provider.books().batches() if b.id != first]
    owner.name(twin.id)
    (lost,) = [a for a in owner.provider.books().answers() if a.shown == 0]
    asked = [line for line in requests(4) if line["custom_id"] == lost.custom_id]
    rest = create(owner.client, upload(owner.client, asked))
    owner.name(rest.id)
    ended(owner.client, rest.id)
    owner.tidy()
    audit = owner.audit()
    assert (audit.doubled_by_ruie(), audit.doubled_by_provider()) == (0, 5)
    assert audit.unseen_bill() == lost.nusd
    owner.book(audit.bill() - lost.nusd)
    audit.check()
