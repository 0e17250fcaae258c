"""`ruie estimate`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ruie.errors import ExitCode
from ruie.worker.cli.options import (
    Reading,
    context_option,
    json_option,
    model_option,
    schema_option,
    source_options,
)

if TYPE_CHECKING:
    from ruie.worker.estimate.types import Estimate, TaskEstimate

COLUMNS = ("task", "calls", "paid before", "tokens in", "±", "tokens out", "at most")
TOTALS = ("calls", "paid_before", "prompt_tokens", "prompt_spread", "completion_tokens",
          "most_completion_tokens", "cost_usd", "most_usd")  # fmt: skip


@click.command()
@click.argument("sources", nargs=-1, required=True)
@source_options
@schema_option
@model_option()
@context_option
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    default=200,
    help="Number of texts whose prompts are built; default: 200.",
)
@json_option
@click.pass_context
def estimate(
    ctx: click.Context,
    sources: tuple[str, ...],
    reading: Reading,
    schema: Path,
    model: str,
    context: str,
    sample: int,
    as_json: bool,
) -> None:
    """What enqueueing SOURCES would cost: calls, tokens and money, and how each is determined.

    Makes no job and sends no text. What was answered before costs nothing. Exit code 1 if nothing
    at all could be used.
    """
    from ruie.schema import Schema
    from ruie.worker.client import Client
    from ruie.worker.terminal import document_counter, print_json, print_refusals

    loaded = Schema.load(schema)
    client = Client()
    with document_counter("estimating") as progress:
        found = client.estimate(
            sources,
            loaded,
            model=model,
            sample=sample,
            context=context,
            progress=progress,
            **reading,
        )
    if as_json:
        print_json(asdict(found) | {name: getattr(found, name) for name in TOTALS})
    else:
        print_refusals(found.errors)
        _tell(found)
    if not found.documents:
        ctx.exit(int(ExitCode.FAILED))


def _tell(found: Estimate) -> None:
    from ruie.worker.terminal import console, counted, table

    click.echo(
        f"{counted(found.documents, 'document')}, {counted(found.texts, 'different text')}, "
        f"{counted(found.refused, 'refused line')}; model {found.model}"
    )
    click.echo()
    console.print(table(COLUMNS, [*map(_row, found.tasks), _sum(found)]))
    click.echo()
    for name, said in _notes(found):
        console.print(f"{name:<12}{said}", soft_wrap=True, markup=False)


def _row(task: TaskEstimate) -> tuple[Any, ...]:
    return (str(task.task), task.calls, task.paid_before, task.prompt_tokens, task.prompt_spread,
            task.completion_tokens, task.most_completion_tokens)  # fmt: skip  # as in COLUMNS


def _sum(found: Estimate) -> tuple[Any, ...]:
    return ("all", found.calls, found.paid_before, found.prompt_tokens, found.prompt_spread,
            found.completion_tokens, found.most_completion_tokens)  # fmt: skip  # likewise


def _notes(found: Estimate) -> list[tuple[str, str]]:
    """The cost, and where each number is from."""
    price = found.price
    if price is None:
        stated = f"{{{json.dumps(found.model)}: [IN, OUT]}}"
        notes = [
            ("cost", f"unknown: nobody stated a price for {found.model}"),
            ("", f"RUIE_LLM_PRICES='{stated}' states it, in USD for a million tokens"),
        ]
    else:
        notes = [
            ("cost", f"{found.cost_usd:,.4f} USD; at most {found.most_usd:,.4f} USD, if every "
             f"answer has {found.max_tokens:,} tokens; without calls made again"),
            ("price", f"{price.input:g} USD for a million tokens in, {price.output:g} out "
             f"({price.stated})"),
        ]  # fmt: skip  # a line each
    asked = [task for task in found.tasks if task.calls]
    notes += _grouped("calls", [(task, task.calls_from) for task in found.tasks])
    if asked:
        built = ", ".join(f"{task.sampled:,} {task.task}" for task in asked)
        how = f"{found.tokens_from}; ± two standard errors"
        notes.append(("tokens in", f"prompts of {built} (seed {found.seed}), {how}"))
    notes += _grouped("tokens out", [(task, task.completion_from) for task in asked])
    return notes


def _grouped(name: str, told: list[tuple[TaskEstimate, str]]) -> list[tuple[str, str]]:
    """What is said of several tasks is said once."""
    tasks: dict[str, list[str]] = {}
    for task, said in told:
        tasks.setdefault(said, []).append(str(task.task))
    return [(name, f"{', '.join(of)}: {said}") for said, of in tasks.items()]
