"""`ruie wait`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ruie.errors import ExitCode, UnavailableError
from ruie.worker.cli.completing import job_ids
from ruie.worker.cli.options import json_option, share

if TYPE_CHECKING:
    from ruie.db.progress import JobProgress
    from ruie.worker.client import Client


@click.command()
@click.argument("listed", metavar="JOB...", nargs=-1, required=True, shell_complete=job_ids)
@click.option(
    "--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="Wait no longer than this."
)
@click.option(
    "--fail-on-quarantine",
    metavar="SHARE",
    callback=share,
    help="Share of a job's items that may be given up; default: RUIE_QUARANTINE_SHARE.",
)
@json_option
@click.pass_context
def wait(
    ctx: click.Context,
    listed: tuple[str, ...],
    timeout: float | None,
    fail_on_quarantine: float | None,
    as_json: bool,
) -> None:
    """Wait until every JOB has ended; the exit code says how.

    0: all are done. 1: one was cancelled or failed, more of it was given up than may be, or it is
    paused by an error or its cap, which ends the wait at once. 3: time is up. A job that was paused
    by hand or by the day's cap is waited for, and so is a database that is away.
    """
    from ruie.worker.cli.status import line, plain
    from ruie.worker.client import Client
    from ruie.worker.terminal import print_json
    from ruie.worker.waiting import wait_for

    client = Client()
    tolerated = client.config.quarantine_share if fail_on_quarantine is None else fail_on_quarantine
    ended = wait_for(
        client.engine,
        list(dict.fromkeys(listed)),
        tolerated,
        timeout,
        lambda progress: click.echo(f"{line(progress)}{_hindrances(progress, client)}", err=True),
    )
    if as_json:
        print_json([plain(progress) for progress in ended])
    else:
        for progress in ended:
            click.echo(line(progress))
    failed = [progress for progress in ended if progress.ok is False]
    for progress in failed:
        click.echo(f"ruie: {_why(progress, client)}", err=True)
    if failed:
        ctx.exit(int(ExitCode.FAILED))
    if waiting := [progress.job_id for progress in ended if progress.ok is None]:
        raise UnavailableError(
            f"Still waiting for {', '.join(waiting)} after {timeout:g} s.",
            "`ruie status` shows how far they are.",
        )


def _hindrances(progress: JobProgress, client: Client) -> str:
    """Why a job that has not ended may come no further, as far as `ruie status` knows it: why it is
    paused, which endpoint is away, what went wrong with its batches, that nobody works."""
    from ruie.errors import UnavailableError

    if progress.ok is not None:
        return ""
    said = [f"paused: {progress.reason}"] if progress.reason and progress.state == "paused" else []
    if progress.state == "running":
        try:
            said += _of_others(progress, client)
        except UnavailableError:  # the database is away: that is waited for
            return ""
    return "".join(f"; {' '.join(each.split())}" for each in said)


def _of_others(progress: JobProgress, client: Client) -> list[str]:
    from ruie.worker.cli.batch_lines import ERROR_CHARS
    from ruie.worker.cli.endpoint_state import away_line
    from ruie.worker.cli.status import alive_sentence
    from ruie.worker.job_status import job_status

    said = [away_line(each) for each in client.endpoints_away()]
    for batch in job_status(client, progress.job_id).batches:
        if batch.error:
            said.append(f"last error of batch {batch.id}: {batch.error[:ERROR_CHARS]}")
    sentence, bad = alive_sentence(client, work=bool(progress.open))
    return [*said, sentence] if bad else said


def _why(progress: JobProgress, client: Client) -> str:
    """Why a job does not count as a success, and what to do."""
    from ruie.db.engine import reading
    from ruie.db.quarantine import count_quarantined
    from ruie.worker.cli.given_up import too_much_given_up
    from ruie.worker.undemonstrated import undemonstrated_of

    job = progress.job_id
    if progress.state == "done":
        with reading(client.engine) as conn:
            classes = count_quarantined(conn, job)
        missing = undemonstrated_of(client.config, client.engine, client.job(job))
        return too_much_given_up(progress, classes, missing)
    reason = f": {progress.reason}" if progress.reason else ""
    goes_on = progress.state == "paused" and progress.paused_by == "error"
    hint = f"\n      `ruie resume {job}` goes on once that is mended." if goes_on else ""
    return f"{job} is {progress.state}{reason}{hint}"
