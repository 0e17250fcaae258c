"""What tests of bundles share."""

from __future__ import annotations

from ruie.records import Demonstration, Query


def query_of(demonstration: Demonstration, text: str | None = None) -> Query:
    """The query that a demonstration would answer, of its own text or another."""
    return Query(
        demonstration.task,
        demonstration.text if text is None else text,
        demonstration.schema,
        dict.fromkeys(demonstration.labels, ""),
        demonstration.trigger,
    )
