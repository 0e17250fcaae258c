"""The options of a job, and what the settings make of those that are not given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypedDict

from ruie.chunking import Chunker
from ruie.errors import UsageError
from ruie.extractor import Decoding
from ruie.request_parameters import refusal
from ruie.settings import Settings
from ruie.worker.prices import price_of


class Options(TypedDict, total=False):
    """What a job does differently from the settings."""

    name: str
    """Default: the names of the files, or of the schema."""
    model: str
    cap_usd: float | None
    """The most that the job may cost: it pauses before a call that could exceed it."""
    priority: Literal["live", "normal", "backfill"]
    """Its share of a quota that other jobs wait for too: 16, 4 or 1. Default: normal."""
    force: bool
    """Ask again what was answered before."""
    context: str
    """A metadata key, such as `title`: its value is added to each chunk's prompt."""
    corpus: str
    """A name for what the sources hold, whenever they are read. Only documents that are new or have
    changed are enqueued, and those that are gone are marked as removed. Ids identify documents."""
    parameters: Mapping[str, Any]
    """Added to each request, as `RUIE_LLM_PARAMETERS` of the workers; these come first."""
    mode: Literal["standard", "flex"]
    """flex: calls are slower and cost half, where the provider has that service tier."""
    new_job: bool
    """Make a new job even where an interrupted one could be continued."""


def check_cap(cap_usd: float, model: str, config: Settings) -> None:
    """Raises `UsageError` unless a cap can be enforced: it needs the model's price."""
    if cap_usd <= 0:
        raise UsageError(f"A cap of {cap_usd:g} USD allows nothing.", "Give a positive amount.")
    if price_of(model, config.llm_prices, config.llm_base_url) is None:
        raise UsageError(
            f"A cap needs a price, and none is known for {model or 'an unnamed model'}.",
            """Name the model, and set RUIE_LLM_PRICES='{"MODEL": [USD in, USD out]}', for a """
            "million tokens.",
        )


def checked(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Parameters of a job. Raises `UsageError` unless they may be added to each request."""
    if reason := refusal(parameters):
        raise UsageError(f"Wrong parameters of a job: {reason}.", "docs/settings.md lists which.")
    return parameters


def decoding(config: Settings) -> Decoding:
    """How the settings shape an answer."""
    return Decoding(
        demonstrations=config.demonstrations,
        max_tokens=config.llm_max_tokens,
        prompt_tokens=config.prompt_tokens,
        form=config.output_form,
        stop=tuple(config.llm_stop),
        parameters=config.llm_parameters,
        reasoning_tokens=config.llm_reasoning_tokens,
    )


def chunker(config: Settings) -> Chunker:
    """How the settings divide a text."""
    return Chunker(config.chunk_tokens, config.chunk_overlap, config.language)
