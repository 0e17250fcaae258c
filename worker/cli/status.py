"""`ruie status`."""

from __future__ import annotations

import functools
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ruie.worker.cli.batch_lines import batch_document
from ruie.worker.cli.completing import job_ids
from ruie.worker.cli.endpoint_state import (
    away_document,
    away_line,
    model_documents,
    model_lines,
)
from ruie.worker.cli.options import json_option

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ruie.db.activity import Alive
    from ruie.db.progress import JobProgress
    from ruie.worker.client import Client
    from ruie.worker.job_status import JobStatus

WATCH_S = 1.0
NAMED = 5
"""Jobs about which a warning stands below the table, the newest ones."""


@click.command()
@click.argument("job", required=False, shell_complete=job_ids)
@click.option(
    "--watch",
    is_flag=True,
    help="Keep showing until the job, or every job, has ended or is paused.",
)
@json_option
def status(job: str | None, watch: bool, as_json: bool) -> None:
    """Show how far the jobs are and who works, or one JOB in detail."""
    from ruie.worker.client import Client

    client = Client()
    if watch and not as_json:
        _watch(client, job)
    elif as_json:
        _print_json(client, job)
    else:
        _print(client, job)


def _print(client: Client, job: str | None) -> None:
    from ruie.worker.terminal import console, error_console

    listed = _fetch(client, job)
    for part in _parts(client, listed, job):
        console.print(part)
    for warning in _warnings(client, listed, job):
        error_console.print(warning)
    for line in model_lines(client.models()) if job else ():
        console.print(line, style="dim", markup=False)


def _fetch(client: Client, job: str | None) -> list[JobStatus]:
    """One job, or all of them, the newest first."""
    from ruie.worker.job_status import job_status

    wanted = [job] if job else [each.id for each in client.jobs()]
    return [job_status(client, job_id, last_error=bool(job)) for job_id in wanted]


def _parts(client: Client, listed: list[JobStatus], job: str | None) -> list[RenderableType]:
    """What is shown, from top to bottom."""
    from rich.text import Text

    from ruie.worker.cli.progress_view import detail, overview

    if not listed:
        none = "There are no jobs yet. `ruie enqueue` makes one."
        return [none, "", _alive_text(client, listed)]
    parts: list[RenderableType] = [
        Text(away_line(each), style="yellow") for each in client.endpoints_away()
    ]
    parts.append(detail(listed[0]) if job else overview(listed))
    return [*parts, "", _alive_text(client, listed)]


def _warnings(client: Client, listed: list[JobStatus], job: str | None) -> list[RenderableType]:
    """What a person should not miss, of the job that is asked for, or of those that run: that it is
    done and too much of it was given up, and that the model is shown no example of its types. Of
    jobs that ended long ago the table says enough."""
    from rich.text import Text

    from ruie.worker.cli.given_up import too_much_given_up
    from ruie.worker.undemonstrated import warning

    asked = [one for one in listed if job or one.progress.state == "running"][:NAMED]
    warnings: list[RenderableType] = []
    for one in asked:
        missing, line = _undemonstrated(client, one.progress.job_id), ""
        if one.progress.state == "done" and one.progress.ok is False:
            line = too_much_given_up(one.progress, one.given_up, missing)
            warnings.append(Text(line, style="red"))
        if missing and (blind := warning(missing, one.progress.job_id)) not in line:
            warnings.append(Text(blind, style="yellow"))
    return warnings


@functools.cache  # --watch shows it every second, and it reads all that was learned
def _undemonstrated(client: Client, job: str) -> list[str]:
    from ruie.worker.undemonstrated import undemonstrated_of

    return undemonstrated_of(client.config, client.engine, client.job(job))


def _alive_text(client: Client, listed: list[JobStatus]) -> RenderableType:
    from rich.text import Text

    work = any(one.progress.state == "running" and one.progress.open for one in listed)
    sentence, bad = alive_sentence(client, work=work)
    return Text(sentence, style="yellow" if bad else "dim")


def alive_sentence(client: Client, *, work: bool) -> tuple[str, bool]:
    """Who works now, and whether somebody has to do something. work: a running job has open
    items."""
    from ruie.worker.cli.alive_line import alive_line
    from ruie.worker.embedded.only_one import running_in

    return alive_line(_alive(client), running_in(client.config.home), work=work)


def _alive(client: Client) -> Alive:
    from ruie.db.activity import alive
    from ruie.db.engine import reading

    with reading(client.engine) as conn:
        return alive(conn)


def _print_json(client: Client, job: str | None) -> None:
    from ruie.worker.terminal import print_json

    shared = {
        "endpoints_away": [away_document(each) for each in client.endpoints_away()],
        "alive": asdict(_alive(client)),
    }
    documents = [plain(one.progress) | _lively(one) | shared for one in _fetch(client, job)]
    if job:
        documents[0]["models"] = model_documents(client.models())
        documents[0]["undemonstrated"] = _undemonstrated(client, job)
    print_json(documents[0] if job else documents)


def plain(progress: JobProgress) -> dict[str, Any]:
    """A job's progress as one JSON object."""
    names = ("items", "open", "submitted", "done", "quarantined", "quarantined_share", "ok")
    return asdict(progress) | {name: getattr(progress, name) for name in names}


def _lively(shown: JobStatus) -> dict[str, Any]:
    """What else `ruie status` says of it. Of a job that does not run, and is not asked for alone,
    the last error is not read."""
    last = shown.activity.last_error if shown.activity else None
    return {
        "rate_per_minute": shown.rate,
        "seconds_left": shown.seconds_left,
        "quarantined_by_class": shown.given_up,
        "batches": [batch_document(each) for each in shown.batches],
        "requests_waiting": shown.requests_waiting,
        "last_error": last and asdict(last) | {"at": last.at.isoformat()},
    }


def _watch(client: Client, job: str | None) -> None:
    """On a terminal a table that changes in place; in a log one line for each change."""
    from rich.console import Group
    from rich.live import Live

    from ruie.worker.terminal import console

    if console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            while True:
                listed = _fetch(client, job)
                live.update(
                    Group(*_parts(client, listed, job), *_warnings(client, listed, job)),
                    refresh=True,
                )
                if all(_ended(one.progress) for one in listed):
                    return
                time.sleep(WATCH_S)
    printed = ""
    while True:
        jobs = [job] if job else [each.id for each in client.jobs()]
        progresses = [client.progress(each) for each in jobs]
        away = [f"{each.endpoint} is away: {each.reason}" for each in client.endpoints_away()]
        lines = "\n".join([*away, *(line(progress) for progress in progresses)])
        if lines != printed:
            click.echo(lines)
            printed = lines
        if all(_ended(progress) for progress in progresses):
            return
        time.sleep(WATCH_S)


def _ended(progress: JobProgress) -> bool:
    return progress.state in ("done", "cancelled", "failed", "paused")


def line(progress: JobProgress) -> str:
    """A job on one line, for a log."""
    from ruie.worker.cli.progress_view import state

    return (
        f"{progress.job_id} {state(progress)}: "
        f"{progress.done:,} of {progress.items:,} items done, "
        f"{progress.quarantined:,} quarantined, {progress.calls:,} calls, "
        f"{progress.prompt_tokens + progress.completion_tokens:,} tokens"
    )
