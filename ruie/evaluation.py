"""Precision, recall and F1 of an extractor on annotated rows: real prompts, endpoint and parsing.

EAE is asked about the gold events, as in the paper, so that its score stands for itself and not
for ED's. A query that failed counts as one that found nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ruie.annotations import Corpus
from ruie.errors import CallError, FatalCallError, OutputError, TruncatedError
from ruie.extraction import together
from ruie.extractor import Extractor
from ruie.llm import Completion
from ruie.mistakes import Mistake, mistakes
from ruie.parsing import Parsed, parse
from ruie.questions import Question
from ruie.records import Item, Query, Task
from ruie.scoring import Score, score_offsets, score_strings

WAVE = 256
"""Queries prepared at a time."""
NOTHING = Score()
NOT_PARSED = Parsed((), (), False)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that the corpus has a gold answer to."""

    row: int
    """Index of its sentence in the corpus."""
    name: str
    """The row's id, and what was asked of it: `7#NER`, `7#EAE0`."""
    query: Query
    gold: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one question came to, and how right it is."""

    asked: Asked
    key: str
    demonstrations: tuple[str, ...]
    """The ids of those in the prompt, in the order of the retriever."""
    completion: Completion | None
    parsed: Parsed
    error: CallError | None
    usage: tuple[int, int]
    """Tokens in and out, also of a failed call that was charged."""
    strings: Score
    offsets: Score
    mistakes: Counter[Mistake]


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


def gold_queries(corpus: Corpus) -> Iterator[Asked]:
    """Every question that the corpus has a gold answer to."""
    schema = corpus.schema
    for index, row in enumerate(corpus.rows):
        for task, items in row.gold.items():
            if schema.labels(task):
                yield Asked(index, f"{row.id}#{task}", schema.query(task, row.text), items)
        events = zip(row.gold.get(Task.ED, ()), row.arguments, strict=True)
        for number, (event, found) in enumerate(events):
            if query := schema.argument_query(row.text, event.type, event.spans[0]):
                yield Asked(index, f"{row.id}#{Task.EAE}{number}", query, found)


async def evaluate(
    extractor: Extractor, corpus: Corpus, progress: Callable[[int], None] = lambda _: None
) -> dict[Task, Evaluation]:
    """Ask everything, score everything. `progress` is told of each query that ended.

    Raises `FatalCallError` if no call can succeed.
    """
    return totals(await outcomes(extractor, corpus, told=lambda _: progress(1)))


def totals(found: Iterable[Outcome]) -> dict[Task, Evaluation]:
    """The sums of each task, in the order of the tasks."""
    sums: dict[Task, Evaluation] = {}
    for one in found:
        task = one.asked.query.task
        sums[task] = sums.get(task, Evaluation(task)) + Evaluation(
            task, 1, one.error is not None, one.strings, one.offsets, *one.usage, one.mistakes
        )
    return {task: sums[task] for task in Task if task in sums}


async def outcomes(
    extractor: Extractor,
    corpus: Corpus,
    *,
    saved: Mapping[str, Completion] | None = None,
    told: Callable[[Outcome], None] = lambda _: None,
) -> list[Outcome]:
    """Ask everything, and say what each question came to.

    saved: by key, what was answered before; it is not asked again, nor is a question that comes
    twice (an answer that cannot be read is the model's answer too). told: called with each outcome
    as soon as it is there. Raises `FatalCallError` if no call can succeed.
    """
    known = dict(saved or {})
    asked = list(gold_queries(corpus))
    found: list[Outcome] = []

    async def one(same: Sequence[tuple[Asked, Question]]) -> list[Outcome]:
        question = same[0][1]
        key = question.call.key
        completion, parsed, error = await _read(extractor, question, known.get(key))
        if completion is not None:
            known[key] = completion
        made = [_outcome(each, question, completion, parsed, error) for each, _ in same]
        for outcome in made:
            told(outcome)
        return made

    for at in range(0, len(asked), WAVE):
        wave = asked[at : at + WAVE]
        questions = await asyncio.to_thread(extractor.prepare, [each.query for each in wave])
        shared: dict[str, list[tuple[Asked, Question]]] = {}
        for pair in zip(wave, questions, strict=True):
            shared.setdefault(pair[1].call.key, []).append(pair)
        for made in await together([one(same) for same in shared.values()]):
            found += made
    return found


async def _read(
    extractor: Extractor, question: Question, completion: Completion | None
) -> tuple[Completion | None, Parsed, CallError | None]:
    try:
        if completion is None:
            completion = await extractor.llm.complete(question.call)
        return completion, extractor.read(question, completion).parsed, None
    except FatalCallError:
        raise
    except CallError as error:
        parsed = NOT_PARSED
        if isinstance(error, OutputError) and not isinstance(error, TruncatedError):
            said, form = error.raw_output or "", extractor.decoding.form
            parsed = parse(said, question.query, question.demonstrations, form)
        return completion, parsed, error


def _outcome(
    asked: Asked,
    question: Question,
    completion: Completion | None,
    parsed: Parsed,
    error: CallError | None,
) -> Outcome:
    if completion is not None:
        usage = (completion.prompt_tokens, completion.completion_tokens)
    else:
        usage = (error.usage if error else None) or (0, 0)
    return Outcome(
        asked=asked,
        key=question.call.key,
        demonstrations=tuple(each.id for each in question.demonstrations),
        completion=completion,
        parsed=parsed,
        error=error,
        usage=usage,
        strings=score_strings(asked.gold, parsed.items),
        offsets=score_offsets(asked.gold, parsed.items),
        mistakes=mistakes(asked.gold, parsed.items, parsed.rejects),
    )
