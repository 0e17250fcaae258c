"""All records of a schema in a list of texts: NER, RE and ED, then EAE for each event."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from ruie.chunking import Chunker
from ruie.errors import CallError, FatalCallError
from ruie.questions import Answer, Question
from ruie.records import Argument, Entity, Event, Query, Relation, Span, Task
from ruie.schema import Schema

WAVE = 64
"""Texts prepared at a time: enough to encode in full batches, few enough to send calls soon."""


class Asker(Protocol):
    """What `extract_all` needs of an `Extractor`."""

    chunker: Chunker

    def prepare(self, queries: Sequence[Query]) -> list[Question]: ...

    async def answer(self, question: Question) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Result:
    """The records of one text. `errors` are the failed calls, whose records are missing."""

    text: str
    entities: tuple[Entity, ...] = ()
    relations: tuple[Relation, ...] = ()
    events: tuple[Event, ...] = ()
    answers: tuple[Answer, ...] = field(default=(), repr=False)
    errors: tuple[CallError, ...] = ()


async def extract_all(asker: Asker, texts: Sequence[str], schema: Schema) -> list[Result]:
    """One `Result` for each text, in order. Raises `FatalCallError`; other errors are in `errors`.

    Long texts are processed in chunks. Offsets of records are in the whole text, those in `answers`
    in the chunks.
    """
    chunked = [asker.chunker(text) for text in texts]
    parts = [text[a:b] for text, ranges in zip(texts, chunked, strict=True) for a, b in ranges]
    results: list[Result] = []
    for start in range(0, len(parts), WAVE):
        results += await _wave(asker, parts[start : start + WAVE], schema)
    remaining = iter(results)
    return [
        joined(text, [(start, next(remaining)) for start, _ in ranges])
        for text, ranges in zip(texts, chunked, strict=True)
    ]


def joined(text: str, parts: Sequence[tuple[int, Result]]) -> Result:
    """The results of a text's chunks as one, each record once.

    parts: the start of each chunk, and its result. Of equal events the first that has arguments is
    kept, or the first.
    """
    if len(parts) == 1:
        return parts[0][1]
    entities: dict[Entity, None] = {}
    relations: dict[Relation, None] = {}
    events: dict[tuple[str, Span], Event] = {}
    for offset, part in parts:
        entities |= dict.fromkeys(Entity(e.type, _moved(e.span, offset)) for e in part.entities)
        relations |= dict.fromkeys(
            Relation(r.type, _moved(r.head, offset), _moved(r.tail, offset)) for r in part.relations
        )
        for event in part.events:
            arguments = tuple(Argument(a.role, _moved(a.span, offset)) for a in event.arguments)
            moved = Event(event.type, _moved(event.trigger, offset), arguments)
            key = (moved.type, moved.trigger)
            if key not in events or not events[key].arguments:
                events[key] = moved
    return Result(
        text,
        tuple(entities),
        tuple(relations),
        tuple(events.values()),
        tuple(answer for _, part in parts for answer in part.answers),
        tuple(error for _, part in parts for error in part.errors),
    )


def _moved(span: Span, by: int) -> Span:
    return replace(span, start=span.start + by, end=span.end + by) if span.grounded else span


async def _wave(asker: Asker, texts: Sequence[str], schema: Schema) -> list[Result]:
    first = [(i, query) for i, text in enumerate(texts) for query in schema.queries(text)]
    outcomes = await _ask_all(asker, [query for _, query in first])
    answered: list[list[Answer]] = [[] for _ in texts]
    failed: list[list[CallError]] = [[] for _ in texts]
    for (i, _), outcome in zip(first, outcomes, strict=True):
        _sort(outcome, answered[i], failed[i])
    second = [
        (i, query)
        for i, answers in enumerate(answered)
        for answer in answers
        if answer.question.query.task is Task.ED
        for item in answer.items
        if (query := schema.argument_query(texts[i], item.type, item.spans[0]))
    ]
    outcomes = await _ask_all(asker, [query for _, query in second])
    for (i, _), outcome in zip(second, outcomes, strict=True):
        _sort(outcome, answered[i], failed[i])
    return [result(texts[i], answered[i], failed[i]) for i in range(len(texts))]


def _sort(outcome: Answer | CallError, answered: list[Answer], failed: list[CallError]) -> None:
    if isinstance(outcome, CallError):
        failed.append(outcome)
    else:
        answered.append(outcome)


async def _ask_all(asker: Asker, queries: Sequence[Query]) -> list[Answer | CallError]:
    if not queries:
        return []
    # encoding takes CPU time: in a thread, so that the event loop can serve calls in flight
    questions = await asyncio.to_thread(asker.prepare, queries)

    async def ask(question: Question) -> Answer | CallError:
        try:
            return await asker.answer(question)
        except FatalCallError:
            raise
        except CallError as error:
            return error

    return await together([ask(question) for question in questions])


T = TypeVar("T")


async def together(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Results in order. The first failure cancels the rest and is raised as it is, not in a group:
    callers expect a `FatalCallError`."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


def result(text: str, answers: Sequence[Answer], errors: Sequence[CallError] = ()) -> Result:
    """The records in a text's answers; each event has the arguments of its own EAE answer."""
    entities: list[Entity] = []
    relations: list[Relation] = []
    detected: list[tuple[str, int, Event]] = []
    arguments: dict[tuple[str, int], tuple[Argument, ...]] = {}
    for answer in answers:
        query = answer.question.query
        match query.task:
            case Task.NER:
                entities += [Entity(i.type, i.spans[0]) for i in answer.items]
            case Task.RE:
                relations += [Relation(i.type, i.spans[0], i.spans[1]) for i in answer.items]
            case Task.ED:
                detected += [
                    (i.type, i.spans[0].start, Event(i.type, i.spans[0])) for i in answer.items
                ]
            case Task.EAE if query.trigger:
                arguments[query.trigger.type, query.trigger.span.start] = tuple(
                    Argument(i.type, i.spans[0]) for i in answer.items
                )
    events = [
        Event(event.type, event.trigger, arguments.get((kind, start), ()))
        for kind, start, event in detected
    ]
    return Result(
        text, tuple(entities), tuple(relations), tuple(events), tuple(answers), tuple(errors)
    )
