"""`ruie evaluate`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from worker.evaluation.summary import Line


@click.command()
@click.argument("gold", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--schema", type=click.Path(path_type=Path), help="Schema; default: beside GOLD.")
@click.option("--bundle", type=click.Path(path_type=Path), help="Default: RUIE_BUNDLE.")
@click.option("--base", type=click.Path(path_type=Path), help="Bundle of the retriever `base`.")
@click.option(
    "--retriever",
    "retrievers",
    multiple=True,
    type=click.Choice(["trained", "base", "bm25", "random"]),
    help="May be given several times; default: trained.",
)
@click.option(
    "-k", type=click.IntRange(min=0), help="Demonstrations; default: RUIE_DEMONSTRATIONS."
)
@click.option("--model", default="", help="Model; default: RUIE_LLM_MODEL.")
@click.option(
    "--limit", type=click.IntRange(min=0), default=0, help="A sample of so many rows of each GOLD."
)
@click.option("--sample-seed", "seed", type=click.IntRange(min=0), default=0, help="Of all chance.")
@click.option("--output", type=click.Path(path_type=Path), help="Folder for the results.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
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
    as_json: bool,
) -> None:
    """Precision, recall and F1 on GOLD: annotated rows, JSONL or JSONL with gzip.

    Runs the real prompts, endpoint, parsing and grounding; needs no queue and no database. The
    endpoint is RUIE_LLM_BASE_URL, or a local model that is started for the run. With --output the
    same command goes on where it was stopped.
    """
    from ruie.settings import load
    from worker.cli.output import print_json
    from worker.embedded.stack import local_llm
    from worker.evaluation import run
    from worker.evaluation.corpora import load_corpora
    from worker.evaluation.predictions import Predictions
    from worker.evaluation.report import described, document, save
    from worker.evaluation.summary import summary
    from worker.prices import price_of

    given = {"bundle": bundle, "demonstrations": k, "llm_model": model or None}
    config = load(**{name: value for name, value in given.items() if value is not None})
    corpora = load_corpora(gold, schema, limit, seed)
    opened = run.open_retrievers(retrievers or ("trained",), config, base, seed)
    questions = run.questions(corpora) * len(opened)
    with (
        Predictions(output) if output else nullcontext() as kept,
        local_llm(config) as served,
        _progress(questions) as advance,
    ):
        asked, parts = asyncio.run(run.run(served, corpora, opened, kept, advance))
    price = price_of(asked, config.llm_prices)
    lines = summary(parts, price, seed)
    settings = described(config, asked, corpora, opened, price, limit, seed)
    if output:
        save(output, settings, lines)
    if as_json:
        print_json(document(settings, lines))
    else:
        _tell(lines)


def _tell(lines: list[Line]) -> None:
    from worker.cli.output import console, table
    from worker.evaluation.report import grids

    for grid in grids(lines):
        console.print(table(grid.columns, grid.rows, title=grid.title))
        console.print()


@contextmanager
def _progress(questions: int) -> Iterator[Callable[[int], None]]:
    """A bar, on a terminal."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from worker.cli.output import errors

    shown = (TextColumn("evaluating"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*shown, console=errors, disable=not errors.is_terminal) as bar:
        task = bar.add_task("", total=questions)
        yield lambda n: bar.advance(task, n)
