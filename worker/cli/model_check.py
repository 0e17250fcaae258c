"""Whether the endpoint has what a command asks for: a model, batches."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from ruie.errors import ModelError, RuieError, UsageError

if TYPE_CHECKING:
    from ruie.modes import Mode
    from ruie.settings import Settings

CHECK_S = 5.0
"""Time-out of the endpoint's list of models: what it is for works without the endpoint too."""

WITHOUT_BATCHES = frozenset({"api.deepseek.com"})
"""Hosts of which it is known that they take none."""


def warn_of_batches(config: Settings, mode: Mode | None) -> None:
    """Where batches are asked for, and the endpoint is known to take none. mode: None: the
    settings'."""
    if (mode or config.llm_mode) != "batch" or config.llm_batches != "auto":
        return
    host = urlsplit(config.llm_base_url).hostname or ""
    if config.llm_base_url and host not in WITHOUT_BATCHES:
        return
    who = (
        f"{host} takes" if host else "Without RUIE_LLM_BASE_URL `ruie up` serves a model that takes"
    )
    click.echo(f"{who} no batches: the job will be paused (docs/batches.md).", err=True)


def check_model(config: Settings, model: str) -> None:
    """Raises `UsageError` if the endpoint lists models and not this one. A warning where it cannot
    be asked; nothing where `ruie up` starts the model."""
    from ruie.llm.models import check_model

    if not config.llm_base_url or config.llm_batches == "file":
        return
    try:
        names = asyncio.run(_models(config))
    except RuieError as error:
        click.echo(f"{error.message} Whether it has the model {model} is not known.", err=True)
        return
    try:
        check_model(config.llm_endpoint, model, names)
    except ModelError as error:
        raise UsageError(error.message, error.hint) from None


async def _models(config: Settings) -> list[str]:
    from ruie.llm import connect

    client = connect(config, timeout_s=CHECK_S)
    try:
        return await client.models()
    finally:
        await client.close()
