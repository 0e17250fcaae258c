"""One task's calls and their tokens, from prompts that are built for a sample of its queries."""

from __future__ import annotations

import math
import random
import statistics
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

from ruie.db.call_statistics import CallStatistics
from ruie.db.sql import pieces
from ruie.extractor import Extractor
from ruie.prompts import render
from ruie.records import Demonstration, Query, Span, Task, Trigger
from ruie.schema import Schema
from ruie.worker.estimate.token_counter import TokenCounter
from ruie.worker.estimate.types import TaskEstimate

MIN_PAST_CALLS = 20
"""Past calls that are needed for their mean to be used."""
PROMPTS_AT_A_TIME = 64
STANDARD_ERRORS = 2.0
"""Of the interval that has the mean 19 times in 20."""


class TokenEstimator:
    """Builds prompts as a worker would, and counts their tokens.

    answered: those of some prompts' keys under which there is an answer.
    """

    def __init__(
        self,
        extractor: Extractor,
        counter: TokenCounter,
        past: Mapping[Task, CallStatistics],
        answered: Callable[[Sequence[str]], Collection[str]] = lambda _: (),
    ) -> None:
        self._extractor = extractor
        self._answered = answered
        self._counter = counter
        self._past = past
        self.shown: dict[Task, list[Demonstration]] = {}
        """The demonstrations in the prompts built so far, each as often as it was shown."""

    def estimate(
        self,
        task: Task,
        calls: int,
        paid_before: int,
        sample: Sequence[Query],
        calls_from: str,
        *,
        finite: bool,
    ) -> TaskEstimate:
        """Estimate `calls` calls. finite: whether the sample was drawn from these very calls, so
        that a sample of all of them has no error; then those of them whose prompt was answered
        before, chosen by another bundle, are counted as paid."""
        sizes, known = self._prompts(task, sample) if calls else ([], 0)
        if finite and known:
            found = round(calls * known / (known + len(sizes)))
            calls, paid_before = calls - found, paid_before + found
            calls_from += f"; {known:,} of {known + len(sizes):,} prompts were answered before"
        completion, completion_from = self._answer(task) if calls else (0.0, "no call")
        return TaskEstimate(
            task=task,
            calls=calls,
            paid_before=paid_before,
            prompt_tokens=round(calls * statistics.fmean(sizes)) if sizes else 0,
            prompt_spread=round(calls * spread(sizes, calls if finite else None)),
            completion_tokens=round(calls * completion),
            most_completion_tokens=calls * self._extractor.decoding.max_tokens,
            sampled=len(sizes) + known,
            calls_from=calls_from,
            completion_from=completion_from,
        )

    def _prompts(self, task: Task, sample: Sequence[Query]) -> tuple[list[int], int]:
        """The tokens of each prompt that was not answered before, and how many others there are."""
        sizes: list[int] = []
        known = 0
        shown = self.shown.setdefault(task, [])
        for part in pieces(sample, PROMPTS_AT_A_TIME):
            prepared = self._extractor.prepare(part)
            keys = [self._extractor.prompt_key(question) for question in prepared]
            answered = self._answered(keys)
            for key, question in zip(keys, prepared, strict=True):
                shown += question.demonstrations
                if key in answered:
                    known += 1
                else:
                    sizes.append(self._counter.messages(question.call.messages))
        return sizes, known

    def _answer(self, task: Task) -> tuple[float, str]:
        """Tokens of an answer, and how they were determined."""
        past = self._past.get(task)
        if past is not None and past.calls >= MIN_PAST_CALLS:
            basis = f"the mean of {past.calls:,} past answers of this model"
            return past.completion_tokens / past.calls, basis
        decoding = self._extractor.decoding
        answers = [render(d.items, task, decoding.form) for d in self.shown.get(task, ())]
        if answers:
            mean = statistics.fmean(map(self._counter.count, answers))
            return min(mean, decoding.max_tokens), "the mean of the demonstrations' answers"
        return decoding.max_tokens, "nothing is known: every answer counted at the limit"


def spread(sizes: Sequence[int], population: int | None) -> float:
    """How far the mean of a sample is from that of the population, 19 times in 20: two standard
    errors.

    population: its size (then with the correction for finite populations, Cochran, Sampling
    Techniques, 2.6), or None for an infinite one.
    """
    count = len(sizes)
    if count < 2:
        return 0.0
    left = 1.0 if population is None else max(0.0, 1.0 - count / population)
    return STANDARD_ERRORS * math.sqrt(statistics.variance(sizes) / count * left)


def events_per_call(
    past: tuple[int, int], shown: Sequence[Demonstration], types: Sequence[str]
) -> tuple[float, str]:
    """How many events of these types an ED call finds, and how that was determined.

    past: ED calls, and the events they found. shown: demonstrations most like the sampled texts.
    """
    calls, events = past
    if calls >= MIN_PAST_CALLS:
        return events / calls, f"as in {calls:,} past ED calls of this model and schema"
    if shown:
        wanted = sum(item.type in types for demo in shown for item in demo.items)
        return wanted / len(shown), "as in the demonstrations most like the sampled texts"
    return 0.0, "nothing is known: none counted"


def placeholder_queries(
    schema: Schema,
    sample: Sequence[Query],
    shown: Sequence[Demonstration],
    types: Sequence[str],
    seed: int,
) -> list[Query]:
    """An EAE query for each sampled text. Its events are not known before ED is called, so the type
    is drawn with the frequencies of the demonstrations, and the trigger is a word of the text."""
    rng = random.Random(seed)
    frequency = Counter(item.type for demo in shown for item in demo.items if item.type in types)
    weights = [frequency[name] for name in types] if frequency else [1] * len(types)
    queries = []
    for query in sample:
        word = rng.choice(query.text.split() or [query.text])
        start = query.text.find(word)
        (event_type,) = rng.choices(types, weights)
        trigger = Trigger(event_type, Span(word, start, start + len(word)))
        queries.append(schema.query(Task.EAE, query.text, trigger, query.context))
    return queries
