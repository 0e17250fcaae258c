"""`ruie pause`, `resume`, `cancel` and `cap`: a job's state in the database."""

from __future__ import annotations

import click

from ruie.worker.cli.completing import job_ids


@click.command()
@click.argument("job", shell_complete=job_ids)
def pause(job: str) -> None:
    """Stop JOB for now; calls in flight end, no new ones begin."""
    from ruie.worker.client import Client

    Client().pause(job)
    click.echo(f"{job} is paused", err=True)


@click.command()
@click.argument("job", shell_complete=job_ids)
def resume(job: str) -> None:
    """Continue a paused or failed JOB where it stopped."""
    from ruie.worker.client import Client

    Client().resume(job)
    click.echo(f"{job} is running", err=True)


@click.command()
@click.argument("job", shell_complete=job_ids)
def cancel(job: str) -> None:
    """End JOB for good; its records stay."""
    from ruie.worker.client import Client

    Client().cancel(job)
    click.echo(f"{job} is cancelled", err=True)


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
