"""`ruie pause`, `ruie resume` and `ruie cancel`: a job's state, in SQL, where workers look."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from db.jobs import JobState


@click.command()
@click.argument("job")
def pause(job: str) -> None:
    """Stop JOB for now; calls in flight end, nothing new begins."""
    _set(job, "paused", "paused by hand")


@click.command()
@click.argument("job")
def resume(job: str) -> None:
    """Let a paused or failed JOB go on where it stopped."""
    _set(job, "running", None)


@click.command()
@click.argument("job")
def cancel(job: str) -> None:
    """End JOB for good; it keeps what it has."""
    _set(job, "cancelled", "cancelled by hand")


def _set(job: str, state: JobState, reason: str | None) -> None:
    from db import jobs
    from worker.client import Client

    with Client().engine.begin() as conn:
        jobs.set_job_state(conn, job, state, reason)
    click.echo(f"{job} is {state}", err=True)
