"""`ruie doctor`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from ruie.errors import ExitCode, RuieError
from ruie.worker.cli.check import Check
from ruie.worker.cli.options import json_option

if TYPE_CHECKING:
    from ruie.settings import Settings


@click.command()
@click.option("--no-call", is_flag=True, help="Make no call to the model, which costs a little.")
@click.option(
    "--forget", is_flag=True, help="First forget what was learned of the models, then learn again."
)
@json_option
@click.pass_context
def doctor(ctx: click.Context, no_call: bool, forget: bool, as_json: bool) -> None:
    """Check settings, database, Redis, bundle and LLM. Exit code 1 if anything is wrong.

    The models of the settings and of open jobs are called once: whether they work, what was learned
    of them, how fast they answer, what they cost and which limits the endpoint states.
    """
    from ruie.settings import settings
    from ruie.worker.terminal import print_json

    config = settings()
    checks = []
    for check in _checks(config, forget=forget, call=not no_call):
        checks.append(check)
        if not as_json:
            _print(check)
    if as_json:
        print_json([check.document() for check in checks])
    if not all(check.ok for check in checks):
        ctx.exit(int(ExitCode.FAILED))


def _print(check: Check) -> None:
    from rich.markup import escape

    from ruie.worker.terminal import console

    mark = "[green]ok   [/]" if check.ok else "[red]wrong[/]"
    console.print(f"{mark}  {check.part:<10}", escape(check.detail), soft_wrap=True, markup=True)
    if check.hint:
        console.print(f"       {'':<10}", check.hint, soft_wrap=True, markup=False)


def _checks(config: Settings, *, forget: bool, call: bool) -> Iterator[Check]:
    from ruie.packaged import packaged_calibration
    from ruie.worker.cli.doctor_model import check_llm

    yield _check("database", lambda: _database(config))
    yield _check("redis", lambda: _redis(config))
    yield _check("bundle", lambda: _bundle(config))
    if config.calibration != packaged_calibration():
        yield _check("calibration", lambda: _calibration(config))
    yield from check_llm(config, forget=forget, call=call)


def _check(part: str, inspect: Callable[[], str]) -> Check:
    try:
        return Check(part, True, inspect())
    except RuieError as error:
        return Check(part, False, error.message, error.hint)


def _database(config: Settings) -> str:
    from ruie.db import migrate
    from ruie.db.engine import open_engine, shown_url

    engine = open_engine(config.database_url)
    migrate.check(engine)
    return f"{shown_url(engine)}, of this version"


def _redis(config: Settings) -> str:
    from ruie.worker.embedded.redis_server import find_server
    from ruie.worker.preflight import check_redis

    if not config.redis_url:
        return f"embedded: `ruie up` starts {find_server().name}"
    policy = check_redis(config.redis_url)
    return f"answers, eviction policy {policy or 'unknown (it must be noeviction)'}"


def _calibration(config: Settings) -> str:
    from ruie.confidence.model import opened

    opened(config.calibration)
    return str(config.calibration)


def _bundle(config: Settings) -> str:
    from ruie.bundle import Bundle

    bundle = Bundle.open(config.bundle)
    return f"{config.bundle}, {len(bundle):,} demonstrations, every file intact"
