"""How much of a job was given up, in words, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ruie.worker.terminal import percent

if TYPE_CHECKING:
    from ruie.db.progress import JobProgress

OF_ANSWERS = frozenset({"output", "truncated"})
"""Error classes of answers that say nothing which could be recorded."""
CLASSES = 3
"""Error classes that are named, the most frequent first."""


def too_much_given_up(
    progress: JobProgress, classes: Mapping[str, int], undemonstrated: Sequence[str] = ()
) -> str:
    """Of a job that is done and no success: the share, the errors, and the commands to use.
    undemonstrated: of what the model is shown no example (`ruie.worker.undemonstrated`): where its
    answers were of no use, asking the same again helps nobody."""
    from ruie.worker.undemonstrated import warning

    job = progress.job_id
    given_up, tolerated = percent(progress.quarantined_share), percent(progress.tolerated_share)
    share = (
        f"{given_up} of the items of {job} were given up, more than {tolerated} ({most(classes)})."
    )
    if undemonstrated and set(classes) <= OF_ANSWERS:
        return f"{share}\n{warning(list(undemonstrated), job)}"
    return (
        f"{share}\n"
        f"      `ruie quarantine list {job}` shows them,\n"
        f"      `ruie retry {job}` tries them again."
    )


def most(classes: Mapping[str, int]) -> str:
    """`output 40, truncated 3`: the most frequent classes of errors."""
    return ", ".join(f"{name} {count:,}" for name, count in list(classes.items())[:CLASSES])
