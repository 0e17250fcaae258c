"""A scripted provider of batches as a process of its own, in the forms of OpenAI (by file, and
inline as OpenRouter), Anthropic and Mistral. It takes its time, answers, bills and keeps books, and
fails as `support.batch_provider_plan` says. Single calls it serves as the metered endpoint does;
the requests of a batch are answered by the same plan.

    with BatchProvider(Plan(input_nusd=1000, output_nusd=4000), folder) as provider:
        provider.url  # http://127.0.0.1:PORT/v1
        provider.behave_in_batches(
            in_progress_s=1.0,  # each state takes so long
            faults=[
                Fault("create lost", most=1),  # one create is done, but its answer never sent
                Fault("poll 500", share=0.3),
                Fault("expire", most=1, part=0.5),
            ],
        )
        # a fifth of the requests fail, each prompt at most once, in batches and as single calls
        provider.behave(Plan(faults=0.2, kinds=("500", "429 bare", "length"), most=1))
        ...
        books = provider.books()  # a file: it can be read while the provider writes
        books.batches()[0].state
        books.files()  # what is there now
        books.calls("create")
        books.answers()  # each request of a batch that was answered and billed
        books.bill()  # of batches, in billionths of a dollar
        provider.log()  # single calls and those answers together, as Audit takes them

What is said with `behave` and `behave_in_batches` holds from then on, for what is on its way too:
`Fault("stuck")` ends with the next plan that lacks it. Answers, tokens and charges are those of the
metered endpoint (`support.metering`), in a batch at half the price. A scene can have a provider of
its own for the processes that it starts: `scene.start("worker", RUIE_LLM_BASE_URL=provider.url)`.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from support.batch_provider_books import Books
from support.batch_provider_plan import BatchPlan, Fault
from support.metered import Entry, MeteredEndpoint
from support.metering import Plan

__all__ = ["BatchPlan", "BatchProvider", "Books", "Fault"]


class BatchProvider(MeteredEndpoint):
    """A running provider; a context manager."""

    app = "support.batch_provider_app"

    def __init__(self, plan: Plan, folder: Path, batch_plan: BatchPlan | None = None) -> None:
        super().__init__(plan, folder)
        self._batch_plan = batch_plan or BatchPlan()
        self._books: Books | None = None

    def __enter__(self) -> Self:
        super().__enter__()
        self._say(self._batch_plan)
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        if self._books is not None:
            self._books.close()

    def behave_in_batches(self, **changes: Any) -> None:
        """Follow another plan from now on: how it differs from the one of the beginning. Counts of
        faults begin afresh."""
        self._say(BatchPlan(**{**self._batch_plan.__dict__, **changes}))

    def books(self) -> Books:
        """What was done and billed so far, and what there is now."""
        if self._books is None:
            self._books = Books(self._folder / "books.sqlite")
        return self._books

    def log(self, since: int = 0) -> list[Entry]:
        """Single calls from number `since` on, and every request of a batch that was billed, in the
        order of time."""
        entries = [*super().log(since), *self.books().answers()]
        return sorted(entries, key=lambda entry: entry.at)

    def _say(self, plan: BatchPlan) -> None:
        self._ask("batch-plan", json.dumps(asdict(plan)).encode())
