"""`ruie review`."""

from __future__ import annotations

from pathlib import Path

import click

from ruie.worker.cli.completing import job_ids
from ruie.worker.cli.options import json_option


@click.group()
def review() -> None:
    """Import, list, score and export people's corrections."""


@review.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--job", required=True, shell_complete=job_ids, help="The job whose export was corrected."
)
@click.option("--reviewer", metavar="NAME", help="The person who corrected it.")
def import_(file: Path, job: str, reviewer: str | None) -> None:
    """Put the corrected rows of FILE in the place of the model's records.

    Importing it again changes nothing.
    """
    from ruie.worker.client import Client
    from ruie.worker.terminal import counted

    done = Client().import_reviews(job, file, reviewer)
    for problem in done.problems:
        verb = "left out" if problem.rows else "repaired"
        click.echo(f"{verb}  {problem}. {problem.hint}", err=True)
    click.echo(
        f"{counted(done.stored, 'review')} stored, {done.unchanged:,} unchanged,"
        f" {sum(p.rows for p in done.problems):,} left out"
        + (f", {done.blank:,} not annotated" if done.blank else ""),
        err=True,
    )
    if any(problem.rows for problem in done.problems):
        click.get_current_context().exit(1)


@review.command("list")
@click.argument("job", required=False, shell_complete=job_ids)
@json_option
def list_(job: str | None, as_json: bool) -> None:
    """List the current reviews, of all documents or of those of JOB."""
    from ruie.db import jobs, reviews
    from ruie.db.engine import reading
    from ruie.worker.client import Client
    from ruie.worker.terminal import console, print_json, table, timestamp

    with reading(Client().engine) as conn:
        if job:
            jobs.get_job(conn, job)
        rows = [
            (
                r.id,
                r.body["id"],
                r.schema_name,
                " ".join(r.tasks),
                r.reviewer,
                timestamp(r.created_at),
            )
            for r in reviews.current_reviews(conn, job)
        ]
    columns = ("review", "document", "schema", "tasks", "reviewer", "created")
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        console.print(table(columns, rows))


@review.command()
@click.argument("job", shell_complete=job_ids)
@json_option
def score(job: str, as_json: bool) -> None:
    """Precision, recall and F1 of JOB's model against the reviews of its documents.

    Of a text that was given up, what people found counts as missed. Where an earlier job is about
    the same documents, as before `ruie learn`, its scores are shown too.
    """
    from ruie.db import jobs
    from ruie.db.engine import reading
    from ruie.db.review_comparison import compare
    from ruie.worker import reviewing
    from ruie.worker.cli.review_scores import as_document, coverage_lines, print_scores
    from ruie.worker.client import Client
    from ruie.worker.terminal import print_json

    engine = Client().engine
    with reading(engine) as conn:
        known = jobs.get_job(conn, job)
        compared = compare(conn, known)
    scores = reviewing.score(engine, known)
    if as_json:
        print_json({"job": job, **as_document(scores, compared)})
        return
    print_scores(scores, compared)
    for line in coverage_lines(scores.coverage):
        click.echo(line, err=True)


@review.command()
@click.argument("job", required=False, shell_complete=job_ids)
@click.option(
    "--output", "-o", required=True, type=click.Path(path_type=Path), help="JSONL to write."
)
@click.option("--overwrite", is_flag=True, help="Replace existing files.")
def export(job: str | None, output: Path, overwrite: bool) -> None:
    """Write the reviews, of all documents or of those of JOB, as gold data with their schema."""
    from ruie.worker.client import Client
    from ruie.worker.terminal import counted

    count = Client().export_reviews(output, job, overwrite=overwrite)
    click.echo(f"{output}: {counted(count, 'review')}", err=True)


@review.command()
@click.argument("job", shell_complete=job_ids)
@click.option("-n", "count", type=click.IntRange(min=1), default=10, help="Documents; default: 10.")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    help="JSONL to write; default: the job's id, -sample.jsonl.",
)
@click.option("--overwrite", is_flag=True, help="Replace existing files.")
def sample(job: str, count: int, output: Path | None, overwrite: bool) -> None:
    """Write the documents of JOB that are worth annotating first, with the model's records.

    They stand for as many others as possible, short ones for less. Those with doubtful records
    count for more; once some are reviewed, so do those whose answers were rejected or given up.
    """
    from ruie.bundle import Bundle
    from ruie.db import jobs
    from ruie.db.engine import reading
    from ruie.errors import UsageError
    from ruie.worker import sampling
    from ruie.worker.client import Client
    from ruie.worker.export import write
    from ruie.worker.terminal import counted

    client = Client()
    path = output or Path(f"{job}-sample.jsonl")
    write.check(path, "jsonl", overwrite=overwrite)
    bundle = Bundle.open(client.config.bundle, threads=client.config.encoder_threads)
    prefix = bundle.manifest.encoder.query_prefix
    with reading(client.engine) as conn:
        known = jobs.get_job(conn, job)
        chosen = sampling.sample(conn, job, known.schema_name, bundle.encoder, prefix, count)
    if not chosen:
        raise UsageError("Every document of the job is reviewed.", f"`ruie learn {job}` uses them.")
    write.export_template(client.engine, known, chosen, path, overwrite=overwrite)
    click.echo(
        f"{path}: {counted(len(chosen), 'document')} to annotate: correct the lists, and replace"
        f" null by a list\nthen `ruie review import {path} --job {job}` and `ruie learn {job}`",
        err=True,
    )
