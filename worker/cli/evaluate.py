"""`ruie evaluate`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ruie.annotations import Corpus
    from ruie.evaluation import Evaluation
    from ruie.records import Task
    from ruie.settings import Settings

COLUMNS = ("task", "queries", "failed", "P", "R", "F1", "F1 offsets", "tokens in", "tokens out")


@click.command()
@click.argument("gold", type=click.Path(path_type=Path))
@click.option("--schema", type=click.Path(path_type=Path), help="Schema; default: beside GOLD.")
@click.option("--bundle", type=click.Path(path_type=Path), help="Default: RUIE_BUNDLE.")
@click.option("--limit", type=int, default=0, help="Only the first so many rows.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def evaluate(
    gold: Path, schema: Path | None, bundle: Path | None, limit: int, as_json: bool
) -> None:
    """Precision, recall and F1 on GOLD: annotated rows, JSONL or JSONL with gzip.

    Runs the real prompts, endpoint, parsing and grounding; needs no queue and no database. The
    endpoint is RUIE_LLM_BASE_URL, or a local model that is started for the run.
    """
    from ruie.annotations import Corpus, load_corpus
    from ruie.settings import load, settings
    from worker.cli.output import console, print_json, table
    from worker.embedded.stack import local_llm

    config = load(bundle=bundle) if bundle else settings()
    corpus = load_corpus(gold, schema)
    if limit:
        corpus = Corpus(corpus.schema, corpus.rows[:limit])
    with local_llm(config) as served:
        totals = asyncio.run(_run(served, corpus))
    if as_json:
        print_json([_plain(evaluation) for evaluation in totals.values()])
        return
    console.print(table(COLUMNS, [row(evaluation) for evaluation in totals.values()]))


def row(e: Evaluation) -> tuple[Any, ...]:
    """One task's scores in the order of `COLUMNS`."""
    s = e.strings
    return (str(e.task), e.queries, e.failed, s.precision, s.recall, s.f1, e.offsets.f1,
            e.prompt_tokens, e.completion_tokens)  # fmt: skip  # one row


def _plain(e: Evaluation) -> dict[str, Any]:
    names = ("task", "queries", "failed", "precision", "recall", "f1", "f1_offsets",
             "prompt_tokens", "completion_tokens")  # fmt: skip  # in the order of `row`
    return dict(zip(names, row(e), strict=True))


async def _run(config: Settings, corpus: Corpus) -> dict[Task, Evaluation]:
    from rich.progress import Progress

    from ruie.evaluation import evaluate as run
    from ruie.evaluation import gold_queries
    from ruie.extractor import Extractor
    from worker.cli.output import errors
    from worker.client import decoding

    extractor = Extractor.open(
        config.bundle,
        config.llm_base_url,
        config.llm_model,
        api_key=config.llm_api_key.get_secret_value(),
        decoding=decoding(config),
        timeout_s=config.llm_timeout_s,
        max_in_flight=config.llm_max_in_flight,
    )
    models = await extractor.llm.check(config.llm_model)
    extractor.model = config.llm_model or models[0]
    try:
        with Progress(console=errors, disable=not errors.is_terminal) as bar:
            task = bar.add_task("evaluating", total=sum(1 for _ in gold_queries(corpus)))
            return await run(extractor, corpus, lambda n: bar.advance(task, n))
    finally:
        await extractor.llm.close()
