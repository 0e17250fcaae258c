"""The demo, step by step: servers, enqueue, watch, report."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ruie.db.progress import JobProgress
from ruie.errors import RuieError
from ruie.packaged import packaged_bundle
from ruie.private import private_folder
from ruie.settings import Settings
from ruie.worker.client import Client
from ruie.worker.demo import gold, report
from ruie.worker.embedded.only_one import only_one
from ruie.worker.embedded.stack import LocalLLM, Stack, with_endpoint
from ruie.worker.embedded.web_port import PORT
from ruie.worker.terminal import console

LONGEST_S = 1800.0


@dataclass(slots=True)
class Clock:
    """Prints lines with the seconds since the start."""

    started: float

    def print(self, text: str) -> None:
        console.print(f"[dim]{time.monotonic() - self.started:5.0f} s[/]  {text}", soft_wrap=True)


def run(config: Settings) -> bool:
    """Run the whole demo; returns whether every job has results."""
    clock = Clock(time.monotonic())
    home = config.home / "demo"
    private_folder(config.home)
    with only_one(home, "ruie demo"):
        return _run(config, home, clock)


def _run(config: Settings, home: Path, clock: Clock) -> bool:
    for old in home.glob("ruie.db*"):
        old.unlink()
    config = config.model_copy(
        update={
            "home": home,
            "database_url": f"sqlite:///{home / 'ruie.db'}",
            "bundle": packaged_bundle(),
            # few processes and calls: the model needs this machine's cores
            "concurrency": 2,
            "batch_size": 12,
            "llm_max_in_flight": 4,
            "llm_timeout_s": 300.0,
            # twice the longest right answer of these corpora; a small model that repeats itself
            # does not stop
            "llm_max_tokens": 96,
        }
    )
    with ExitStack() as running:
        llm = None if config.llm_base_url else running.enter_context(LocalLLM(config))
        clock.print("starting Redis, the local LLM, the coordinator and a worker")
        if llm is not None:
            config = with_endpoint(config, llm.url())
        stack = running.enter_context(
            Stack(config, report=lambda line: clock.print(f"  {line}"), web_port=PORT)
        )
        client = Client(stack.settings)
        job_ids = enqueue(client, clock)
        watch(client, stack, list(job_ids.values()))
        clock.print("done")
    report.show(client.engine, stack.settings, job_ids, time.monotonic() - clock.started)
    return all(client.progress(job_id).done > 0 for job_id in job_ids.values())


def enqueue(client: Client, clock: Clock) -> dict[str, str]:
    """A job for each corpus, of its sentences without the gold annotations."""
    job_ids: dict[str, str] = {}
    for name in gold.NAMES:
        corpus = gold.corpus(name)
        rows = [{"id": row.id, "text": row.text} for row in corpus.rows]
        enqueued = client.enqueue(rows, corpus.schema, name=f"demo {name}")
        job_ids[name] = enqueued.job_id
        clock.print(
            f"enqueued {enqueued.documents} sentences of {corpus.schema.name}: {enqueued.job_id}"
        )
    return job_ids


def watch(client: Client, stack: Stack, job_ids: list[str]) -> None:
    """Show the progress until every job is done: bars on a terminal, lines in a log."""
    deadline = time.monotonic() + LONGEST_S
    columns = (TextColumn("  {task.description:<4}"), BarColumn(40), MofNCompleteColumn(),
               TimeElapsedColumn())  # fmt: skip  # one bar's parts
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        bar_ids = {}
        tenth = -1
        while True:
            stack.check()
            jobs = [client.progress(job_id) for job_id in job_ids]
            for job in jobs:
                if job.state == "paused":
                    raise RuieError(f"The job {job.job_id} is paused: {job.reason}")
                for task in job.tasks:
                    if task.task not in bar_ids:
                        bar_ids[task.task] = bars.add_task(str(task.task))
                    bars.update(bar_ids[task.task], total=task.items, completed=task.closed)
            tenth = _print_tenth(jobs, tenth)
            if all(job.state == "done" for job in jobs):
                return
            if time.monotonic() > deadline:
                raise RuieError(
                    f"The jobs did not end within {LONGEST_S:g} s.",
                    f"See the logs in {stack.settings.home}/.",
                )
            time.sleep(0.5)


def _print_tenth(jobs: list[JobProgress], printed: int) -> int:
    """Where the output is not a terminal, a line for each tenth of the work; returns the last."""
    items = sum(job.items for job in jobs)
    closed = sum(job.items - job.open for job in jobs)
    tenth = 10 * closed // max(1, items)
    if not console.is_terminal and tenth > printed:
        console.print(f"         {closed} of {items} work items finished")
    return max(tenth, printed)
