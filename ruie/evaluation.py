"""Precision, recall and F1 of an extractor on annotated rows: real prompts, endpoint and parsing.

EAE queries are about the gold events, as in the paper, so that their score does not depend on ED's.
A failed query counts as one without predictions.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ruie.annotations import Corpus
from ruie.confidence.judged import Judged
from ruie.confidence.signals import signals
from ruie.errors import CallError, FatalCallError, OutputError, TruncatedError
from ruie.extraction import together
from ruie.extractor import Extractor
from ruie.llm import Completion, Usage
from ruie.mistakes import Mistake, mistakes
from ruie.parsing import Parsed, parse
from ruie.questions import Question
from ruie.records import Item, Query, Task
from ruie.scoring import Score, score_offsets, score_strings, strings

WAVE = 256
"""Queries prepared at a time."""
NOTHING = Score()
NOT_PARSED = Parsed((), (), False)


@dataclass(frozen=True, slots=True)
class GoldQuery:
    """A query with its gold answer."""

    row: int
    """Index of its sentence in the corpus."""
    name: str
    """The row's id and the task: `7#NER`, `7#EAE0`."""
    query: Query
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model answered to one query, and how it compares with the gold answer."""

    gold: GoldQuery
    key: str
    """The query's idempotency key."""
    demonstrations: tuple[str, ...]
    """Ids of the demonstrations in the prompt, in the retriever's order."""
    completion: Completion | None
    parsed: Parsed
    error: CallError | None
    usage: Usage
    """Also of a failed call that was charged."""
    strings: Score
    offsets: Score
    mistakes: Counter[Mistake]
    judged: tuple[Judged, ...] = ()
    """Its items, each with what says how far it may be trusted."""


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
    mistakes: Counter[Mistake] = field(default_factory=Counter)

    def __add__(self, other: Evaluation) -> Evaluation:
        return Evaluation(
            self.task,
            self.queries + other.queries,
            self.failed + other.failed,
            self.strings + other.strings,
            self.offsets + other.offsets,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.mistakes + other.mistakes,
        )


def gold_queries(corpus: Corpus) -> Iterator[GoldQuery]:
    """Every query to which the corpus has a gold answer."""
    schema = corpus.schema
    for index, row in enumerate(corpus.rows):
        for task, items in row.gold.items():
            if schema.labels(task):
                yield GoldQuery(index, f"{row.id}#{task}", schema.query(task, row.text), items)
        events = zip(row.gold.get(Task.ED, ()), row.arguments, strict=True)
        for number, (event, arguments) in enumerate(events):
            if query := schema.argument_query(row.text, event.type, event.spans[0]):
                yield GoldQuery(index, f"{row.id}#{Task.EAE}{number}", query, arguments)


async def evaluate(
    extractor: Extractor, corpus: Corpus, progress: Callable[[int], None] = lambda _: None
) -> dict[Task, Evaluation]:
    """Predict and score everything. `progress` is called with 1 after each query.

    Raises `FatalCallError` if no call can succeed.
    """
    return totals(await predict(extractor, corpus, on_prediction=lambda _: progress(1)))


def totals(predictions: Iterable[Prediction]) -> dict[Task, Evaluation]:
    """The sums of each task, in the order of the tasks."""
    sums: dict[Task, Evaluation] = {}
    for one in predictions:
        task = one.gold.query.task
        sums[task] = sums.get(task, Evaluation(task)) + Evaluation(
            task,
            1,
            one.error is not None,
            one.strings,
            one.offsets,
            *one.usage.tokens,
            one.mistakes,
        )
    return {task: sums[task] for task in Task if task in sums}


async def predict(
    extractor: Extractor,
    corpus: Corpus,
    *,
    saved: Mapping[str, Completion] | None = None,
    on_prediction: Callable[[Prediction], None] = lambda _: None,
) -> list[Prediction]:
    """Send every query of the corpus, and compare each answer with the gold one.

    saved: completions by idempotency key. Their calls are not repeated, nor is that of a query
    which occurs twice (an answer that cannot be parsed is an answer too). on_prediction is called
    with each prediction as soon as there is one. Raises `FatalCallError` if no call can succeed.
    """
    completions = dict(saved or {})
    queries = list(gold_queries(corpus))
    predictions: list[Prediction] = []

    async def answer(same: Sequence[tuple[GoldQuery, Question]]) -> list[Prediction]:
        question = same[0][1]
        key = question.call.key
        completion, parsed, error = await _answer(extractor, question, completions.get(key))
        if completion is not None:
            completions[key] = completion
        made = [_prediction(gold, question, completion, parsed, error) for gold, _ in same]
        for prediction in made:
            on_prediction(prediction)
        return made

    for start in range(0, len(queries), WAVE):
        wave = queries[start : start + WAVE]
        questions = await asyncio.to_thread(extractor.prepare, [each.query for each in wave])
        by_key: dict[str, list[tuple[GoldQuery, Question]]] = {}
        for gold, question in zip(wave, questions, strict=True):
            by_key.setdefault(question.call.key, []).append((gold, question))
        for made in await together([answer(same) for same in by_key.values()]):
            predictions += made
    return predictions


async def _answer(
    extractor: Extractor, question: Question, completion: Completion | None
) -> tuple[Completion | None, Parsed, CallError | None]:
    """Call the model, unless there is a completion, and parse its answer; one that is cut off is
    asked for again with twice the limit, as a worker does."""
    try:
        if completion is None:
            completion = await extractor.complete(question)
        return completion, extractor.read(question, completion).parsed, None
    except FatalCallError:
        raise
    except CallError as error:
        parsed = NOT_PARSED
        if isinstance(error, OutputError) and not isinstance(error, TruncatedError):
            output, form = error.raw_output or "", extractor.decoding.form
            parsed = parse(output, question.query, question.demonstrations, form)
        return completion, parsed, error


def _prediction(
    gold: GoldQuery,
    question: Question,
    completion: Completion | None,
    parsed: Parsed,
    error: CallError | None,
) -> Prediction:
    if completion is not None:
        usage = completion.usage
    else:
        usage = (error.usage if error else None) or Usage()
    return Prediction(
        gold=gold,
        key=question.call.key,
        demonstrations=tuple(each.id for each in question.demonstrations),
        completion=completion,
        parsed=parsed,
        error=error,
        usage=usage,
        strings=score_strings(gold.items, parsed.items),
        offsets=score_offsets(gold.items, parsed.items),
        mistakes=mistakes(gold.items, parsed.items, parsed.rejects),
        judged=_judged(gold, question, completion, parsed) if completion and not error else (),
    )


def _judged(
    gold: GoldQuery, question: Question, completion: Completion, parsed: Parsed
) -> tuple[Judged, ...]:
    """Of items with the same words the most confident one, as `score_strings` counts them once."""
    found = signals(parsed.items, parsed.written, completion.log_probs, question.demonstrations)
    wanted = {strings(item) for item in gold.items}
    judged: dict[tuple[str, ...], Judged] = {}
    for item, each in zip(parsed.items, found, strict=True):
        words = strings(item)
        one = Judged(gold.query.task, each, item.confidence or 0.0, words in wanted, gold.row)
        if words not in judged or judged[words].confidence < one.confidence:
            judged[words] = one
    return tuple(judged.values())
