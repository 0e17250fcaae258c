"""`ruie pause`, `resume`, `cancel` and `cap`: a job's state in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ruie.worker.cli.completing import job_ids

if TYPE_CHECKING:
    from ruie.db.jobs import JobState


@click.command()
@click.argument("job", shell_complete=job_ids)
def pause(job: str) -> None:
    """Stop JOB for now; calls in flight end, no new ones begin."""
    _set(job, "paused", "paused by hand")


@click.command()
@click.argument("job", shell_complete=job_ids)
def resume(job: str) -> None:
    """Continue a paused or failed JOB where it stopped."""
    _set(job, "running", None)


@click.command()
@click.argument("job", shell_complete=job_ids)
def cancel(job: str) -> None:
    """End JOB for good; its records stay."""
    _set(job, "cancelled", "cancelled by hand")


@click.command()
@click.argument("job", shell_complete=job_ids)
@click.argument("usd", type=float, required=False)
@click.option("--none", "without", is_flag=True, help="Remove the cap.")
def cap(job: str, usd: float | None, without: bool) -> None:
    """Set the most that JOB may cost, in US dollars; without an amount, show it.

    A job that is paused at its cap continues when the new one is higher.
    """
    from ruie.db import job_states, jobs, spend
    from ruie.worker.client import Client, check_cap

    client = Client()
    with client.engine.begin() as conn:
        known = jobs.get_job(conn, job)
        if usd is not None and not without:
            check_cap(usd, known.model, client.config)
        if usd is not None or without:
            known = job_states.set_cap(conn, job, spend.to_nusd(None if without else usd))
        committed = spend.committed_nusd(conn, job) / spend.NUSD
    limit = "no cap" if known.cap_nusd is None else f"cap ${known.cap_nusd / spend.NUSD:,.4f}"
    click.echo(f"{job} is {known.state}: {limit}, ${committed:,.4f} spent or reserved", err=True)


def _set(job: str, state: JobState, reason: str | None) -> None:
    from ruie.db import job_states
    from ruie.worker.client import Client

    with Client().engine.begin() as conn:
        job_states.set_job_state(conn, job, state, reason)
    click.echo(f"{job} is {state}", err=True)
