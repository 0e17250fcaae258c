"""One task's estimate: the spread of a sample, past calls, demonstrations."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence

import pytest

from ruie.db.call_statistics import CallStatistics
from ruie.decoding import Decoding
from ruie.extractor import Extractor
from ruie.llm import LLMClient
from ruie.records import Demonstration, Item, Query, Span, Task
from ruie.schema import Schema
from ruie.tokens import estimate_tokens
from ruie.worker.estimate.token_counter import TokenCounter
from ruie.worker.estimate.token_estimator import (
    TokenEstimator,
    events_per_call,
    placeholder_queries,
    spread,
)

SCHEMA = Schema("news", {"person": ""}, {}, {"Rise": ("Item",), "Fall": ("Item",), "Talk": ()})


def demonstration(name: str, *types: str, task: Task = Task.ED) -> Demonstration:
    items = tuple(Item(kind, (Span("Ada"),)) for kind in types)
    return Demonstration(name, task, "news", tuple(SCHEMA.events), f"Ada {name} .", items)


class FixedRetriever:
    """It always returns the same demonstrations."""

    digest = "d"

    def __init__(self, *found: Demonstration) -> None:
        self.found = list(found)

    def retrieve(self, queries: Sequence[Query], k: int) -> list[list[Demonstration]]:
        return [self.found[:k] for _ in queries]


def estimator(
    past: dict[Task, CallStatistics] | None = None, *found: Demonstration
) -> TokenEstimator:
    extractor = Extractor(FixedRetriever(*found), LLMClient(""), "m", Decoding(max_tokens=64))
    return TokenEstimator(extractor, TokenCounter("by rule", estimate_tokens), past or {})


def queries(count: int) -> list[Query]:
    return [SCHEMA.query(Task.NER, "Ada went to Rome ." + " Bo stayed ." * n) for n in range(count)]


class TestSpread:
    def test_two_standard_errors_of_the_mean(self) -> None:
        sizes = [10, 12, 14, 20]
        expected = 2 * statistics.stdev(sizes) / math.sqrt(4)
        assert spread(sizes, None) == pytest.approx(expected)
        assert spread(sizes, 8) == pytest.approx(expected * math.sqrt(0.5))

    def test_a_sample_of_all_has_no_error_and_of_one_none_is_known(self) -> None:
        assert spread([10, 20, 30], 3) == 0
        assert spread([10], None) == spread([], None) == 0

    def test_it_holds_19_times_in_20(self) -> None:
        rng = random.Random(1)
        whole = [round(rng.lognormvariate(6, 0.5)) for _ in range(2000)]
        mean = statistics.fmean(whole)
        samples = [rng.sample(whole, 200) for _ in range(400)]
        held = sum(abs(statistics.fmean(s) - mean) <= spread(s, len(whole)) for s in samples)
        assert 0.92 <= held / len(samples) <= 0.98


class TestTokens:
    def test_the_mean_of_a_sample_is_multiplied_by_the_number_of_calls(self) -> None:
        sample = queries(4)
        made = estimator().estimate(Task.NER, 40, 3, sample, "one a text", finite=True)
        assert (made.calls, made.paid_before, made.sampled) == (40, 3, 4)
        prepared = estimator()._extractor.prepare(sample)
        assert made.prompt_tokens == round(sum(p.call.prompt_tokens for p in prepared) / 4 * 40)
        assert 0 < made.prompt_spread < made.prompt_tokens
        assert made.most_completion_tokens == 40 * 64

    def test_prompts_that_were_answered_before_are_paid(self) -> None:
        plain = estimator()
        sample = queries(4)
        prepared = plain._extractor.prepare(sample)
        known = {plain._extractor.prompt_key(prepared[n]) for n in (0, 3)}
        counter = TokenCounter("by rule", estimate_tokens)
        made = TokenEstimator(plain._extractor, counter, {}, known.intersection).estimate(
            Task.NER, 40, 3, sample, "one a text", finite=True
        )
        assert (made.calls, made.paid_before, made.sampled) == (20, 23, 4)
        assert made.prompt_tokens == 10 * sum(p.call.prompt_tokens for p in prepared[1:3])
        assert made.calls_from == "one a text; 2 of 4 prompts were answered before"

    def test_no_call_costs_nothing(self) -> None:
        made = estimator().estimate(Task.NER, 0, 5, [], "one a text", finite=True)
        assert (made.prompt_tokens, made.completion_tokens, made.most_completion_tokens) == (0,) * 3

    @pytest.mark.parametrize(
        ("calls", "found", "expected", "basis"),
        [
            (20, 1, 7.5, "20 past answers"),
            (19, 1, 3, "demonstrations' answers"),
            (0, 0, 64, "nothing is known"),
        ],
    )
    def test_an_answer_is_as_long_as_past_ones_or_as_the_demonstrations(
        self, calls: int, found: int, expected: float, basis: str
    ) -> None:
        shown = [demonstration("a", "person", task=Task.NER)][
            :found
        ]  # `person: Ada`, 11 characters
        past = {Task.NER: CallStatistics(calls, 150)}
        made = estimator(past, *shown).estimate(Task.NER, 10, 0, queries(3), "", finite=False)
        assert made.completion_tokens == 10 * expected
        assert basis in made.completion_from


class TestEvents:
    def test_as_many_as_in_the_past_or_in_the_demonstrations(self) -> None:
        shown = [demonstration("a", "Rise", "Rise", "Talk"), demonstration("b")]
        types = ["Rise", "Fall"]
        assert events_per_call((20, 50), shown, types)[0] == 2.5
        assert events_per_call((19, 50), shown, types)[0] == 1.0
        assert events_per_call((19, 50), [], types)[0] == 0.0

    def test_placeholders_have_the_types_of_the_demonstrations_and_a_word_of_the_text(self) -> None:
        shown = [demonstration("a", "Rise", "Talk")]
        drawn = placeholder_queries(SCHEMA, queries(5), shown, ["Rise", "Fall"], seed=0)
        assert drawn == placeholder_queries(SCHEMA, queries(5), shown, ["Rise", "Fall"], seed=0)
        for query in drawn:
            assert query.trigger is not None
            span = query.trigger.span
            assert (query.task, query.trigger.type) == (Task.EAE, "Rise")
            assert query.text[span.start : span.end] == span.text
        assert len(placeholder_queries(SCHEMA, queries(5), [], ["Rise", "Fall"], seed=0)) == 5
