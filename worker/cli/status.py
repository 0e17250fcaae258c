"""`ruie status`."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ruie.worker.cli.endpoint_state import (
    away_document,
    away_line,
    model_documents,
    model_lines,
)
from ruie.worker.cli.options import json_option

if TYPE_CHECKING:
    from rich.console import Group
    from rich.text import Text

    from ruie.db.progress import JobProgress
    from ruie.worker.client import Client

WATCH_S = 1.0
BAR_WIDTH = 60


@click.command()
@click.argument("job", required=False)
@click.option(
    "--watch",
    is_flag=True,
    help="Keep showing until the job, or every job, has ended or is paused.",
)
@json_option
def status(job: str | None, watch: bool, as_json: bool) -> None:
    """Show how far the jobs are, or one JOB in detail."""
    from ruie.worker.client import Client

    client = Client()
    if watch and not as_json:
        _watch(client, job)
    else:
        _once(client, job, as_json)


def _once(client: Client, job: str | None, as_json: bool) -> None:
    from ruie.worker.terminal import console, print_json

    away = client.endpoints_away()
    if as_json:
        shared = {"endpoints_away": [away_document(each) for each in away]}
        listed = [client.progress(job)] if job else _all(client)
        documents = [plain(progress) | shared for progress in listed]
        if job:
            documents[0]["models"] = model_documents(client.models())
        print_json(documents[0] if job else documents)
        return
    for each in away:
        console.print(away_line(each), style="yellow", markup=False)
    if job:
        console.print(detail(client.progress(job)))
        for line in model_lines(client.models()):
            console.print(line, style="dim", markup=False)
    elif listed := _all(client):
        console.print(overview(listed))
    else:
        console.print("There are no jobs yet. `ruie enqueue` makes one.")


def _all(client: Client) -> list[JobProgress]:
    return [client.progress(job.id) for job in client.jobs()]


def plain(progress: JobProgress) -> dict[str, Any]:
    """A job's progress as one JSON object."""
    names = ("items", "open", "done", "quarantined", "quarantined_share", "ok")
    return asdict(progress) | {name: getattr(progress, name) for name in names}


def _watch(client: Client, job: str | None) -> None:
    """On a terminal a table that changes in place; in a log one line for each change."""
    from rich.console import Group
    from rich.live import Live

    from ruie.worker.terminal import console

    def fetch() -> list[JobProgress]:
        return [client.progress(job)] if job else _all(client)

    if console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            while True:
                listed = fetch()
                shown = detail(listed[0]) if job else overview(listed)
                live.update(Group(*_away(client), shown), refresh=True)
                if all(_ended(progress) for progress in listed):
                    return
                time.sleep(WATCH_S)
    printed = ""
    while True:
        listed = fetch()
        away = [f"{each.endpoint} is away: {each.reason}" for each in client.endpoints_away()]
        lines = "\n".join([*away, *(line(progress) for progress in listed)])
        if lines != printed:
            click.echo(lines)
            printed = lines
        if all(_ended(progress) for progress in listed):
            return
        time.sleep(WATCH_S)


def _away(client: Client) -> list[Text]:
    from rich.text import Text

    return [Text(away_line(each), style="yellow") for each in client.endpoints_away()]


def _ended(progress: JobProgress) -> bool:
    return progress.state in ("done", "cancelled", "failed", "paused")


def line(progress: JobProgress) -> str:
    """A job on one line, for a log."""
    return (
        f"{progress.job_id} {_state(progress)}: "
        f"{progress.done:,} of {progress.items:,} items done, "
        f"{progress.quarantined:,} quarantined, {progress.calls:,} calls, "
        f"{progress.prompt_tokens + progress.completion_tokens:,} tokens"
    )


def _state(progress: JobProgress) -> Text:
    """The job's state, and whether its sources are still being read, or how much of a job that is
    done was given up: in red where that is more than is tolerated."""
    from rich.text import Text

    from ruie.worker.terminal import percent

    if not progress.enqueued and progress.state in ("running", "paused"):
        return Text(f"{progress.state}, enqueueing")
    if progress.state == "done" and progress.quarantined:
        given_up = f"done, {percent(progress.quarantined_share)} given up"
        return Text(given_up, style="yellow" if progress.ok else "red")
    return Text(progress.state)


def overview(listed: list[JobProgress]) -> Any:
    """All jobs, one a row."""
    from ruie.worker.terminal import table

    columns = ("job", "name", "state", "documents", "items", "done", "open", "quarantined",
               "refused", "tokens")  # fmt: skip  # a row of columns
    rows = [
        (p.job_id, p.name, _state(p), p.documents, p.items, p.done, p.open, p.quarantined,
         p.input_errors, p.prompt_tokens + p.completion_tokens)
        for p in listed
    ]  # fmt: skip  # likewise
    return table(columns, rows, wrap="name")


def detail(progress: JobProgress) -> Group:
    """One job: its counts, and its items by task."""
    from rich.console import Group
    from rich.text import Text

    from ruie.worker.terminal import table

    head = Text(f"{progress.job_id}  {progress.name}  ").append_text(_state(progress))
    if progress.reason:
        head.append(f": {progress.reason}")
    counts = (
        f"{progress.documents:,} documents, {progress.input_errors:,} refused lines, "
        f"{progress.calls:,} calls ({progress.failed_calls:,} failed), "
        f"{progress.prompt_tokens:,} tokens in, {progress.completion_tokens:,} out"
    )
    if progress.cached_tokens or progress.reasoning_tokens:
        counts += f" ({progress.cached_tokens:,} cached, {progress.reasoning_tokens:,} reasoning)"
    if progress.cost_usd or progress.cap_usd:  # 0 where no price is known
        counts += f", {progress.cost_usd:.4f} USD"
    if progress.cap_usd:
        counts += f" of at most {progress.cap_usd:.4f}"
    tasks = table(
        ("task", "items", "done", "pending", "leased", "retry", "quarantined", "cancelled"),
        [
            (str(t.task), t.items, t.done, t.pending, t.leased, t.retry, t.quarantined, t.cancelled)
            for t in progress.tasks
        ],
    )
    full = BAR_WIDTH * (progress.items - progress.open) // max(1, progress.items)
    bar = Text("━" * full, style="green").append("─" * (BAR_WIDTH - full), style="dim")
    return Group(head, Text(counts), bar, tasks)
