"""`ruie prune`: what is old and not needed any more goes."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from ruie.worker.cli.options import json_option

if TYPE_CHECKING:
    from ruie.db.pruning.parts import Cutoff, Found, Kind

KINDS = ("attempts", "raw", "records", "jobs")
HOURS = {"h": 1, "d": 24, "w": 7 * 24}
LEAST_H = 24
"""What is younger may be on its way, or is looked at."""
LINE_S = 30.0
"""Seconds between two lines of a log."""


def age(ctx: click.Context, param: click.Parameter, value: str) -> float:
    """`90d`, `12w` or `48h`, in seconds."""
    written = re.fullmatch(r"\s*(\d{1,6})\s*([hdw])\s*", value)
    if written is None:
        raise click.BadParameter(f"{value!r} is no age; write for example 90d, 12w or 48h.")
    hours = int(written[1]) * HOURS[written[2]]
    if hours < LEAST_H:
        raise click.BadParameter("what is younger than a day is not pruned; write 1d or more.")
    return 3600.0 * hours


@click.command()
@click.argument("kinds", nargs=-1, metavar="[KIND]...", type=click.Choice(KINDS))
@click.option(
    "--older-than", "age_s", required=True, metavar="AGE", callback=age,
    help="Only what is older: 90d, 12w or 48h, a day at least.",
)  # fmt: skip  # one option
@click.option("--yes", is_flag=True, help="Remove it; without, it is only counted.")
@json_option
def prune(kinds: tuple[str, ...], age_s: float, yes: bool, as_json: bool) -> None:
    """Remove what is old and not needed any more; without --yes, only count it.

    KIND: attempts (failed calls), raw (raw outputs), records (of superseded documents), jobs (what
    ended jobs leave); default: all. No current record goes, no sum changes, and nothing is paid
    for again.
    """
    from ruie.db.pruning import prune as pruning
    from ruie.db.pruning.parts import Kind
    from ruie.worker.client import Client
    from ruie.worker.terminal import print_json

    chosen = [Kind(kind) for kind in KINDS if not kinds or kind in kinds]
    with Client() as client, _counter("pruning" if yes else "counting") as report:
        until = pruning.cutoff(client.engine, age_s)
        act = pruning.prune if yes else pruning.survey
        found = act(client.engine, until, chosen, report)
        sqlite = client.engine.dialect.name == "sqlite"
    if as_json:
        print_json(_document(found, until, removed=yes))
        return
    _show(found, removed=yes)
    if not any(one.goes for one in found.values()):
        click.echo(f"nothing that is older than {until.before:%Y-%m-%d %H:%M} UTC may go", err=True)
    elif not yes:
        click.echo("nothing was removed; --yes removes it", err=True)
    elif sqlite:
        click.echo("`ruie forget --compact` gives the file's free space back", err=True)


@contextmanager
def _counter(label: str) -> Iterator[Callable[[Kind, Found], object]]:
    """A callback that shows how many rows there were, on a terminal; a line now and then, in a
    log."""
    from ruie.worker.terminal import error_console

    rows = 0
    printed = time.monotonic()

    def report(kind: Kind, found: Found) -> None:
        nonlocal rows, printed
        rows += sum(amount.rows for amount in found.goes.values())
        status = f"{label} {kind}: {rows:,} rows so far"
        if line is not None:
            line.update(status)
        elif time.monotonic() - printed >= LINE_S:
            printed = time.monotonic()
            error_console.print(status, soft_wrap=True)

    if error_console.is_terminal:
        with error_console.status(label) as line:
            yield report
    else:
        line = None
        yield report


def _show(found: Mapping[Kind, Found], *, removed: bool) -> None:
    from ruie.worker.terminal import console, file_size, table

    goes = [
        [kind, what, amount.rows, file_size(amount.bytes)]
        for kind, one in found.items()
        for what, amount in one.goes.items()
    ]
    stays = [
        [kind, what, rows, why]
        for kind, one in found.items()
        for (what, why), rows in sorted(one.stays.items())
    ]
    if goes:
        column = "removed" if removed else "would go"
        console.print(table(["kind", column, "rows", "about"], goes))
    if stays:
        if goes:
            console.print()
        console.print(table(["kind", "stays", "rows", "why"], stays, wrap="why"))


def _document(found: Mapping[Kind, Found], until: Cutoff, *, removed: bool) -> dict[str, Any]:
    def listed(one: Found) -> dict[str, Sequence[dict[str, Any]]]:
        return {
            "goes": [
                {"what": what, "rows": amount.rows, "bytes": amount.bytes}
                for what, amount in one.goes.items()
            ],
            "stays": [
                {"what": what, "why": why, "rows": rows}
                for (what, why), rows in sorted(one.stays.items())
            ],
        }

    kinds = {str(kind): listed(one) for kind, one in found.items()}
    return {"before": until.before, "removed": removed, "kinds": kinds}
