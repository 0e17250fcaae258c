"""`ruie enqueue`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click

from ruie.errors import ExitCode


@click.command()
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--schema", required=True, type=click.Path(path_type=Path), help="Schema file.")
@click.option("--name", default="", help="A name for the job; default: the files' names.")
@click.option("--model", default="", help="Model; default: RUIE_LLM_MODEL.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def enqueue(
    ctx: click.Context,
    sources: tuple[Path, ...],
    schema: Path,
    name: str,
    model: str,
    as_json: bool,
) -> None:
    """Add SOURCES (JSONL and text files, or folders of them) as a job; prints the job's id.

    Lines that cannot be used are reported with file, line number and reason, and counted in
    `ruie status`; the rest is enqueued. Exit code 1 if nothing at all could be used.
    """
    from ruie.schema import Schema
    from worker.cli.output import errors, print_json
    from worker.client import Client

    loaded = Schema.load(schema)
    client = Client()
    with _progress() as advance:
        done = client.enqueue_files(sources, loaded, name=name, model=model, progress=advance)
    if as_json:
        print_json(asdict(done))
    else:
        for error in done.errors:
            place = f"{error.source}:{error.line}" if error.line else str(error.source)
            errors.print(f"refused  {place}  {error.reason}", soft_wrap=True, markup=False)
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


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    """A line with the count so far, on a terminal."""
    from worker.cli.output import errors

    if not errors.is_terminal:
        yield lambda _: None
        return
    with errors.status("enqueueing") as line:
        yield lambda count: line.update(f"enqueueing: {count:,} documents")
