"""`ruie batch`: the batches at the provider, and those that are carried by hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ruie.errors import ExitCode, UsageError
from ruie.worker.cli.batch_lines import batch_age, batch_document, batch_state
from ruie.worker.cli.completing import job_ids, open_batches
from ruie.worker.cli.options import json_option

if TYPE_CHECKING:
    from ruie.worker.client import Client


@click.group()
def batch() -> None:
    """Show and cancel batches at the provider; write and read them as files."""


@batch.command("list")
@click.argument("job", required=False, shell_complete=job_ids)
@json_option
def list_(job: str | None, as_json: bool) -> None:
    """List the batches, of all jobs or of one JOB (or corpus), oldest first."""
    from ruie.worker.client import Client
    from ruie.worker.terminal import console, print_json, table

    client = Client()
    batches = client.batches(job)
    if job and not batches:
        _check_scope(client, job)
    if as_json:
        print_json({"batches": [batch_document(each) for each in batches]})
        return
    if not batches:
        click.echo("no batches")
        return
    columns = ["batch", "of", "model", "state", "requests", "answers", "errors", "age", "note"]
    rows = [
        [
            str(each.id),
            each.scope,
            each.model,
            batch_state(each),
            each.requests,
            each.answered,
            each.failed,
            batch_age(each),
            each.error or "",
        ]
        for each in batches
    ]
    console.print(table(columns, rows, wrap="note"))


def _check_scope(client: Client, name: str) -> None:
    """Raises `DatabaseError` where there is neither a job nor a corpus of this name."""
    if not any(each.corpus == name for each in client.jobs()):
        client.job(name)


@batch.command()
@click.argument("number", type=int, metavar="BATCH", shell_complete=open_batches)
@json_option
def show(number: int, as_json: bool) -> None:
    """Show all that is known about one BATCH."""
    from ruie.worker.client import Client
    from ruie.worker.terminal import console, print_json, table

    found = batch_document(Client().batch(number))
    if as_json:
        print_json(found)
        return
    rows = [(name.replace("_", " "), _written(value)) for name, value in found.items()]
    console.print(table(["", ""], rows, title=f"batch {number}", wrap=""))


@batch.command()
@click.argument("number", type=int, metavar="BATCH", shell_complete=open_batches)
def cancel(number: int) -> None:
    """Cancel a BATCH: what it has answered is recorded, and its jobs pause."""
    from ruie.worker.client import Client

    cancelled = Client().cancel_batch(number)
    click.echo(f"batch {number} is being cancelled; what it has answered by then is recorded")
    click.echo(
        f"{cancelled.scope} is paused: `ruie resume` sends the rest in another batch,"
        " `ruie job set JOB --mode standard` first asks it one by one"
    )


@batch.command()
@click.argument("job", shell_complete=job_ids)
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path, dir_okay=False),
    help="The file; it must not exist.",
)  # fmt: skip  # one option
def write(job: str, output: Path) -> None:
    """Write the requests of JOB that wait as a batch file, as `vllm run-batch -i` takes it."""
    from ruie.worker.client import Client
    from ruie.worker.provider_batches.by_hand import write_batch

    with Client() as client:
        client.job(job)
        made = write_batch(client.engine, job, output)
    click.echo(f"batch {made.id}: {made.requests:,} requests in {output}")


@batch.command()
@click.argument("results", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_context
def read(ctx: click.Context, results: Path) -> None:
    """Read the RESULTS of a batch file, as `vllm run-batch -o` writes them."""
    from ruie.worker.client import Client
    from ruie.worker.provider_batches.by_hand import read_results

    if not results.exists():
        raise UsageError(f"{results} does not exist.", "Name the file that `run-batch -o` wrote.")
    with Client() as client:
        read_ = read_results(client.engine, client.config, results)
        ours = bool(read_.answers or read_.errors) or _has_known_line(client, results)
    click.echo(
        f"{read_.answers:,} answers and {read_.errors:,} errors are stored,"
        f" {read_.foreign:,} lines are no requests of this database, or were read before"
    )
    for number, missing in read_.missing.items():
        click.echo(
            f"batch {number}: {missing:,} requests have no line;"
            f" `ruie batch cancel {number}` sends them again"
        )
    if not ours:
        click.echo(f"ruie: {results} has no line of a batch of this database", err=True)
        ctx.exit(int(ExitCode.FAILED))


def _has_known_line(client: Client, results: Path) -> bool:
    """Whether a file of results has a line of a batch of this database, which may have been read
    before."""
    from ruie.db import provider_batches
    from ruie.db.engine import reading
    from ruie.llm.batches.openai import results_line
    from ruie.worker.provider_batches.custom_ids import read_custom_id

    seen: set[str] = set()
    with results.open("rb") as lines, reading(client.engine) as conn:
        for raw in lines:
            line = results_line(raw)
            custom_id = None if line is None else read_custom_id(line.custom_id)
            if custom_id is None or custom_id.token in seen:
                continue
            seen.add(custom_id.token)
            if provider_batches.by_token(conn, custom_id.token) is not None:
                return True
    return False


def _written(value: Any) -> str:
    from datetime import datetime

    from ruie.worker.terminal import timestamp

    if isinstance(value, datetime):
        return timestamp(value)
    return "" if value is None else str(value)
