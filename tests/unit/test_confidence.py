"""How far records may be trusted: where they were written, what is known of them, the model."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from ruie.confidence import fitting
from ruie.confidence.judged import Judged
from ruie.confidence.model import SIZES, WITHOUT, ConfidenceModel, included
from ruie.confidence.reliability import Bin, Bound, bins, bounds, calibration_error
from ruie.confidence.signals import LEAST, Signals, signals
from ruie.confidence.written import FAR, log_probabilities
from ruie.errors import UsageError
from ruie.parsing import Written
from ruie.records import Demonstration, Grounding, Item, Span, Task


def tokens(*pieces: str) -> tuple[tuple[str, float], ...]:
    """Of which the n-th, from 0, has the logarithm -(2 ** n): so a sum says which were counted."""
    return tuple((piece, -(2.0**n)) for n, piece in enumerate(pieces))


def counted(pieces: Sequence[str], *numbers: int) -> float:
    return -sum(2.0**n for n in numbers)


class TestWritten:
    def test_an_item_has_the_tokens_of_its_type_its_span_and_the_one_behind(self) -> None:
        said = tokens("person", ":", " Ada", " Love", "lace", ";", " place", ":", " Bath", "")
        written = [("person", "Ada Lovelace"), ("place", "Bath")]
        assert list(log_probabilities(said, written)) == [
            counted((), 0, 2, 3, 4, 5),
            counted((), 6, 8, 9),
        ]

    def test_a_type_that_stands_once_counts_for_each_of_its_spans(self) -> None:
        said = tokens("person", ":", " Ada", ",", " Grace")
        written = [("person", "Ada"), ("person", "Grace")]
        assert list(log_probabilities(said, written)) == [counted((), 0, 2, 3), counted((), 0, 4)]

    def test_equal_spans_are_those_behind_each_other(self) -> None:
        said = tokens("a: ", "Rome", "; b: ", "Rome", ".")
        found = log_probabilities(said, [("a", "Rome"), ("b", "Rome")])
        assert list(found) == [counted((), 0, 1, 2), counted((), 2, 3, 4)]

    @pytest.mark.parametrize("span", ['the "Old" Inn', "Zoë", "C:\\"])
    def test_spans_are_found_as_json_writes_them(self, span: str) -> None:
        for text in (json.dumps(span), json.dumps(span, ensure_ascii=False), f'"{span}"'):
            said = tokens('{"inn": [', text, "]}")
            assert list(log_probabilities(said, [("inn", span)])) == [counted((), 0, 1, 2)]

    def test_what_is_not_in_the_tokens_is_none_and_disturbs_nothing(self) -> None:
        said = tokens("a: ", "Rome", "; a: ", "Bath")
        found = log_probabilities(said, [("a", "Rome"), ("a", "Ely"), ("a", "Bath")])
        assert list(found) == [counted((), 0, 1, 2), None, counted((), 2, 3)]

    def test_a_relation_has_both_of_its_spans_in_order(self) -> None:
        said = tokens("born in: ", "Ada", ", ", "Rome", ", Ada")
        assert list(log_probabilities(said, [("born in", "Ada", "Rome")])) == [
            counted((), 0, 1, 3, 4)
        ]

    def test_a_span_that_is_its_type_too_stands_behind_it(self) -> None:
        said = tokens("attack", ": ", "attack", "; LOCATION", ": ", "A", "; attack: ", "attack")
        written = [("attack", "attack"), ("LOCATION", "A"), ("attack", "attack")]
        assert list(log_probabilities(said, written)) == [
            counted((), 0, 2, 3),
            counted((), 3, 5, 6),
            counted((), 6, 7),
        ]

    def test_types_may_stand_behind_their_spans(self) -> None:
        said = tokens("[", "Ada", " is a ", "person", ", ", "Bath", " is a ", "place", "]")
        assert list(log_probabilities(said, [("person", "Ada"), ("place", "Bath")])) == [
            counted((), 1, 2, 3),
            counted((), 5, 6, 7),
        ]

    def test_what_is_no_item_is_passed(self) -> None:
        said = tokens("FOO: ", "Ada", "; PER: ", "Ada", ".")
        assert list(log_probabilities(said, [("FOO", "Ada"), ("PER", "Ada")])) == [
            counted((), 0, 1, 2),
            counted((), 2, 3, 4),
        ]

    def test_the_search_is_bounded(self) -> None:
        said = tokens("a: " + "x" * 2 * FAR, "Rome")
        assert list(log_probabilities(said, [("a", "Rome")])) == [None]

    def test_there_may_be_no_tokens(self) -> None:
        assert list(log_probabilities((), [("a", "Rome")])) == [None]


TEXT = "Ada met Grace in Bath."


def item(kind: str, *words: str, grounding: Grounding = Grounding.EXACT) -> Item:
    spans = (Span(w, TEXT.index(w), TEXT.index(w) + len(w), grounding) for w in words)
    return Item(kind, tuple(spans))


def shown(*items: Item) -> Demonstration:
    return Demonstration("d", Task.NER, "s", ("person", "place"), TEXT, items)


class TestSignals:
    def test_of_items(self) -> None:
        items = [
            item("person", "Ada"),
            item("place", "Ada", grounding=Grounding.FUZZY),
            item("person", "Grace"),
        ]
        demonstrations = [
            shown(item("person", "Ada"), item("person", "Grace")),
            shown(item("person", "Grace")),
            shown(item("place", "Bath")),
            shown(),
        ]
        said = tokens(
            "person: ", "Ada", "; place: ", "Ada", "; river: Grace", "; person: ", "Grace"
        )
        written = [
            Written(("person", "Ada"), True),
            Written(("place", "Ada"), True),
            Written(("river", "Grace"), False),
            Written(("person", "Grace"), True),
        ]
        found = list(signals(items, written, said, demonstrations))
        assert found == [
            Signals(counted((), 0, 1, 2), 0.5, 1.0, 1.0, 1.0),
            Signals(LEAST, 0.25, 0.0, 0.0, 1.0),
            Signals(LEAST, 0.5, 1.0, 1.0, 0.0),
        ]

    def test_without_probabilities_or_demonstrations(self) -> None:
        found = list(signals([item("person", "Ada")], [Written(("person", "Ada"), True)], (), ()))
        assert found == [Signals(None, 0.0, 0.0, 1.0, 0.0)]


SURE = Signals(-0.1, 1.0, 1.0, 1.0, 0.0)
DOUBTFUL = Signals(-12.0, 0.0, 0.0, 0.0, 2.0)


class TestModel:
    @pytest.mark.parametrize("task", Task)
    def test_what_is_probable_is_trusted_more(self, task: Task) -> None:
        model = included()
        assert model.confidence(task, SURE) > 0.5 > model.confidence(task, DOUBTFUL)

    def test_is_the_logistic_function(self) -> None:
        weights = {(task, kind): (0.5,) * size for task in Task for kind, size in SIZES.items()}
        found = ConfidenceModel(weights).confidence(Task.NER, SURE)
        assert found == pytest.approx(1 / (1 + math.exp(-0.5 * (1 - 0.1 + 3))), abs=1e-4)

    def test_is_read_as_it_is_written(self) -> None:
        model = included()
        assert ConfidenceModel.from_body(json.loads(json.dumps(model.body()))) == model

    @pytest.mark.parametrize("change", [None, {}, [], {"NER": 1}, {"NER": {WITHOUT: ["x"]}}])
    def test_what_is_no_model_is_refused(self, change: object) -> None:
        body = {**included().body(), **change} if change and isinstance(change, dict) else change
        with pytest.raises(UsageError, match="no calibration"):
            ConfidenceModel.from_body(body, "it")

    def test_so_is_one_with_too_few_weights_or_wrong_ones(self) -> None:
        for weights in ([1.0] * 4, [1.0] * 4 + [math.nan]):
            body = included().body()
            body["RE"][WITHOUT] = weights
            with pytest.raises(UsageError, match="RE has no 5 numbers"):
                ConfidenceModel.from_body(body)


def made_up(number: int, seed: int, weight: float = 0.5) -> list[Judged]:
    """Records that are right as often as a model with these weights says."""
    chance = random.Random(seed)
    judged = []
    for group in range(number):
        value = -chance.expovariate(0.2)
        right = chance.random() < 1 / (1 + math.exp(-(2.0 + weight * value)))
        seen = Signals(value, chance.random(), 0.0, 1.0, 0.0)
        judged.append(Judged(Task.NER, seen, 0.5, right, group))
    return judged


class TestFitting:
    def test_finds_what_the_records_were_made_with(self) -> None:
        fitted = fitting.fit(made_up(20_000, 1)).regressions[Task.NER, "with_tokens"]
        assert fitted[1] == pytest.approx(0.5, abs=0.03)
        assert fitted[2] == pytest.approx(0.0, abs=0.15)

    def test_stays_with_its_prior_where_there_is_nothing_to_learn_from(self) -> None:
        prior = included()
        fitted = fitting.fit(made_up(50, 2))
        assert fitted.regressions[Task.RE, WITHOUT] == prior.regressions[Task.RE, WITHOUT]
        assert fitting.fit([]) == prior

    def test_is_the_maximum(self) -> None:
        """No step in any direction makes the records and the prior more probable."""
        judged = made_up(200, 3)
        fitted = fitting.fit(judged).regressions[Task.NER, WITHOUT]
        best = log_posterior(judged, fitted)
        for at in range(len(fitted)):
            for step in (-0.01, 0.01):
                moved = [*fitted[:at], fitted[at] + step, *fitted[at + 1 :]]
                assert log_posterior(judged, moved) < best

    def test_confidences_of_others_keep_their_word(self) -> None:
        judged = made_up(4_000, 4)
        confidences = fitting.held_out(judged)
        assert calibration_error(bins(confidences, [each.right for each in judged])) < 0.03


def log_posterior(judged: Sequence[Judged], weights: Sequence[float]) -> float:
    prior = included().regressions[Task.NER, WITHOUT]
    rows = [(1.0, *each.signals.cheap) for each in judged]
    total = 0.0
    for row, each in zip(rows, judged, strict=True):
        exponent = sum(w * x for w, x in zip(weights, row, strict=True))
        total -= math.log1p(math.exp(-exponent if each.right else exponent))
    for at, (weight, mean) in enumerate(zip(weights, prior, strict=True)):
        scale = math.sqrt(sum(row[at] ** 2 for row in rows) / len(rows)) + 0.1
        total -= fitting.PRIOR_RECORDS / 4 * scale**2 * (weight - mean) ** 2 / 2
    return total


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.95, 1.0])
@pytest.mark.parametrize("case", ["hardly any", "rivals", "certain", "all alike"])
def test_it_is_fitted_whatever_the_signals_are(case: str, share: float) -> None:
    """Confidences are, on average, about the share that is right."""
    draw = random.Random(1)
    judged = []
    for group in range(400):
        log_probability = -draw.random()
        rivals = 0.0
        if case == "hardly any" and draw.random() < 0.25:
            log_probability = LEAST
        elif case == "rivals" and draw.random() < 0.25:
            rivals = 5.0
        elif case == "certain":
            log_probability = 0.0
        drawn = Signals(log_probability, draw.random(), draw.random(), 1.0, rivals)
        if case == "all alike":
            drawn = SURE
        judged.append(Judged(Task.NER, drawn, 0.5, draw.random() < share, group))
    right = sum(each.right for each in judged) / len(judged)
    for some in (
        judged,
        [replace(j, signals=replace(j.signals, log_probability=None)) for j in judged],
    ):
        model = fitting.fit(some)
        told = [model.confidence(each.task, each.signals) for each in some]
        assert sum(told) / len(told) == pytest.approx(right, abs=0.03)


class TestReliability:
    def test_bins_and_their_error(self) -> None:
        found = bins([0.05, 0.15, 0.12, 1.0], [False, True, False, True])
        assert [replace(each, confidence=round(each.confidence, 9)) for each in found] == [
            Bin(1, 0.05, 0.0), Bin(2, 0.135, 0.5), Bin(1, 1.0, 1.0),
        ]  # fmt: skip  # a line
        assert calibration_error(found) == pytest.approx((0.05 + 2 * 0.365 + 0.0) / 4)
        assert calibration_error([]) == 0.0

    def test_bounds(self) -> None:
        curve = bounds([0.9, 0.5, 0.9, 0.1], [True, False, True, True], gold=5)
        assert curve == [
            Bound(0.9, 2, 1.0, 0.4), Bound(0.5, 3, 2 / 3, 0.4), Bound(0.1, 4, 0.75, 0.6),
        ]  # fmt: skip  # a line
        assert curve[-1].f1 == pytest.approx(2 / 3)
        assert bounds([], [], gold=0) == []
