"""Pools, candidates, groups and metrics, on sentences as corpora have them."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from ruie.bundle.retrieval import passage_text, retrieval_text
from ruie.exporter.training.candidates import NONE, find_candidates, read_candidates
from ruie.exporter.training.config import CorpusConfig, RewardConfig
from ruie.exporter.training.groups import (
    ScoredCandidates,
    draw_group,
    scored_candidates,
    split_held_out,
)
from ruie.exporter.training.metrics import ranking_metrics
from ruie.exporter.training.pools import Pools, load_pools
from ruie.records import Demonstration, Item, Span, Task, Trigger


def _corpus(folder: Path) -> Path:
    rows = []
    for number in range(12):
        kind = "gas" if number % 2 else "oil"
        text = f"The {kind} price rose in week {number // 4} ."
        at = text.index(kind)
        span = {"text": kind, "start": at, "end": at + 3}
        rise = {"text": "rose", "start": text.index("rose"), "end": text.index("rose") + 4}
        event = {"type": "Rise", "trigger": rise, "arguments": [{"role": "Item", **span}]}
        rows.append({"id": str(number), "text": text, "entities": [{"type": kind, **span}]})
        rows[-1]["events"] = [event]
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def pools(tmp_path: Path) -> Pools:
    return load_pools([CorpusConfig(files=(_corpus(tmp_path),))], seed=1)


def test_a_pool_is_one_task_of_one_corpus(pools: Pools) -> None:
    assert len(pools.examples) == 36
    for members in pools.members():
        assert len(members) == 12
        assert len({pools.examples[row].task for row in members}) == 1
    for row, example in enumerate(pools.examples):
        query = pools.query(row)
        assert (query.task, query.text, query.trigger) == (
            example.task,
            example.text,
            example.trigger,
        )


def test_candidates_are_of_the_pool_and_never_the_same_text(pools: Pools, tmp_path: Path) -> None:
    figures = find_candidates(pools, 5, tmp_path, lambda *_: None)
    candidates = read_candidates(tmp_path)
    assert candidates.shape == (36, 5)
    assert figures["candidates"] == (candidates != NONE).sum() > 0
    for query, row in zip(pools.queries, candidates, strict=True):
        others = [int(other) for other in row if other != NONE]
        assert len(others) == len(set(others)) == 5
        for other in others:
            assert pools.pool_of[other] == pools.pool_of[query]
            assert pools.examples[other].text != pools.examples[query].text
        # the same word makes the most similar
        word = "gas" if "gas" in pools.examples[query].text else "oil"
        assert word in pools.examples[others[0]].text


def test_a_group_has_its_positive_first_and_no_negative_with_the_query_s_answer(
    pools: Pools,
) -> None:
    rows = list(pools.members()[0])
    ranked = ScoredCandidates(
        rows[0], tuple(rows[1:]), tuple(float(-i) for i in range(len(rows) - 1))
    )
    config = RewardConfig(negatives=3, positive_top_k=2, negative_bottom_k=6)
    own = pools.answer_ids[rows[0]]
    for seed in range(50):
        group, scores = draw_group(pools, ranked, config, random.Random(seed))
        assert len(group) == 4
        assert group[0] in ranked.candidates[:2]
        assert all(other in ranked.candidates[-6:] for other in group[1:])
        assert all(pools.answer_ids[other] != own for other in group[1:])
        assert scores == [ranked.scores[ranked.candidates.index(other)] for other in group]


def test_candidates_that_were_not_scored_are_left_out(pools: Pools) -> None:
    candidates = np.full((36, 3), NONE, dtype=np.int32)
    scores = np.full((36, 3), np.nan, dtype=np.float32)
    candidates[0] = [5, 6, 7]
    scores[0] = [0.5, np.nan, 0.75]
    candidates[1, 0], scores[1, 0] = 4, 1.0
    (only,) = scored_candidates(pools, candidates, scores)
    assert only == ScoredCandidates(pools.queries[0], (7, 5), (0.75, 0.5))


def test_the_same_queries_are_held_out_by_every_stage() -> None:
    ranked = [ScoredCandidates(query, (1, 2), (1.0, 0.0)) for query in range(400)]
    kept, held = split_held_out(ranked, 0.25, seed=3)
    assert len(kept) + len(held) == 400
    assert 60 < len(held) < 140
    _, again = split_held_out(ranked[100:], 0.25, seed=3)
    assert again == [each for each in held if each.query >= 100]


def test_metrics_by_hand() -> None:
    ranked = [
        ScoredCandidates(0, (1, 2, 3), (3.0, 2.0, 1.0)),
        ScoredCandidates(1, (4, 5), (1.0, 0.0)),
    ]
    metrics = ranking_metrics(ranked, [[0.1, 0.9, 0.5], [0.9, 0.1]])
    assert metrics["accuracy_at_1"] == 0.5
    assert metrics["mrr"] == pytest.approx((1 / 3 + 1) / 2, abs=1e-4)
    assert metrics["gain_at_8"] == 0  # all of so few are among the first eight
    assert ranking_metrics([], []) == {}


def test_gold_spans_are_marked_and_merged() -> None:
    text = "Oil prices in New York City fell"

    def span(words: str) -> Span:
        at = text.index(words)
        return Span(words, at, at + len(words))

    items = (
        Item("place", (span("New York"),)),
        Item("city", (span("York City"),)),
        Item("good", (span("Oil"),)),
    )
    plain = Demonstration("1", Task.NER, "s", ("place",), text, items)
    marked = "<Keyword> Oil </Keyword> prices in <Keyword> New York City </Keyword> fell"
    assert passage_text(plain, keywords=True) == marked
    assert passage_text(plain, keywords=False) == text == retrieval_text(plain)
    trigger = Trigger("Fall", span("fell"))
    event = Demonstration("2", Task.EAE, "s", ("Item",), text, items[2:], trigger)
    assert passage_text(event, keywords=True) == (
        "Fall: fell | <Keyword> Oil </Keyword> prices in New York City <Keyword> fell </Keyword>"
    )
