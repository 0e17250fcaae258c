"""Precision, recall and F1 of an extractor on annotated rows: real prompts, endpoint and parsing.

EAE is asked about the gold events, as in the paper, so that its score stands for itself and not
for ED's. A query that failed counts as one that found nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ruie.annotations import Corpus
from ruie.errors import CallError, FatalCallError
from ruie.extraction import together
from ruie.extractor import Answer, Extractor, Question
from ruie.records import Item, Query, Task
from ruie.scoring import Score, score_offsets, score_strings

WAVE = 256
"""Queries prepared at a time."""
NOTHING = Score()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One task's scores: `strings` is the paper's form, `offsets` the strict one."""

    task: Task
    queries: int = 0
    failed: int = 0
    strings: Score = NOTHING
    offsets: Score = NOTHING
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: Evaluation) -> Evaluation:
        return Evaluation(
            self.task,
            self.queries + other.queries,
            self.failed + other.failed,
            self.strings + other.strings,
            self.offsets + other.offsets,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
        )


def gold_queries(corpus: Corpus) -> Iterator[tuple[Query, tuple[Item, ...]]]:
    """Every question that the corpus has a gold answer to."""
    schema = corpus.schema
    for row in corpus.rows:
        for task, items in row.gold.items():
            if schema.labels(task):
                yield schema.query(task, row.text), items
        for event, found in zip(row.gold.get(Task.ED, ()), row.arguments, strict=True):
            if query := schema.argument_query(row.text, event.type, event.spans[0]):
                yield query, found


async def evaluate(
    extractor: Extractor, corpus: Corpus, progress: Callable[[int], None] = lambda _: None
) -> dict[Task, Evaluation]:
    """Ask everything, score everything. `progress` is told of each query that ended.

    Raises `FatalCallError` if no call can succeed.
    """
    asked = list(gold_queries(corpus))
    totals: dict[Task, Evaluation] = {}
    for at in range(0, len(asked), WAVE):
        wave = asked[at : at + WAVE]
        questions = await asyncio.to_thread(extractor.prepare, [query for query, _ in wave])

        async def one(question: Question, gold: tuple[Item, ...]) -> Evaluation:
            outcome = await _ask(extractor, question)
            progress(1)
            return _scored(question.query.task, gold, outcome)

        asking = [one(question, gold) for question, (_, gold) in zip(questions, wave, strict=True)]
        for result in await together(asking):
            totals[result.task] = totals.get(result.task, Evaluation(result.task)) + result
    return {task: totals[task] for task in Task if task in totals}


async def _ask(extractor: Extractor, question: Question) -> Answer | None:
    try:
        return await extractor.ask(question)
    except FatalCallError:
        raise
    except CallError:
        return None


def _scored(task: Task, gold: tuple[Item, ...], answer: Answer | None) -> Evaluation:
    items = answer.items if answer else ()
    return Evaluation(
        task,
        queries=1,
        failed=answer is None,
        strings=score_strings(gold, items),
        offsets=score_offsets(gold, items),
        prompt_tokens=answer.completion.prompt_tokens if answer else 0,
        completion_tokens=answer.completion.completion_tokens if answer else 0,
    )
