"""`ruie doctor`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from ruie.errors import ExitCode, RuieError
from ruie.worker.cli.options import json_option

if TYPE_CHECKING:
    from ruie.settings import Settings


@dataclass(frozen=True, slots=True)
class Check:
    """The result of a check. hint: how to fix what is wrong."""

    part: str
    ok: bool
    detail: str
    hint: str = ""

    def document(self) -> dict[str, str | bool]:
        """As JSON. The last three keys are the names of version 0.1."""
        aliases = {"well": self.ok, "found": self.detail, "mend": self.hint}
        return asdict(self) | aliases


@click.command()
@json_option
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Check settings, database, Redis, bundle and LLM. Exit code 1 if anything is wrong."""
    from ruie.settings import settings
    from ruie.worker.terminal import console, print_json

    config = settings()
    checks = []
    for part, inspect in _parts(config):
        check = _check(part, inspect)
        checks.append(check)
        if not as_json:
            mark = "[green]ok   [/]" if check.ok else "[red]wrong[/]"
            console.print(f"{mark}  {part:<10}", check.detail, soft_wrap=True, markup=True)
            if check.hint:
                console.print(f"       {'':<10}", check.hint, soft_wrap=True, markup=False)
    if as_json:
        print_json([check.document() for check in checks])
    if not all(check.ok for check in checks):
        ctx.exit(int(ExitCode.FAILED))


def _check(part: str, inspect: Callable[[], str]) -> Check:
    try:
        return Check(part, True, inspect())
    except RuieError as error:
        return Check(part, False, error.message, error.hint)


def _parts(config: Settings) -> Iterator[tuple[str, Callable[[], str]]]:
    yield "database", lambda: _database(config)
    yield "redis", lambda: _redis(config)
    yield "bundle", lambda: _bundle(config)
    yield "llm", lambda: _llm(config)


def _database(config: Settings) -> str:
    from ruie.db import migrate
    from ruie.db.engine import open_engine

    engine = open_engine(config.database_url)
    migrate.check(engine)
    return f"{engine.url.render_as_string()}, of this version"


def _redis(config: Settings) -> str:
    from ruie.worker.embedded.redis_server import find_server
    from ruie.worker.preflight import check_redis

    if not config.redis_url:
        return f"embedded: `ruie up` starts {find_server().name}"
    policy = check_redis(config.redis_url)
    return f"answers, eviction policy {policy or 'unknown (it must be noeviction)'}"


def _bundle(config: Settings) -> str:
    from ruie.bundle import Bundle

    bundle = Bundle.open(config.bundle)
    return f"{config.bundle}, {len(bundle):,} demonstrations, every file intact"


def _llm(config: Settings) -> str:
    if not config.llm_base_url:
        from ruie.packaged import packaged_llm

        return f"embedded: `ruie up` starts {packaged_llm().name}"
    return f"{config.llm_endpoint} answers, model {asyncio.run(_model(config))}"


async def _model(config: Settings) -> str:
    from ruie.llm import connect

    client = connect(config)
    try:
        return await client.resolve_model(config.llm_model)
    finally:
        await client.close()
