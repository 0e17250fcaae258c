"""All records of a schema in a text: NER, RE and ED, then EAE for each event."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from ruie.chunking import WINDOW, Chunker
from ruie.errors import CallError, FatalCallError
from ruie.questions import Answer, Question
from ruie.records import Argument, Entity, Event, Query, Relation, Span, Task
from ruie.result import Result
from ruie.schema import Schema

CHUNKS = 64
"""Chunks of one text in work at a time."""

Prepare = Callable[[Sequence[Query]], Awaitable[list[Question]]]
"""From queries to questions with their demonstrations."""


class Asker(Protocol):
    """What extraction needs of an `Extractor`."""

    chunker: Chunker

    def prepare(self, queries: Sequence[Query]) -> list[Question]: ...

    async def answer(self, question: Question) -> Answer: ...


async def extract_text(asker: Asker, prepare: Prepare, text: str, schema: Schema) -> Result:
    """The records of a text. Raises `FatalCallError`; other errors are in `errors`.

    A long text is processed in chunks. Offsets of records are in the whole text, those in `answers`
    in the chunks.
    """
    # a long text takes a while, and the event loop has calls to serve
    ranges = (
        await asyncio.to_thread(asker.chunker, text) if len(text) > WINDOW else asker.chunker(text)
    )
    parts: list[Result] = []
    for first in range(0, len(ranges), CHUNKS):
        pieces = [text[start:end] for start, end in ranges[first : first + CHUNKS]]
        parts += await together([_extract_chunk(asker, prepare, one, schema) for one in pieces])
    return joined(text, [(start, part) for (start, _), part in zip(ranges, parts, strict=True)])


async def _extract_chunk(asker: Asker, prepare: Prepare, text: str, schema: Schema) -> Result:
    answered: list[Answer] = []
    failed: list[tuple[Query, CallError]] = []

    async def ask(queries: Sequence[Query]) -> None:
        if not queries:
            return
        questions = await prepare(queries)
        outcomes = await together([_outcome(asker, question) for question in questions])
        for query, outcome in zip(queries, outcomes, strict=True):
            if isinstance(outcome, CallError):
                failed.append((query, outcome))
            else:
                answered.append(outcome)

    await ask(list(schema.queries(text)))
    events = [a for a in answered if a.question.query.task is Task.ED]
    await ask(
        [
            query
            for answer in events
            for item in answer.items
            if (query := schema.argument_query(text, item.type, item.spans[0]))
        ]
    )
    return result(text, answered, failed)


async def _outcome(asker: Asker, question: Question) -> Answer | CallError:
    try:
        return await asker.answer(question)
    except FatalCallError:
        raise
    except CallError as error:
        return error


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
        entities |= dict.fromkeys(replace(e, span=_moved(e.span, offset)) for e in part.entities)
        relations |= dict.fromkeys(
            replace(r, head=_moved(r.head, offset), tail=_moved(r.tail, offset))
            for r in part.relations
        )
        for event in part.events:
            arguments = tuple(replace(a, span=_moved(a.span, offset)) for a in event.arguments)
            moved = replace(event, trigger=_moved(event.trigger, offset), arguments=arguments)
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
        tuple(query for _, part in parts for query in part.unanswered),
    )


def _moved(span: Span, by: int) -> Span:
    return replace(span, start=span.start + by, end=span.end + by) if span.grounded else span


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


def result(
    text: str, answers: Sequence[Answer], failed: Sequence[tuple[Query, CallError]] = ()
) -> Result:
    """The records in a text's answers; each event has the arguments of its own EAE answer."""
    entities: list[Entity] = []
    relations: list[Relation] = []
    detected: list[tuple[str, int, Event]] = []
    arguments: dict[tuple[str, int], tuple[Argument, ...]] = {}
    for answer in answers:
        query = answer.question.query
        match query.task:
            case Task.NER:
                entities += [Entity(i.type, i.spans[0], i.confidence) for i in answer.items]
            case Task.RE:
                relations += [
                    Relation(i.type, i.spans[0], i.spans[1], i.confidence) for i in answer.items
                ]
            case Task.ED:
                detected += [
                    (i.type, i.spans[0].start, Event(i.type, i.spans[0], confidence=i.confidence))
                    for i in answer.items
                ]
            case Task.EAE if query.trigger:
                arguments[query.trigger.type, query.trigger.span.start] = tuple(
                    Argument(i.type, i.spans[0], i.confidence) for i in answer.items
                )
    events = [
        replace(event, arguments=arguments.get((kind, start), ()))
        for kind, start, event in detected
    ]
    return Result(
        text,
        tuple(entities),
        tuple(relations),
        tuple(events),
        tuple(answers),
        tuple(error for _, error in failed),
        tuple(query for query, _ in failed),
    )
