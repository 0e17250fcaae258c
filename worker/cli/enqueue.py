"""`ruie enqueue`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ruie.errors import ExitCode
from ruie.worker.cli.options import Reading, job_options, json_option, schema_option, source_options

if TYPE_CHECKING:
    from ruie.db.jobs import NewInputError
    from ruie.schema import Schema
    from ruie.worker.client import Client, Options
    from ruie.worker.ingest.dry_run import DryRun
    from ruie.worker.ingest.enqueue import Enqueued


@click.command()
@click.argument("sources", nargs=-1, required=True)
@source_options
@schema_option
@click.option("--name", default="", help="A name for the job; default: the files' names.")
@job_options()
@click.option("--force", is_flag=True, help="Ask again what was answered (and paid for) before.")
@click.option(
    "--corpus",
    default="",
    help="A name for what SOURCES hold: only what is new or has changed since is enqueued.",
)
@click.option(
    "--refresh",
    is_flag=True,
    help="With --corpus: unchanged documents too; only what would be asked otherwise is asked.",
)
@click.option(
    "--new",
    "new_job",
    is_flag=True,
    help="Make a new job instead of continuing an interrupted one.",
)
@click.option("--dry-run", is_flag=True, help="Only count what would be enqueued.")
@json_option
@click.pass_context
def enqueue(
    ctx: click.Context,
    sources: tuple[str, ...],
    reading: Reading,
    schema: Path,
    name: str,
    options: Options,
    force: bool,
    corpus: str,
    refresh: bool,
    new_job: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Add SOURCES (files, folders, globs, URLs, - for standard input) as a job; prints its id.

    Lines that cannot be used are reported with file, line number and reason, and counted in
    `ruie status`; the rest is enqueued. If interrupted, the same command continues where it
    stopped. Exit code 1 if nothing at all could be used.
    """
    from ruie.schema import Schema
    from ruie.worker.cli.model_check import check_model, warn_of_batches
    from ruie.worker.client import Client
    from ruie.worker.undemonstrated import undemonstrated, warning

    loaded = Schema.load(schema)
    client = Client()
    if model := options.get("model"):
        check_model(client.config, model)
    warn_of_batches(client.config, options.get("mode"))
    _warn_of_price(client, options)
    options |= {"name": name, "force": force, "corpus": corpus, "refresh": refresh}
    options |= {"new_job": new_job}
    if missing := undemonstrated(client.config, client.engine, loaded):
        click.echo(warning(missing), err=True)
    run = _count if dry_run else _enqueue
    if not run(client, sources, loaded, reading, options, as_json):
        ctx.exit(int(ExitCode.FAILED))


def _warn_of_price(client: Client, options: Options) -> None:
    """Where the tier flex or batches were asked for and may well cost nothing less."""
    from ruie.worker.prices import price_of

    config = client.config
    mode = options.get("mode") or config.llm_mode
    if mode == "standard":
        return
    model = options.get("model") or config.llm_model
    price = price_of(model, config.llm_prices, config.llm_base_url)
    if price is not None and mode not in price.tiers:
        click.echo(
            f"For {model} no price of the tier {mode} is known: it is booked at the full price. "
            "RUIE_LLM_PRICES can state it (docs/settings.md).",
            err=True,
        )


def _enqueue(
    client: Client,
    sources: Sequence[str],
    schema: Schema,
    reading: Reading,
    options: Options,
    as_json: bool,
) -> bool:
    """Whether anything could be used."""
    from ruie.worker.cli.progress import progress_bar
    from ruie.worker.terminal import print_json

    with progress_bar("enqueueing") as progress:
        try:
            done = client.enqueue_files(sources, schema, progress, **reading, **options)
        except KeyboardInterrupt:
            _print_interrupted(progress.job_id, progress.documents, "-" not in sources)
            raise
    if as_json:
        print_json(asdict(done))
    else:
        _print_refusals(done.errors, done.refused, done.job_id)
        _print_counts(done, err=True)
        if done.continued:
            click.echo("continued the job that was interrupted", err=True)
        click.echo(done.job_id)
    return bool(done.documents or done.unchanged)


def _count(
    client: Client,
    sources: Sequence[str],
    schema: Schema,
    reading: Reading,
    options: Options,
    as_json: bool,
) -> bool:
    """Likewise, with --dry-run."""
    from ruie.worker.cli.progress import progress_bar
    from ruie.worker.terminal import print_json

    with progress_bar("counting") as progress:
        counts = client.dry_run(sources, schema, progress, **reading, **options)
    if as_json:
        print_json(asdict(counts))
    else:
        _print_refusals(counts.errors, counts.refused)
        _print_counts(counts, err=False)
        if counts.continues:
            click.echo(f"would continue {counts.continues}, which was interrupted")
    return bool(counts.documents or counts.unchanged)


def _print_counts(counts: DryRun | Enqueued, *, err: bool) -> None:
    from ruie.worker.terminal import counted

    documents, items = counted(counts.documents, "document"), counted(counts.items, "work item")
    click.echo(
        f"{documents} ({counts.new_documents:,} new), {items}, {counts.refused:,} refused", err=err
    )
    if counts.changed or counts.unchanged or counts.removed:
        click.echo(
            f"in the corpus {counts.changed:,} changed, {counts.unchanged:,} unchanged, "
            f"{counts.removed:,} removed",
            err=err,
        )


def _print_refusals(errors: Sequence[NewInputError], refused: int, job_id: str = "") -> None:
    from ruie.worker import terminal

    terminal.print_refusals(errors)
    if refused > len(errors):
        line = f"refused  and {refused - len(errors):,} more"
        if job_id:
            line += f": ruie query \"SELECT * FROM input_errors WHERE job_id = '{job_id}'\""
        terminal.error_console.print(line, soft_wrap=True, markup=False)


def _print_interrupted(job_id: str, documents: int, replayable: bool) -> None:
    if not job_id:
        return
    if replayable:
        click.echo(
            f"Interrupted after {documents:,} documents; the same command continues from there.\n"
            f"`ruie cancel {job_id}` discards the job.",
            err=True,
        )
    else:
        click.echo(
            f"Interrupted; standard input cannot be read again: {job_id} is cancelled.", err=True
        )
