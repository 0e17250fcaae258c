"""`ruie retry`."""

from __future__ import annotations

import click

from ruie.worker.cli.completing import job_ids
from ruie.worker.cli.options import json_option


@click.command()
@click.argument("job", shell_complete=job_ids)
@click.option("--error", "error_class", metavar="CLASS", help="Only items of this error class.")
@click.option("--model", help="Use this model instead of the job's.")
@json_option
def retry(job: str, error_class: str | None, model: str | None, as_json: bool) -> None:
    """Take the items of JOB out of quarantine and retry them as if they were new.

    A job that was done runs again. `ruie quarantine list` shows the items and their errors.
    """
    from ruie.db import quarantine
    from ruie.db.engine import reading
    from ruie.worker.cli.model_check import check_model
    from ruie.worker.client import Client
    from ruie.worker.terminal import counted, print_json

    client = Client()
    with reading(client.engine) as conn:
        before = quarantine.count_quarantined(conn, job)
    client.check_retry(job, model)
    if model:
        check_model(client.config, model)
    retried = client.retry(job, error_class=error_class, model=model)
    state = client.job(job).state
    if as_json:
        print_json(
            {"job_id": job, "state": state, "retried": retried, "error_class": error_class,
             "model": model, "quarantined_before": before}
        )  # fmt: skip  # two lines
        return
    if retried:
        other = f" with the model {model}" if model else ""
        items = counted(retried, "item")
        click.echo(f"{items} of {job} will be retried{other}; the job is {state}")
        if state in ("paused", "failed"):
            click.echo(f"Nothing is sent before `ruie resume {job}`.", err=True)
    elif not before:
        click.echo(f"{job} has nothing in quarantine")
    else:
        listed = ", ".join(f"{name} ({items:,})" for name, items in before.items())
        click.echo(f"{job} has nothing of the class {error_class} in quarantine; it has {listed}")
