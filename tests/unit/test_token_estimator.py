"""One task's estimate: the spread of a sample, what past calls and demonstrations tell."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence

import pytest

from ruie.db.call_statistics import PastCalls
from ruie.extractor import Decoding, Extractor
from ruie.llm import LLMClient
from ruie.records import Demonstration, Item, Query, Span, Task
from ruie.schema import Schema
from ruie.tokens import estimate_tokens
from ruie.worker.estimate.token_counter import TokenCounter
from ruie.worker.estimate.token_estimator import Outlook, events_a_call, spread, stand_ins

SCHEMA = Schema("news", {"person": ""}, {}, {"Rise": ("Item",), "Fall": ("Item",), "Talk": ()})


def demonstration(name: str, *types: str, task: Task = Task.ED) -> Demonstration:
    items = tuple(Item(kind, (Span("Ada"),)) for kind in types)
    return Demonstration(name, task, "news", tuple(SCHEMA.events), f"Ada {name} .", items)


class Shelf:
    """A retriever that always finds the same."""

    digest = "d"

    def __init__(self, *found: Demonstration) -> None:
        self.found = list(found)

    def retrieve(self, queries: Sequence[Query], k: int) -> list[list[Demonstration]]:
        return [self.found[:k] for _ in queries]


def outlook(past: dict[Task, PastCalls] | None = None, *found: Demonstration) -> Outlook:
    extractor = Extractor(Shelf(*found), LLMClient(""), "m", Decoding(max_tokens=64))
    return Outlook(extractor, TokenCounter("by rule", estimate_tokens), past or {})


def queries(count: int) -> list[Query]:
    return [SCHEMA.query(Task.NER, "Ada went to Rome ." + " Bo stayed ." * n) for n in range(count)]


class TestSpread:
    def test_two_standard_errors_of_the_mean(self) -> None:
        sizes = [10, 12, 14, 20]
        expected = 2 * statistics.stdev(sizes) / math.sqrt(4)
        assert spread(sizes, None) == pytest.approx(expected)
        assert spread(sizes, 8) == pytest.approx(expected * math.sqrt(0.5))

    def test_all_of_them_leave_nothing_unsure_and_one_tells_nothing(self) -> None:
        assert spread([10, 20, 30], 3) == 0
        assert spread([10], None) == spread([], None) == 0

    def test_it_holds_19_times_in_20(self) -> None:
        draw = random.Random(1)
        whole = [round(draw.lognormvariate(6, 0.5)) for _ in range(2000)]
        mean = statistics.fmean(whole)
        samples = [draw.sample(whole, 200) for _ in range(400)]
        held = sum(abs(statistics.fmean(s) - mean) <= spread(s, len(whole)) for s in samples)
        assert 0.92 <= held / len(samples) <= 0.98


class TestTokens:
    def test_a_sample_is_multiplied_up(self) -> None:
        sample = queries(4)
        told = outlook().of(Task.NER, 40, 3, sample, "one a text", drawn=True)
        assert (told.calls, told.paid_before, told.sampled) == (40, 3, 4)
        built = outlook()._extractor.prepare(sample)
        assert told.prompt_tokens == round(sum(q.call.prompt_tokens for q in built) / 4 * 40)
        assert 0 < told.prompt_spread < told.prompt_tokens
        assert told.most_completion_tokens == 40 * 64

    def test_no_call_costs_nothing(self) -> None:
        told = outlook().of(Task.NER, 0, 5, [], "one a text", drawn=True)
        assert (told.prompt_tokens, told.completion_tokens, told.most_completion_tokens) == (0,) * 3

    @pytest.mark.parametrize(
        ("calls", "found", "expected", "said"),
        [
            (20, 1, 7.5, "20 past answers"),
            (19, 1, 3, "demonstrations' answers"),
            (0, 0, 64, "nothing is known"),
        ],
    )
    def test_an_answer_is_as_long_as_past_ones_or_as_the_demonstrations(
        self, calls: int, found: int, expected: float, said: str
    ) -> None:
        shown = [demonstration("a", "person", task=Task.NER)][
            :found
        ]  # `person: Ada`, 11 characters
        past = {Task.NER: PastCalls(calls, 150)}
        told = outlook(past, *shown).of(Task.NER, 10, 0, queries(3), "", drawn=False)
        assert told.completion_tokens == 10 * expected
        assert said in told.completion_from


class TestEvents:
    def test_as_many_as_in_the_past_or_in_the_demonstrations(self) -> None:
        shown = [demonstration("a", "Rise", "Rise", "Talk"), demonstration("b")]
        types = ["Rise", "Fall"]
        assert events_a_call((20, 50), shown, types)[0] == 2.5
        assert events_a_call((19, 50), shown, types)[0] == 1.0
        assert events_a_call((19, 50), [], types)[0] == 0.0

    def test_stand_ins_have_the_types_of_the_demonstrations_and_a_word_of_the_text(self) -> None:
        shown = [demonstration("a", "Rise", "Talk")]
        asked = stand_ins(SCHEMA, queries(5), shown, ["Rise", "Fall"], seed=0)
        assert asked == stand_ins(SCHEMA, queries(5), shown, ["Rise", "Fall"], seed=0)
        for query in asked:
            assert query.trigger is not None
            span = query.trigger.span
            assert (query.task, query.trigger.type) == (Task.EAE, "Rise")
            assert query.text[span.start : span.end] == span.text
        assert len(stand_ins(SCHEMA, queries(5), [], ["Rise", "Fall"], seed=0)) == 5
