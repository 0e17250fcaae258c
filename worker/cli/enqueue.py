"""`ruie enqueue`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Literal

import click

from ruie.errors import ExitCode
from worker.cli.source_options import source_options


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
    as_json: bool,
) -> None:
    """Add SOURCES (files, folders, globs, URLs, - for standard input) as a job; prints its id.

    Lines that cannot be used are reported with file, line number and reason, and counted in
    `ruie status`; the rest is enqueued. Exit code 1 if nothing at all could be used.
    """
    from ruie.schema import Schema
    from worker.cli.output import documents_read, errors, print_json, refusals
    from worker.client import Client
    from worker.sources.mapping import Mapping

    loaded = Schema.load(schema)
    kept = None if meta is None else tuple(name.strip() for name in meta.split(","))
    mapping = Mapping(text_column, id_column, kept)
    client = Client()
    with documents_read("enqueueing") as advance:
        done = client.enqueue_files(
            sources,
            loaded,
            advance,
            mapping=mapping,
            input_format=input_format or "",
            name=name,
            model=model,
            cap_usd=cap,
            priority=priority,
            force=force,
            context=context,
        )
    if as_json:
        print_json(asdict(done))
    else:
        refusals(done.errors)
        if done.refused > len(done.errors):
            errors.print(
                f"refused  and {done.refused - len(done.errors):,} more: ruie query "
                f"\"SELECT * FROM input_errors WHERE job_id = '{done.job_id}'\"",
                soft_wrap=True,
            )
        click.echo(
            f"{done.documents:,} documents ({done.new_documents:,} new), {done.items:,} work "
            f"items, {done.refused:,} refused",
            err=True,
        )
        click.echo(done.job_id)
    if not done.documents:
        ctx.exit(int(ExitCode.FAILED))
