"""A job whose requests are in batches at a provider, step by step, as workers and the coordinator
take them."""

from __future__ import annotations

from collections.abc import Sequence

from support.job_database import JobDatabase

from ruie.db import provider_batches, provider_lines, provider_requests, queue
from ruie.db.batch_cutting import BatchLimits, Waiting, cut
from ruie.db.job_settings import JobSettings
from ruie.decoding import Decoding
from ruie.records import Task

ENDPOINT = "http://127.0.0.1:8000/v1"
MODEL = "small"
MOST_NUSD = 1000
COST_NUSD = 400


class ProviderJob:
    """most_nusd: reserved for each request."""

    def __init__(self, database: JobDatabase, *, name: str = "oil") -> None:
        self.database = database
        batched = JobSettings(Decoding(parameters={"service_tier": "batch"}))
        self.id = database.job(name, cap_nusd=10**9, settings=batched)

    def enqueue(self, texts: Sequence[str], *tasks: Task) -> None:
        self.database.enqueue(self.id, texts, *tasks)

    def submit(self, items: Sequence[queue.LeasedItem] | None = None) -> list[queue.LeasedItem]:
        """Build the requests of the items, by default of all that a worker can have."""
        leased = self.database.take(self.id) if items is None else list(items)
        wanted = [
            provider_requests.NewRequest(
                item=item,
                key=f"{item.id:064x}",
                endpoint=ENDPOINT,
                model=MODEL,
                body={"messages": [{"role": "user", "content": item.text}]},
                question={"text": item.text},
                prompt_tokens=100,
                most_nusd=MOST_NUSD,
            )
            for item in leased
        ]
        with self.database.engine.begin() as conn:
            submitted, denied = provider_requests.submit(conn, self.id, wanted, None)
        assert denied is None
        assert submitted == {item.id for item in leased}
        return leased

    def cut(self) -> int:
        """Put what waits into a batch; its number."""
        with self.database.engine.begin() as conn:
            (made,) = cut(conn, ENDPOINT, BatchLimits(1000, 10**6), Waiting(1, 0.0))
        return made

    def create(self, batch: int, provider_id: str = "batch_1") -> int:
        """The provider has it."""
        with self.database.engine.begin() as conn:
            assert provider_batches.begin_create(conn, batch)
            assert provider_batches.created(conn, batch, provider_id, "in_progress")
        return batch

    def sent(self) -> int:
        """A batch of all that waits, at the provider."""
        return self.create(self.cut())

    def answer(self, batch: int, *, cost_nusd: int | None = COST_NUSD) -> tuple[int, int]:
        """A line comes for each request of a batch."""
        query = f"SELECT id, work_item_id FROM provider_requests WHERE batch_id = {batch}"
        lines = [
            provider_lines.Line(request, {"status": 200, "body": {"item": item}}, cost_nusd)
            for request, item in self.database.rows(query)
        ]
        with self.database.engine.begin() as conn:
            stored = provider_lines.store_lines(conn, batch, lines)
            provider_batches.count_lines(conn, batch, *stored)
        return stored

    def committed_nusd(self) -> int:
        """Spent and reserved on the job's account."""
        spent = "SELECT committed_nusd FROM spend_accounts WHERE account = "
        refunds = "SELECT COALESCE(SUM(nusd), 0) FROM spend_refunds WHERE account = "
        committed, back = (self.database.one(f"{q}'{self.id}'") for q in (spent, refunds))
        return int(committed) - int(back)

    def booked(self) -> list[tuple[int, str, int, int]]:
        """Failed calls: item, class, billionths of a US dollar, batch."""
        query = "SELECT work_item_id, error_class, cost_usd, provider_batch_id FROM attempts"
        return [
            (item, error_class, round(float(usd) * 1e9), batch)
            for item, error_class, usd, batch in self.database.rows(f"{query} ORDER BY id")
        ]

    def requests(self) -> list[str]:
        """The states of its requests."""
        return [row[0] for row in self.database.rows(
            f"SELECT state FROM provider_requests WHERE job_id = '{self.id}' ORDER BY id"
        )]  # fmt: skip  # one query
