"""`ruie export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ruie.worker.cli.completing import job_ids

if TYPE_CHECKING:
    from ruie.worker.export.write import Form


@click.command()
@click.argument("job", shell_complete=job_ids)
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "parquet", "brat", "html"]),
    default="jsonl",
    help="parquet and brat are folders; default: jsonl.",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    help="File or folder; default: JSONL to standard output, others named after the job.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help="At most this many documents; default for html: 500.",
)
@click.option("--document", type=int, help="Only this document, by its id in the database.")
@click.option(
    "--unanswered",
    is_flag=True,
    help="JSONL: also documents without an answer, null for a person to fill in.",
)
@click.option(
    "--min-confidence",
    type=click.FloatRange(0, 1),
    metavar="0..1",
    help="Leave out the model's records that are less confident; default: none.",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing export.")
def export(
    job: str,
    form: Form,
    output: Path | None,
    limit: int | None,
    document: int | None,
    unanswered: bool,
    min_confidence: float | None,
    overwrite: bool,
) -> None:
    """Write the records of JOB as files."""
    from ruie.db import jobs
    from ruie.db.engine import reading
    from ruie.db.record_pages import document_records
    from ruie.shown import data_output
    from ruie.worker.client import Client
    from ruie.worker.export import write
    from ruie.worker.export.confident import confident
    from ruie.worker.export.rows import Counts
    from ruie.worker.terminal import counted

    engine = Client().engine
    with reading(engine) as conn:
        known = jobs.get_job(conn, job)
    if form == "jsonl" and output is None:
        counts = Counts()
        documents = confident(
            document_records(engine, known.id, limit=limit, document=document),
            min_confidence,
            counts,
        )
        write.write_lines(data_output(), documents, known, counts, unanswered=unanswered)
        where = "standard output"
    else:
        path = output or write.default_path(known.id, form)
        counts = write.export(
            engine, known, form, path, limit=limit, document=document, overwrite=overwrite,
            unanswered=unanswered, min_confidence=min_confidence,
        )  # fmt: skip  # its options
        where = str(path)
    click.echo(f"{where}: {counted(counts.documents, 'document')}", err=True)
    if counts.unanswered:
        click.echo(
            f"left out  {counted(counts.unanswered, 'document')} without an answered task:"
            " --unanswered adds them",
            err=True,
        )
    if counts.doubtful:
        unrated = f", {counts.unrated:,} of them without any" if counts.unrated else ""
        click.echo(
            f"left out  {counted(counts.doubtful, 'record')} of less confidence{unrated}", err=True
        )
    if counts.ungrounded:
        click.echo(
            f"left out  {counted(counts.ungrounded, 'record')} without offsets in the text",
            err=True,
        )
