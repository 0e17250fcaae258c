"""A call's tokens as the columns of `extractions` and `attempts`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Table

from ruie.db.models import extractions
from ruie.usage import Usage

FROM_MODEL = extractions.c.source == "model"
"""The extractions that are calls, not reviews."""


def made_alone(calls: Table) -> ColumnElement[bool]:
    """Of `extractions` or `attempts` the calls that were made one by one: those in a batch at the
    provider count against no limit of a minute, and how long they took says nothing."""
    return calls.c.provider_batch_id.is_(None)


def usage_columns(usage: Usage) -> dict[str, int]:
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "cached_tokens": usage.cached,
        "cache_write_tokens": usage.cache_written,
        "reasoning_tokens": usage.reasoning,
    }


def read_columns(row: Mapping[str, Any]) -> Usage:
    return Usage(
        row["prompt_tokens"],
        row["completion_tokens"],
        row["cached_tokens"],
        row["cache_write_tokens"],
        row["reasoning_tokens"],
    )
