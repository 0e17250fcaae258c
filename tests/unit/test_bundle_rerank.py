"""Rerank scores, compared with plain loops over sets."""

from __future__ import annotations

import random
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruie.bundle.manifest import MANIFEST, Manifest
from ruie.bundle.rerank_scores import RerankWeights, expected_agreement, mentions, occurs
from ruie.packaged import packaged_bundle
from ruie.records import Task


@pytest.mark.parametrize("seed", range(5))
def test_expected_agreement_is_the_jaccard_index_of_expected_sizes(seed: int) -> None:
    rng = random.Random(seed)
    likely = [rng.random() for _ in range(5)]
    answers = [set(rng.sample(range(5), rng.randrange(1, 5))) for _ in range(20)]
    table = np.array([[kind in each for kind in range(5)] for each in answers], dtype=np.float32)
    agreement = expected_agreement(np.array(likely, dtype=np.float32), table)
    for each, actual in zip(answers, agreement.tolist(), strict=True):
        both = sum(likely[kind] for kind in each)
        either = sum(1.0 if kind in each else likely[kind] for kind in range(5))
        assert actual == pytest.approx(both / either, abs=1e-5)


@pytest.mark.parametrize("known", list(product((0.0, 1.0), repeat=3)))
def test_where_the_types_are_certain_it_is_the_jaccard_index(known: tuple[float, ...]) -> None:
    table = np.array(list(product((0, 1), repeat=3)), dtype=np.float32)
    agreement = expected_agreement(np.array(known, dtype=np.float32), table)
    own = {kind for kind, certain in enumerate(known) if certain}
    for row, actual in zip(table, agreement.tolist(), strict=True):
        other = {kind for kind, has in enumerate(row) if has}
        union = own | other
        assert actual == pytest.approx(len(own & other) / len(union) if union else 1.0)


def test_an_empty_answer_agrees_as_likely_as_the_query_has_nothing() -> None:
    empty = np.zeros((1, 2), dtype=np.float32)
    likely = np.array([0.5, 0.2], dtype=np.float32)
    assert expected_agreement(likely, empty).tolist() == pytest.approx([0.4])
    assert expected_agreement(np.zeros(0, np.float32), np.zeros((2, 0), np.float32)).tolist() == [
        1.0,
        1.0,
    ]


def test_each_span_that_occurs_counts_once_and_two_at_most() -> None:
    spans = [["oil", "oil"], ["oil", "opec", "tin"], ["opec", "oil", "gold"], [], ["pec"]]
    assert mentions(spans, "opec cut oil , gold rose").tolist() == [1, 2, 2, 0, 0]


@pytest.mark.parametrize(
    ("span", "text", "there"),
    [
        ("oil", "oil", True),
        ("oil", "the oil .", True),
        ("oil", "oil-producing", True),
        ("oil", "soil", False),
        ("oil", "oils and oil", True),
        ("oil", "oily soil", False),
        ("u.s.", "the u.s.", True),
        ("(a)", "x(a)y", True),
        ("2", "2020", False),
        ("原油", "原油価格は上昇した", True),
        ("öl", "vögel", False),
        ("", "text", False),
        ("text", "", False),
    ],
)
def test_a_span_occurs_as_words_of_its_own(span: str, text: str, there: bool) -> None:
    assert occurs(span, text) is there


@given(st.lists(st.text("abc .", min_size=1, max_size=4), min_size=1, max_size=6))
def test_words_between_spaces_always_occur(words: list[str]) -> None:
    assert all(occurs(word, f" {' '.join(words)} ") for word in words)


def test_scores_are_weighed_by_task() -> None:
    weights = RerankWeights(agreement={Task.NER: 0.5, Task.RE: 2.0}, mentions={Task.NER: 0.1})
    cosines, agreement, counts = (np.array(x, dtype=np.float32) for x in ([0.5], [0.4], [2]))
    for task, expected in ((Task.NER, 0.9), (Task.RE, 1.3), (Task.ED, 0.5)):
        assert weights.scores(task, cosines, agreement, counts).tolist() == pytest.approx(
            [expected]
        )


def test_depth_keeps_its_former_name_in_manifests() -> None:
    written = RerankWeights(depth=7).model_dump(mode="json")
    assert written == {"agreement": {}, "mentions": {}, "among": 7}
    assert RerankWeights.model_validate(written).depth == 7


def test_the_shipped_manifest_is_read_and_written_unchanged() -> None:
    raw = (packaged_bundle() / MANIFEST).read_bytes()
    manifest = Manifest.from_bytes(raw, Path(MANIFEST))
    assert manifest.ranking is not None
    assert manifest.ranking.depth == 200
    assert manifest.to_bytes() == raw
    assert manifest.model_dump(mode="json")["ranking"]["among"] == 200
