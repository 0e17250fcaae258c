"""`ruie evaluate`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ruie.errors import UnavailableError, UsageError
from ruie.records import Task
from ruie.worker.cli.options import json_option

if TYPE_CHECKING:
    from ruie.worker.evaluation.report import Report
    from ruie.worker.evaluation.run import Part

ENOUGH = 100
"""Records of a task that a calibration should be fitted to, at least."""


@click.command()
@click.argument("gold", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--schema", type=click.Path(path_type=Path), help="Schema; default: beside GOLD.")
@click.option("--bundle", type=click.Path(path_type=Path), help="Default: RUIE_BUNDLE.")
@click.option("--base", type=click.Path(path_type=Path), help="Bundle of the retriever `base`.")
@click.option(
    "--retriever",
    "retrievers",
    multiple=True,
    type=click.Choice(["trained", "similarity", "base", "bm25", "random"]),
    help="Repeatable; default: trained.",
)
@click.option(
    "-k", type=click.IntRange(min=0), help="Demonstrations; default: RUIE_DEMONSTRATIONS."
)
@click.option("--model", default="", help="Model; default: RUIE_LLM_MODEL.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=0,
    help="Evaluate a sample of this many rows of each GOLD; default: all.",
)
@click.option(
    "--sample-seed",
    "seed",
    type=click.IntRange(min=0),
    default=0,
    help="Seed of the sample, of `random` and of the intervals.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Folder for the results; answers in it are not paid for again.",
)
@click.option(
    "--calibration",
    type=click.Path(path_type=Path),
    help="Write here how confidences are to be told for records like these (RUIE_CALIBRATION).",
)
@json_option
def evaluate(
    gold: tuple[Path, ...],
    schema: Path | None,
    bundle: Path | None,
    base: Path | None,
    retrievers: tuple[str, ...],
    k: int | None,
    model: str,
    limit: int,
    seed: int,
    output: Path | None,
    calibration: Path | None,
    as_json: bool,
) -> None:
    """Precision, recall and F1 on GOLD: annotated rows, JSONL or JSONL with gzip.

    Runs the real prompts, endpoint, parsing and grounding; needs no queue and no database. The
    endpoint is RUIE_LLM_BASE_URL, or a local model that is started for the run. With --output the
    same command continues where it was stopped.
    """
    from ruie.annotations import schema_demonstrations
    from ruie.bundle import Bundle
    from ruie.settings import load
    from ruie.worker.embedded.stack import local_llm
    from ruie.worker.evaluation import run
    from ruie.worker.evaluation.corpora import load_corpora
    from ruie.worker.evaluation.predictions import Predictions
    from ruie.worker.evaluation.report import Report, described
    from ruie.worker.evaluation.summary import summary
    from ruie.worker.evaluation.trust import check_calibration, trust
    from ruie.worker.prices import price_of
    from ruie.worker.terminal import counted, error_console

    overrides = {"bundle": bundle, "demonstrations": k, "llm_model": model or None}
    if calibration:
        check_calibration(calibration)
    config = load(**{name: value for name, value in overrides.items() if value is not None})
    corpora = load_corpora(gold, schema, limit, seed)
    pool = Bundle.open(config.bundle, threads=config.encoder_threads)
    added = [d for corpus in corpora.values() for d in schema_demonstrations(corpus.schema)]
    chosen = run.open_retrievers(
        retrievers or ("trained",), pool, base, seed, config.encoder_threads, added
    )
    with (
        Predictions(output) if output else nullcontext() as kept,
        local_llm(config) as served,
        _progress(run.count_queries(corpora) * len(chosen)) as advance,
    ):
        if kept and kept.completions:
            answers = counted(len(kept.completions), "answer")
            error_console.print(f"{answers} in {kept.path} already", soft_wrap=True, markup=False)
        used_model, parts = asyncio.run(run.run(served, corpora, chosen, kept, advance))
    price = price_of(used_model, config.llm_prices, config.llm_base_url)
    settings = described(config, used_model, pool.digest, corpora, chosen, limit, seed)
    _tell(Report(settings, summary(parts, price, seed), price, trust(parts)), output, as_json)
    if calibration:
        _calibrate(calibration, parts)


def _tell(report: Report, folder: Path | None, as_json: bool) -> None:
    from ruie.worker.terminal import error_console, print_json

    if as_json:
        print_json(report.document())
    else:
        _print_report(report)
    if folder:
        try:
            report.save(folder)
        except UnavailableError as error:
            error_console.print(str(error), markup=False)


def _calibrate(file: Path, parts: Sequence[Part]) -> None:
    from ruie.worker.evaluation.trust import write_calibration

    counts = write_calibration(file, parts)
    if not counts:
        raise UsageError(
            f"{file} was not written: no answer had a record.", "Evaluate more rows, or others."
        )
    fitted = ", ".join(f"{count:,} of {task}" for task, count in counts.items())
    click.echo(f"{file}: fitted to the records of these tasks: {fitted}", err=True)
    if few := [str(task) for task, count in counts.items() if count < ENOUGH]:
        click.echo(f"{' and '.join(few)}: too few to rely on; some hundred are needed", err=True)
    if rest := [str(task) for task in Task if task not in counts]:
        click.echo(f"{', '.join(rest)}: as in the calibration that is included", err=True)


def _print_report(report: Report) -> None:
    from ruie.worker.evaluation.tables import grids
    from ruie.worker.terminal import console, table

    for grid in grids(report.lines, report.trusted):
        console.print(table(grid.columns, grid.without_repetition(), title=grid.title))
        console.print()
    for name, note in report.notes():
        console.print(f"{name:<12}{note}", soft_wrap=True, markup=False)


@contextmanager
def _progress(queries: int) -> Iterator[Callable[[int], None]]:
    """A bar, on a terminal."""
    from rich.progress import Progress

    from ruie.worker.terminal import error_console

    with Progress(console=error_console, disable=not error_console.is_terminal) as bar:
        task = bar.add_task("evaluating", total=queries)
        yield lambda count: bar.advance(task, count)
