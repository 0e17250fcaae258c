"""Answers of a real model, drawn for tests/support/real_answers.jsonl.gz.

    python benchmarks/real_answers.py FILE [--each 7] [--max-tokens 128] [--model NAME]

For each of the four tasks, each way of asking (the linear form and JSON without any constraint, the
linear form under a grammar) and each temperature (0, 0.7, 1.2) so many test sentences of the
corpora beside this file are asked about, with 0, 2 or 8 demonstrations in turns. There is no stop
sequence: what a model goes on to say after its answer is to be read as well. The endpoint is
RUIE_LLM_BASE_URL, or a local model that is started for the run. Rows are added to FILE, so that it
may hold answers of several models, and none is asked for twice.

`PYTHONPATH=tests python -m support.real_answers FILE` then adds them to those that are kept, each
with its reading, which is to be gone through by eye: a wrong one is a mistake in ruie/output or
ruie/grounding.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from ruie.decoding import Decoding
from ruie.errors import CallError
from ruie.evaluation import GoldQuery, gold_queries
from ruie.extractor import Extractor
from ruie.packaged import packaged_bundle
from ruie.parsing import OutputForm
from ruie.records import Task
from ruie.settings import load
from ruie.worker.embedded.stack import local_llm
from ruie.worker.evaluation.corpora import load_corpora

CORPORA = Path(__file__).parent / "corpora"
TEMPERATURES = (0.0, 0.7, 1.2)
DEMONSTRATIONS = (0, 2, 8)
FORMS = (OutputForm.LINEAR, OutputForm.JSON, OutputForm.GRAMMAR)
LONGEST = 400
"""Characters of a sentence that is asked about."""


def main() -> None:
    options = _options()
    known = set()
    if options.file.exists():
        rows = map(json.loads, options.file.read_text(encoding="utf-8").splitlines())
        known = {row["id"] for row in rows}
    with local_llm(load()) as config:
        extractor = Extractor.open(packaged_bundle(), config.llm_base_url, options.model)
        asyncio.run(_drawn(extractor, options, known))


async def _drawn(extractor: Extractor, options: argparse.Namespace, known: set[str]) -> None:
    try:
        await _draw(extractor, options, known)
    finally:
        await extractor.llm.close()


async def _draw(extractor: Extractor, options: argparse.Namespace, known: set[str]) -> None:
    await extractor.resolve()
    constraint = await extractor.llm.constraint(extractor.model, {})
    for form in FORMS:
        for temperature in TEMPERATURES:
            decoding = Decoding(
                max_tokens=options.max_tokens,
                stop=(),
                form=form,
                parameters={"temperature": temperature, "seed": 7},
                constraint=constraint if form is OutputForm.GRAMMAR else "",
            )
            asked = list(_questions(options.each, form, temperature))
            rows = await asyncio.gather(*(_row(extractor, decoding, *one, known) for one in asked))
            with options.file.open("a", encoding="utf-8") as file:
                for row in filter(None, rows):
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _questions(each: int, form: OutputForm, temperature: float) -> Iterator[tuple[GoldQuery, int]]:
    """So many queries of each task, other ones for each form and temperature, each with the number
    of its demonstrations."""
    shift = each * (FORMS.index(form) * len(TEMPERATURES) + TEMPERATURES.index(temperature))
    for task in Task:
        pool = list(islice(_of(task), 9 * each))
        chosen = pool[shift : shift + each]
        yield from zip(chosen, cycle(DEMONSTRATIONS))


def _of(task: Task) -> Iterator[GoldQuery]:
    """The queries of a task, of its corpora in turns."""
    corpora = load_corpora(sorted(CORPORA.glob("*/test.jsonl.gz")), None, 120)
    pools = [
        [gold for gold in gold_queries(corpus) if _fits(gold, task)] for corpus in corpora.values()
    ]
    for several in zip(*filter(None, pools), strict=False):
        yield from several


def _fits(gold: GoldQuery, task: Task) -> bool:
    return gold.query.task is task and len(gold.query.text) <= LONGEST


async def _row(
    extractor: Extractor, decoding: Decoding, gold: GoldQuery, k: int, known: set[str]
) -> dict[str, Any] | None:
    """One answer, as a row of the file."""
    query = gold.query
    temperature = decoding.parameters["temperature"]
    name = f"{extractor.model} {decoding.form} {temperature} {gold.name}"
    if name in known:
        return None
    extractor.decoding = replace(decoding, demonstrations=k)
    (question,) = extractor.prepare([query])
    call = replace(question.call, response_format=None)
    try:
        completion = await extractor.llm.complete(call)
    except CallError as error:
        print(f"{name}: {error}")
        return None
    trigger = query.trigger
    return {
        "id": name,
        "model": extractor.model,
        "form": str(decoding.form),
        "temperature": temperature,
        "demonstrations": len(question.demonstrations),
        "task": str(query.task),
        "text": query.text,
        "labels": list(query.labels),
        **({"trigger": [trigger.type, trigger.span.start, trigger.span.end]} if trigger else {}),
        "answer": completion.text,
        "finish_reason": completion.finish_reason,
    }


def _options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--each", type=int, default=7, help="answers of each kind (%(default)s)")
    parser.add_argument("--max-tokens", type=int, default=128, help="of an answer (%(default)s)")
    parser.add_argument("--model", default="", help="default: the endpoint's first")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
