"""The options of a job, which of them may be changed later, and what the settings make of those
that are not given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

from ruie.chunking import Chunker
from ruie.db.job_changes import JobChange
from ruie.db.jobs import Job, Priority
from ruie.db.spend import NUSD
from ruie.decoding import Decoding
from ruie.errors import UsageError
from ruie.modes import Fallback, Mode, in_mode, mode_of
from ruie.request_parameters import refusal
from ruie.settings import LONGEST_ANSWER, Settings
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
    mode: Mode
    """flex: calls are slower and cost half, where the provider has that service tier. batch: they
    are sent together and answered within hours, for half too."""
    fallback: Fallback
    """Of what a batch has not answered when its time is up: it is asked in another batch, or one
    by one."""
    demonstration_set: int
    """Of the table `demonstration_sets`, in place of the schema's file."""
    refresh: bool
    """With a corpus: unchanged documents too. Only what would be asked otherwise is asked again."""
    new_job: bool
    """Make a new job even where an interrupted one could be continued."""


class Changes(TypedDict, total=False):
    """What may be changed of a job that has begun; what is not named stays."""

    name: str
    model: str
    max_tokens: int
    stop: Sequence[str]
    parameters: Mapping[str, Any]
    """In place of all that it has; the mode stays."""
    mode: Mode
    fallback: Fallback
    priority: Literal["live", "normal", "backfill"]


def job_change(job: Job, changes: Changes, config: Settings) -> JobChange:
    """The change as the database makes it. Raises `UsageError` for what a job cannot have."""
    for option in ("name", "model"):
        if not changes.get(option, "given"):
            raise UsageError(f"The {option} is empty.", f"Give a {option}.")
    if not 1 <= changes.get("max_tokens", 1) <= LONGEST_ANSWER:
        raise UsageError(
            f"An answer has from one to {LONGEST_ANSWER:,} tokens.", "Give another max_tokens."
        )
    if "model" in changes and job.cap_nusd is not None:
        check_cap(job.cap_nusd / NUSD, changes["model"], config)
    parameters: Mapping[str, Any] | None = None
    if "parameters" in changes or "mode" in changes:
        has = job.settings.decoding.parameters
        parameters = checked(changes.get("parameters", has))
        parameters = in_mode(parameters, changes.get("mode", mode_of(has)))
    priority = changes.get("priority")
    return JobChange(
        name=changes.get("name"),
        model=changes.get("model"),
        max_tokens=changes.get("max_tokens"),
        stop=changes.get("stop"),
        parameters=parameters,
        fallback=changes.get("fallback"),
        priority=None if priority is None else Priority[priority.upper()],
    )


def check_cap(cap_usd: float, model: str, config: Settings) -> None:
    """Raises `UsageError` unless a cap can be enforced: it needs the model's price."""
    if cap_usd <= 0:
        raise UsageError(f"A cap of {cap_usd:g} USD allows nothing.", "Give a positive amount.")
    if price_of(model, config.llm_prices, config.llm_base_url) is None:
        if not model:
            raise UsageError(
                "A cap needs a price, and no model is named whose price it could be.",
                "Name one with --model or RUIE_LLM_MODEL.",
            )
        raise UsageError(
            f"A cap needs a price, and none is known for {model}.",
            """Set RUIE_LLM_PRICES='{"MODEL": [USD in, USD out]}', for a """
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
        form=config.form,
        stop=tuple(config.llm_stop),
        parameters=config.llm_parameters,
        reasoning_tokens=config.llm_reasoning_tokens,
        log_probs=config.llm_log_probs,
    )


def chunker(config: Settings) -> Chunker:
    """How the settings divide a text."""
    return Chunker(config.chunk_tokens, config.chunk_overlap, config.language)
