"""Scores against reviews, as `ruie review score` shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ruie.records import Task
from ruie.scoring import Score
from ruie.worker.terminal import console, counted, table

if TYPE_CHECKING:
    from ruie.db.review_comparison import Comparison, Coverage
    from ruie.worker.reviewing import ReviewScores

COLUMNS = ("task", "gold", "predicted", "matched", "precision", "recall", "f1")


def as_document(scores: ReviewScores, compared: Comparison | None) -> dict[str, Any]:
    """As JSON. before: of the earlier job; both lists are over the documents of both."""
    return {
        **asdict(scores.coverage),
        "tasks": _documents(scores.tasks),
        "before": compared
        and {
            "job": compared.earlier.id,
            "documents": compared.documents,
            "tasks": _documents({task: before for task, (before, _) in compared.tasks.items()}),
            "now": _documents({task: now for task, (_, now) in compared.tasks.items()}),
        },
    }


def print_scores(scores: ReviewScores, compared: Comparison | None) -> None:
    """As tables."""
    console.print(table(COLUMNS, [_row(task, score) for task, score in scores.tasks.items()]))
    if compared is not None and compared.tasks:
        over = counted(compared.documents, "document")
        rows = [
            (str(task), before.f1, now.f1, f"{now.f1 - before.f1:+.3f}")
            for task, (before, now) in compared.tasks.items()
        ]
        console.print(f"\n{compared.earlier.id} and this job, over {over} of both:")
        console.print(table(("task", "f1 before", "f1 now", "change"), rows))


def coverage_lines(coverage: Coverage) -> list[str]:
    """Of how many documents the scores are, and what of them was given up or is left out."""
    lines = [counted(coverage.documents, "reviewed document")]
    if coverage.given_up:
        lines.append(
            f"{coverage.given_up:,} of them given up, in part or whole: what people found there"
            " counts as missed"
        )
    if coverage.unanswered:
        lines.append(
            f"left out, as the job has not answered them yet: tasks of"
            f" {counted(coverage.unanswered, 'reviewed document')}"
        )
    return lines


def _documents(scores: Mapping[Task, Score]) -> list[dict[str, Any]]:
    return [dict(zip(COLUMNS, _row(task, score), strict=True)) for task, score in scores.items()]


def _row(task: Task, s: Score) -> tuple[Any, ...]:
    return (str(task), s.gold, s.predicted, s.matched, s.precision, s.recall, s.f1)
