"""`ruie enqueue`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from ruie.errors import ExitCode
from ruie.worker.cli.options import mapping_of, source_options

if TYPE_CHECKING:
    from ruie.db.jobs import NewInputError
    from ruie.worker.ingest.dry_run import Preview
    from ruie.worker.ingest.enqueue import Enqueued


@click.command()
@click.argument("sources", nargs=-1, required=True)
@source_options
@click.option("--schema", required=True, type=click.Path(path_type=Path), help="Schema file.")
@click.option("--name", default="", help="A name for the job; default: the files' names.")
@click.option("--model", default="", help="Model; default: RUIE_LLM_MODEL.")
@click.option("--cap", type=float, help="The most the job may cost, USD; there it pauses.")
@click.option(
    "--priority",
    type=click.Choice(["live", "normal", "backfill"]),
    default="normal",
    help="Its share of a quota that others wait for too: 16, 4 or 1.",
)
@click.option("--force", is_flag=True, help="Ask again what was answered (and paid) before.")
@click.option("--context", default="", help="Metadata key, such as title, told with each chunk.")
@click.option(
    "--corpus",
    default="",
    help="A name for what SOURCES hold: only what is new or changed since is enqueued.",
)
@click.option("--new", "anew", is_flag=True, help="Do not go on with an interrupted job.")
@click.option("--dry-run", is_flag=True, help="Only count what would be enqueued.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def enqueue(
    ctx: click.Context,
    sources: tuple[str, ...],
    text_column: str,
    id_column: str,
    meta: str | None,
    input_format: str | None,
    schema: Path,
    name: str,
    model: str,
    cap: float | None,
    priority: Literal["live", "normal", "backfill"],
    force: bool,
    context: str,
    corpus: str,
    anew: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Add SOURCES (files, folders, globs, URLs, - for standard input) as a job; prints its id.

    Lines that cannot be used are reported with file, line number and reason, and counted in
    `ruie status`; the rest is enqueued. Interrupted and called again, it goes on where it stopped.
    Exit code 1 if nothing at all could be used.
    """
    from ruie.schema import Schema
    from ruie.worker.cli.progress import telling
    from ruie.worker.client import Client
    from ruie.worker.terminal import print_json

    loaded = Schema.load(schema)
    mapping = mapping_of(text_column, id_column, meta)
    client = Client()
    with telling("counting" if dry_run else "enqueueing") as told:
        call = client.preview_files if dry_run else client.enqueue_files
        try:
            done: Preview | Enqueued = call(
                sources,
                loaded,
                told,
                mapping=mapping,
                input_format=input_format or "",
                name=name,
                model=model,
                cap_usd=cap,
                priority=priority,
                force=force,
                context=context,
                corpus=corpus,
                anew=anew,
            )
        except KeyboardInterrupt:
            _interrupted(told.job_id, told.documents, "-" not in sources)
            raise
    if as_json:
        print_json(asdict(done))
    else:
        _tell(done)
    if not done.documents and not done.unchanged:
        ctx.exit(int(ExitCode.FAILED))


def _tell(done: Preview | Enqueued) -> None:
    from ruie.worker.ingest.enqueue import Enqueued
    from ruie.worker.terminal import counted

    made = isinstance(done, Enqueued)
    _refusals(done.errors, done.refused, done.job_id if isinstance(done, Enqueued) else "")
    documents, items = counted(done.documents, "document"), counted(done.items, "work item")
    click.echo(
        f"{documents} ({done.new_documents:,} new), {items}, {done.refused:,} refused", err=made
    )
    if done.changed or done.unchanged or done.removed:
        click.echo(
            f"in the corpus {done.changed:,} changed, {done.unchanged:,} unchanged, "
            f"{done.removed:,} removed",
            err=made,
        )
    if isinstance(done, Enqueued):
        if done.continued:
            click.echo("went on with the job that was interrupted", err=True)
        click.echo(done.job_id)
    elif done.continues:
        click.echo(f"would go on with {done.continues}, which was interrupted")


def _refusals(errors: Sequence[NewInputError], refused: int, job_id: str) -> None:
    from ruie.worker import terminal

    terminal.refusals(errors)
    if refused > len(errors):
        more = f"refused  and {refused - len(errors):,} more"
        where = f"SELECT * FROM input_errors WHERE job_id = '{job_id}'"
        said = f'{more}: ruie query "{where}"' if job_id else more
        terminal.errors.print(said, soft_wrap=True, markup=False)


def _interrupted(job_id: str, documents: int, replayable: bool) -> None:
    if not job_id:
        return
    if replayable:
        click.echo(
            f"Interrupted after {documents:,} documents; the same command goes on from there.\n"
            f"`ruie cancel {job_id}` drops what is in.",
            err=True,
        )
    else:
        click.echo(
            f"Interrupted; standard input cannot be read again: {job_id} is cancelled.", err=True
        )
