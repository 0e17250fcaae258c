"""How much of a job was given up, in words, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ruie.worker.terminal import percent

if TYPE_CHECKING:
    from ruie.db.progress import JobProgress

CLASSES = 3
"""Error classes that are named, the most frequent first."""


def too_much_given_up(progress: JobProgress, classes: Mapping[str, int]) -> str:
    """Of a job that is done and no success: the share, the errors, and the commands to use."""
    job = progress.job_id
    given_up, tolerated = percent(progress.quarantined_share), percent(progress.tolerated_share)
    return (
        f"{given_up} of the items of {job} were given up, more than {tolerated}"
        f" ({most(classes)}).\n"
        f"      `ruie quarantine list {job}` shows them,\n"
        f"      `ruie retry {job}` tries them again."
    )


def most(classes: Mapping[str, int]) -> str:
    """`output 40, truncated 3`: the most frequent classes of errors."""
    return ", ".join(f"{name} {count:,}" for name, count in list(classes.items())[:CLASSES])
