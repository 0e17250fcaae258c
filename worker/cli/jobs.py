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
    from ruie.db.spend import NUSD
    from ruie.worker.client import Client

    client = Client()
    known = client.job(job)
    if usd is not None or without:
        known = client.set_cap(job, None if without else usd)
    limit = "no cap" if known.cap_nusd is None else f"cap ${known.cap_nusd / NUSD:,.4f}"
    spent = client.committed_usd(job)
    click.echo(f"{job} is {known.state}: {limit}, ${spent:,.4f} spent or reserved", err=True)
