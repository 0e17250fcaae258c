"""`ruie estimate`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ruie.errors import ExitCode
from ruie.modes import Mode
from ruie.worker.cli.options import (
    Reading,
    context_option,
    json_option,
    mode_option,
    model_option,
    schema_option,
    source_options,
)

if TYPE_CHECKING:
    from ruie.worker.estimate.types import Estimate, TaskEstimate
    from ruie.worker.prices import Price

COLUMNS = ("task", "calls", "paid before", "tokens in", "±", "tokens out", "at most")
TOTALS = ("calls", "paid_before", "prompt_tokens", "prompt_spread", "completion_tokens",
          "most_completion_tokens", "cost_usd", "most_usd", "batches",
          "batch_days")  # fmt: skip  # JSON keys


@click.command()
@click.argument("sources", nargs=-1, required=True)
@source_options
@schema_option
@model_option()
@context_option
@mode_option
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
    mode: Mode | None,
    sample: int,
    as_json: bool,
) -> None:
    """Estimate what enqueueing SOURCES would cost: calls, tokens, money, and the basis of each.

    Makes no job and sends no text. What was answered before costs nothing. Exit code 1 if nothing
    at all could be used.
    """
    from ruie.schema import Schema
    from ruie.worker.cli.model_check import warn_of_batches
    from ruie.worker.client import Client
    from ruie.worker.terminal import document_counter, print_json, print_refusals
    from ruie.worker.undemonstrated import undemonstrated, warning

    loaded = Schema.load(schema)
    client = Client()
    warn_of_batches(client.config, mode)
    with document_counter("estimating") as progress:
        result = client.estimate(
            sources,
            loaded,
            model=model,
            sample=sample,
            context=context,
            mode=mode,
            progress=progress,
            **reading,
        )
    if as_json:
        print_json(asdict(result) | {name: getattr(result, name) for name in TOTALS})
    else:
        print_refusals(result.errors)
        if missing := undemonstrated(client.config, client.engine, loaded):
            click.echo(warning(missing), err=True)
        _print_estimate(result)
    if not result.documents:
        ctx.exit(int(ExitCode.FAILED))


def _print_estimate(result: Estimate) -> None:
    from ruie.worker.terminal import console, counted, table

    click.echo(
        f"{counted(result.documents, 'document')}, {counted(result.texts, 'different text')}, "
        f"{counted(result.refused, 'refused line')}; model {result.model}"
    )
    click.echo()
    console.print(table(COLUMNS, [*map(_row, result.tasks), _sum(result)]))
    click.echo()
    for name, note in _notes(result):
        console.print(f"{name:<12}{note}", soft_wrap=True, markup=False)


def _row(task: TaskEstimate) -> tuple[Any, ...]:
    return (str(task.task), task.calls, task.paid_before, task.prompt_tokens, task.prompt_spread,
            task.completion_tokens, task.most_completion_tokens)  # fmt: skip  # as in COLUMNS


def _sum(result: Estimate) -> tuple[Any, ...]:
    return ("all", result.calls, result.paid_before, result.prompt_tokens, result.prompt_spread,
            result.completion_tokens, result.most_completion_tokens)  # fmt: skip  # likewise


def _notes(result: Estimate) -> list[tuple[str, str]]:
    """The cost, and how each number was determined."""
    price = result.price
    if price is None:
        setting = f"{{{json.dumps(result.model)}: [IN, OUT]}}"
        notes = [
            ("cost", f"unknown: no price is known for {result.model}"),
            ("", f"RUIE_LLM_PRICES='{setting}' sets it, in USD for a million tokens"),
        ]
    else:
        notes = [
            ("cost", f"{result.cost_usd:,.4f} USD; at most {result.most_usd:,.4f} USD, if every "
             f"answer has {result.max_tokens:,} tokens; without repeated calls"),
            ("price", _price(price)),
        ]  # fmt: skip  # a line each
        if result.tier:
            own = price.tiers.get(result.tier)
            notes.append((result.tier, _price(own) if own else "booked in full: no price is known"))
    notes += _batches(result)
    called = [task for task in result.tasks if task.calls]
    notes += _grouped("calls", [(task, task.calls_from) for task in result.tasks])
    if called:
        built = ", ".join(f"{task.sampled:,} {task.task}" for task in called)
        how = f"{result.tokens_from}; ± two standard errors"
        notes.append(("tokens in", f"prompts of {built} (seed {result.seed}), {how}"))
    notes += _grouped("tokens out", [(task, task.completion_from) for task in called])
    return notes


def _batches(result: Estimate) -> list[tuple[str, str]]:
    """Into how many batches its requests go, and how long they may take."""
    from ruie.worker.terminal import counted

    if not result.batches:
        return []
    size = f"at least {result.batches:,}, of at most {result.batch_requests:,} requests each"
    if result.batch_tokens:
        size += f", {result.batch_tokens:,} input tokens at a time"
    days = "a day" if result.batch_days == 1 else counted(result.batch_days or 0, "day")
    return [
        ("batches", f"{size} (RUIE_LLM_BATCH_REQUESTS, RUIE_LLM_BATCH_TOKENS)"),
        (
            "time",
            f"within {days}, if the provider answers each batch within one;"
            " limits of calls a minute do not hold for them",
        ),
    ]


def _price(price: Price) -> str:
    return f"{price.input:g} USD for a million tokens in, {price.output:g} out ({price.stated})"


def _grouped(name: str, notes: list[tuple[TaskEstimate, str]]) -> list[tuple[str, str]]:
    """A note that is the same for several tasks once, with their names."""
    tasks: dict[str, list[str]] = {}
    for task, note in notes:
        tasks.setdefault(note, []).append(str(task.task))
    return [(name, f"{', '.join(names)}: {note}") for note, names in tasks.items()]
