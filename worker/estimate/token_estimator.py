"""One task's calls and their tokens, from prompts that are built for a sample of its questions."""

from __future__ import annotations

import math
import random
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence

from ruie.db.call_statistics import PastCalls
from ruie.db.sql import pieces
from ruie.extractor import Extractor
from ruie.prompts import render
from ruie.records import Demonstration, Query, Span, Task, Trigger
from ruie.schema import Schema
from ruie.worker.estimate.token_counter import TokenCounter
from ruie.worker.estimate.types import TaskEstimate

ENOUGH = 20
"""Past calls from which on their mean is taken."""
PREPARED_TOGETHER = 64
"""Questions whose prompts are built at a time."""
NEARLY_ALWAYS = 2.0
"""Standard errors: 19 times in 20 a mean is no further off."""


class Outlook:
    """Builds prompts as a worker would, and counts their tokens."""

    def __init__(
        self, extractor: Extractor, counter: TokenCounter, past: Mapping[Task, PastCalls]
    ) -> None:
        self._extractor = extractor
        self._counter = counter
        self._past = past
        self.shown: dict[Task, list[Demonstration]] = {}
        """The demonstrations in the prompts built so far, each as often as it was shown."""

    def of(
        self,
        task: Task,
        calls: int,
        paid_before: int,
        sample: Sequence[Query],
        calls_from: str,
        *,
        drawn: bool,
    ) -> TaskEstimate:
        """Estimate `calls` calls. drawn: the sample was drawn from these very calls, so that a
        sample of all of them leaves nothing unsure."""
        sizes = self._prompts(task, sample) if calls else []
        completion, completion_from = self._answer(task) if calls else (0.0, "no call")
        return TaskEstimate(
            task=task,
            calls=calls,
            paid_before=paid_before,
            prompt_tokens=round(calls * statistics.fmean(sizes)) if sizes else 0,
            prompt_spread=round(calls * spread(sizes, calls if drawn else None)),
            completion_tokens=round(calls * completion),
            most_completion_tokens=calls * self._extractor.decoding.max_tokens,
            sampled=len(sizes),
            calls_from=calls_from,
            completion_from=completion_from,
        )

    def _prompts(self, task: Task, sample: Sequence[Query]) -> list[int]:
        """The prompts' tokens."""
        sizes: list[int] = []
        shown = self.shown.setdefault(task, [])
        for part in pieces(sample, PREPARED_TOGETHER):
            for question in self._extractor.prepare(part):
                sizes.append(self._counter.messages(question.call.messages))
                shown += question.demonstrations
        return sizes

    def _answer(self, task: Task) -> tuple[float, str]:
        """Tokens of an answer, and where the number comes from."""
        past = self._past.get(task)
        if past is not None and past.calls >= ENOUGH:
            said = f"the mean of {past.calls:,} past answers of this model"
            return past.completion_tokens / past.calls, said
        decoding = self._extractor.decoding
        answers = [render(d.items, task, decoding.form) for d in self.shown.get(task, ())]
        if answers:
            mean = statistics.fmean(map(self._counter.text, answers))
            return min(mean, decoding.max_tokens), "the mean of the demonstrations' answers"
        return decoding.max_tokens, "nothing is known: every answer counted at the limit"


def spread(sizes: Sequence[int], population: int | None) -> float:
    """How far the mean of a sample is from the whole's, 19 times in 20: two standard errors.

    population: how many there are of which the sample is a part (then with the correction for
    finite populations, Cochran, Sampling Techniques, 2.6); None: without bound.
    """
    count = len(sizes)
    if count < 2:
        return 0.0
    left = 1.0 if population is None else max(0.0, 1.0 - count / population)
    return NEARLY_ALWAYS * math.sqrt(statistics.variance(sizes) / count * left)


def events_a_call(
    past: tuple[int, int], shown: Sequence[Demonstration], types: Sequence[str]
) -> tuple[float, str]:
    """How many events of these types an ED call finds, and where the number comes from.

    past: ED calls, and what they found. shown: demonstrations like the texts in question.
    """
    calls, events = past
    if calls >= ENOUGH:
        return events / calls, f"as in {calls:,} past ED calls of this model and schema"
    if shown:
        wanted = sum(item.type in types for demo in shown for item in demo.items)
        return wanted / len(shown), "as in the demonstrations most like the sampled texts"
    return 0.0, "nothing is known: none counted"


def stand_ins(
    schema: Schema,
    sample: Sequence[Query],
    shown: Sequence[Demonstration],
    types: Sequence[str],
    seed: int,
) -> list[Query]:
    """A question about arguments for each sampled text: events are not known before ED is asked,
    so the type is drawn as the demonstrations have it, and the trigger is one of the words."""
    draw = random.Random(seed)
    seen = Counter(item.type for demo in shown for item in demo.items if item.type in types)
    weights = [seen[name] for name in types] if seen else [1] * len(types)
    asked = []
    for query in sample:
        word = draw.choice(query.text.split() or [query.text])
        start = query.text.find(word)
        (kind,) = draw.choices(types, weights)
        trigger = Trigger(kind, Span(word, start, start + len(word)))
        asked.append(schema.query(Task.EAE, query.text, trigger, query.context))
    return asked
