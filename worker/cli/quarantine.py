"""`ruie quarantine`: the items that were given up, and all that is known about them."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ruie.worker.cli.completing import job_ids
from ruie.worker.cli.options import json_option

if TYPE_CHECKING:
    from ruie.db.quarantine import FailedCall, QuarantinedDetail, QuarantinedItem

SHOWN_CHARS = 4000
"""Of a text, a message or an answer; --json has all characters."""


@click.group()
def quarantine() -> None:
    """Show the items that were given up; `ruie retry` retries them."""


@quarantine.command("list")
@click.argument("job", required=False, shell_complete=job_ids)
@click.option("--error", "error_class", metavar="CLASS", help="Only items of this error class.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, help="At most this many; default: 50."
)
@json_option
def list_(job: str | None, error_class: str | None, limit: int, as_json: bool) -> None:
    """List the items in quarantine, of all jobs or of one JOB, newest first."""
    from ruie.db import jobs
    from ruie.db import quarantine as stored
    from ruie.db.engine import reading
    from ruie.worker.client import Client
    from ruie.worker.terminal import console, print_json

    with reading(Client().engine) as conn:
        if job is not None:
            jobs.get_job(conn, job)
        counts = stored.count_quarantined(conn, job)
        items = stored.list_quarantined(conn, job, error_class, limit)
    if as_json:
        print_json({"classes": counts, "items": [asdict(item) for item in items]})
        return
    if items:
        console.print(_table(items, with_job=job is None))
    summary = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    chosen = sum(count for name, count in counts.items() if error_class in (None, name))
    if chosen > len(items):
        click.echo(f"the newest {len(items):,} of {chosen:,}: --limit shows more", err=True)
    click.echo(f"in quarantine: {summary or 'nothing'}")


def _table(items: list[QuarantinedItem], *, with_job: bool) -> object:
    from ruie.worker.terminal import table, timestamp

    columns = ["item", "document", "task", "class", "attempts", "when (UTC)", "error"]
    rows = [
        # an item's number identifies it: text, so that it has no thousands separator
        [str(i.id), i.external_id, str(i.task), i.error_class, i.attempts, timestamp(i.at), i.error]
        for i in items
    ]
    if with_job:
        columns.insert(1, "job")
        for row, item in zip(rows, items, strict=True):
            row.insert(1, item.job_id)
    return table(columns, rows, wrap="error")


@quarantine.command()
@click.argument("item", type=int)
@json_option
def show(item: int, as_json: bool) -> None:
    """Show all that is known about one ITEM: document, prompt, answer, failed calls."""
    from ruie.db import quarantine as stored
    from ruie.db.engine import reading
    from ruie.worker.client import Client
    from ruie.worker.terminal import print_json

    with reading(Client().engine) as conn:
        detail = stored.get_quarantined(conn, item)
    command = f"ruie retry {detail.item.job_id} --error {shlex.quote(detail.item.error_class)}"
    if as_json:
        print_json(asdict(detail) | {"retry": command})
    else:
        _print_detail(detail, command)


def _print_detail(detail: QuarantinedDetail, command: str) -> None:
    from ruie.worker.terminal import console, counted, table, timestamp

    item = detail.item
    event = f" of {detail.event}" if detail.event else ""
    facts = [
        ("item", f"{item.id}, {item.task}{event}, of {item.job_id}"),
        ("error", f"{item.error_class}: {item.error}"),
        ("given up", f"{timestamp(item.at)} UTC, after {counted(item.attempts, 'attempt')}"),
        ("model", detail.model or "the first that the endpoint lists"),
    ]
    for place in detail.places:
        line = f":{place.line}" if place.line else ""
        where = f"  {place.source}{line}" if place.source else ""
        facts.append(("document", f"{place.external_id}{where}"))
    for name, value in facts:
        console.print(f"{name:<10}", value, soft_wrap=True, markup=False)
    _block("text", detail.text)
    for message in detail.prompt or ():
        _block(f"prompt, {message['role']}", message["content"])
    if detail.prompt is None:
        _block("prompt", "(none is stored: no call was made, or its worker was lost)")
    _block("answer", detail.raw_output or "(none)")
    click.echo()
    if detail.history:
        console.print(table(COLUMNS, [_row(call) for call in detail.history], "failed calls"))
        click.echo()
    click.echo(f"to retry: {command}")


COLUMNS = ("attempt", "when (UTC)", "model", "class", "tokens in", "tokens out", "USD", "error")


def _row(call: FailedCall) -> tuple[object, ...]:
    from ruie.worker.terminal import timestamp

    cost = None if call.cost_usd is None else f"{call.cost_usd:.6f}"
    return (call.attempt, timestamp(call.at), call.model, call.error_class, call.prompt_tokens,
            call.completion_tokens, cost, call.error)  # fmt: skip  # in the columns' order


def _block(title: str, text: str) -> None:
    click.echo()
    click.echo(f"--- {title}")
    click.echo(text[:SHOWN_CHARS])
    if len(text) > SHOWN_CHARS:
        click.echo(f"(and {len(text) - SHOWN_CHARS:,} more characters: --json has all)")
