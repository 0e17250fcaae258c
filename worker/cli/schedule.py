"""`ruie schedule`: sources that the coordinator enqueues by the clock."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from ruie.errors import ExitCode
from ruie.worker.cli.completing import schedule_names
from ruie.worker.cli.options import Reading, job_options, json_option, schema_option, source_options

if TYPE_CHECKING:
    from datetime import datetime

    from ruie.db.schedule_runs import ScheduleRun
    from ruie.db.schedules import Schedule
    from ruie.worker.client import Options
    from ruie.worker.schedules import Schedules

POLL_S = 0.5


@click.group()
def schedule() -> None:
    """Enqueue sources by the clock; the coordinator does it."""


@schedule.command()
@click.argument("name")
@click.option("--cron", required=True, help='Minute, hour, day, month, weekday: "0 2 * * *".')
@click.option("--tz", default="UTC", show_default=True, help="Time zone, an IANA name.")
@click.option("--source", "sources", multiple=True, required=True, help="What to read; repeatable.")
@source_options
@schema_option
@job_options(default_model="the coordinator's RUIE_LLM_MODEL")
@click.option(
    "--missed",
    type=click.Choice(["catch-up", "skip"]),
    default="catch-up",
    help="Due times at which no coordinator ran: one run for all of them, or none.",
)
@click.option(
    "--overlap",
    type=click.Choice(["refuse", "queue"]),
    default="refuse",
    help="A run that is due while the previous job runs: refuse it, or queue it.",
)
@click.option(
    "--retries",
    type=click.IntRange(min=0),
    default=3,
    help="How often a failed run is retried; default: 3.",
)
def add(
    name: str,
    cron: str,
    tz: str,
    sources: tuple[str, ...],
    reading: Reading,
    schema: Path,
    options: Options,
    missed: Literal["catch-up", "skip"],
    overlap: Literal["refuse", "queue"],
    retries: int,
) -> None:
    """Add a schedule named NAME, with the schema's content; relative paths are made absolute."""
    added = _schedules().add(
        name, cron, tz, sources, schema,
        missed=missed, overlap=overlap, retries=retries, **reading, **options,
    )  # fmt: skip  # what, when, and how
    assert added.next_due_at is not None
    click.echo(f"{name} is next due {_local(added.next_due_at, tz)}", err=True)


@schedule.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List all schedules: when each is next due, and its last run with its job."""
    from ruie.worker.terminal import console, print_json, table

    listed = _schedules().listed()
    if as_json:
        print_json([{**_shown(s), "last_run": run and asdict(run)} for s, run in listed])
        return
    if not listed:
        click.echo("no schedules", err=True)
        return
    rows = []
    for one, run in listed:
        due = _local(one.next_due_at, one.timezone) if one.next_due_at else "disabled"
        row: list[Any] = [one.name, one.cron, one.timezone, due]
        rows.append(row + (_outcome(run, one.timezone) if run else [None] * 5))
    columns = ["name", "cron", "zone", "next due", "last run", "state", "job", "outcome", "error"]
    console.print(table(columns, rows, wrap="error"))


@schedule.command()
@click.argument("name", shell_complete=schedule_names)
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, help="At most this many runs; default: 20."
)
@json_option
def show(name: str, limit: int, as_json: bool) -> None:
    """Show the schedule NAME and its runs, newest first."""
    from ruie.worker.terminal import console, print_json, table

    one, runs = _schedules().runs(name, limit)
    if as_json:
        print_json({**_shown(one), "runs": [asdict(run) for run in runs]})
        return
    due = _local(one.next_due_at, one.timezone) if one.next_due_at else "disabled"
    facts = [
        ("cron", f"{one.cron} ({one.timezone})"),
        ("next due", due),
        ("sources", ", ".join(_shown(one)["spec"]["sources"])),
        ("schema", one.spec["schema"]["name"]),
        ("missed", one.missed),
        ("overlap", one.overlap),
        ("retries", one.retries),
    ]
    console.print(table(["", ""], facts, title=one.name))
    if runs:
        rows = [[*_outcome(run, one.timezone), run.attempts] for run in runs]
        columns = ["due", "state", "job", "outcome", "error", "attempts"]
        console.print(table(columns, rows, wrap="error"))


def _shown(one: Schedule) -> dict[str, Any]:
    """A schedule without the credentials of its sources' URLs."""
    from ruie.secrets import without_credentials

    sources = [without_credentials(source) for source in one.spec["sources"]]
    return {**asdict(one), "spec": {**one.spec, "sources": sources}}


@schedule.command()
@click.argument("name", shell_complete=schedule_names)
@click.option("--wait", is_flag=True, help="Wait until it is enqueued; exit code 1 if it was not.")
@click.pass_context
def run(ctx: click.Context, name: str, wait: bool) -> None:
    """Run NAME now; the coordinator does it, even if the schedule is disabled."""
    import time

    schedules = _schedules()
    requested = schedules.run(name)
    click.echo(f"{name} is due now; `ruie schedule show {name}` shows how it goes", err=True)
    while wait:
        now = next((r for r in schedules.runs(name, 1000)[1] if r.id == requested.id), None)
        if now is None or now.state in ("done", "failed", "skipped"):
            break
        time.sleep(POLL_S)
    if wait:
        if now is None or now.state != "done":
            click.echo(f"{name}: {now.state if now else 'removed'}  {now and now.error}", err=True)
            ctx.exit(int(ExitCode.FAILED))
        click.echo(now.job_id)


@schedule.command()
@click.argument("name", shell_complete=schedule_names)
def remove(name: str) -> None:
    """Remove NAME and the history of its runs; its jobs and their records stay."""
    _schedules().remove(name)
    click.echo(f"{name} is removed", err=True)


@schedule.command()
@click.argument("name", shell_complete=schedule_names)
def enable(name: str) -> None:
    """Enable NAME again, from its next due time on."""
    schedules = _schedules()
    due = schedules.enable(name)
    zone = schedules.runs(name, 1)[0].timezone
    click.echo(f"{name} is next due {_local(due, zone)}", err=True)


@schedule.command()
@click.argument("name", shell_complete=schedule_names)
def disable(name: str) -> None:
    """Disable NAME until it is enabled again; a run that has begun continues."""
    _schedules().disable(name)
    click.echo(f"{name} is disabled", err=True)


def _schedules() -> Schedules:
    from ruie.worker.client import Client
    from ruie.worker.schedules import Schedules

    return Schedules(Client())


def _local(at: datetime, zone: str) -> str:
    """A time in the schedule's zone, with the zone's offset then."""
    from ruie.worker.cron import zone as named

    return at.astimezone(named(zone)).strftime("%Y-%m-%d %H:%M %z")


def _outcome(run: ScheduleRun, zone: str) -> list[Any]:
    """When it was due, its state, its job, the job's state and counts, the error."""
    from ruie.worker.terminal import counted

    numbers = (run.counts or {}).items()
    counts = ", ".join(f"{n:,} {what}" for what, n in numbers if n or what == "documents")
    given_up = f", {counted(run.job_quarantined, 'item')} given up" if run.job_quarantined else ""
    job = f"{run.job_state}{given_up}" if run.job_state else ""
    outcome = ": ".join(part for part in (job, counts) if part)
    state = "retry" if run.state == "due" and run.error else run.state
    return [_local(run.due_at, zone), state, run.job_id, outcome, run.error]
