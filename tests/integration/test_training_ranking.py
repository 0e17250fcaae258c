"""The ranking is learned from whole prompts; a kill loses one batch of them at most."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from support.tiny import rises, tiny_encoder, tiny_llm

from ruie.bundle.retrieval import text_key
from ruie.exporter.base_encoder import BaseEncoder, load_base_encoder
from ruie.exporter.training import ranking
from ruie.exporter.training.config import CorpusConfig, PreferenceConfig
from ruie.exporter.training.likelihood import LocalScorer, Tokeniser
from ruie.exporter.training.metrics import K
from ruie.exporter.training.pools import Pools, load_pools
from ruie.exporter.training.preference import TokenisedConversation
from ruie.exporter.training.ranking import (
    AGREEMENT_WEIGHTS,
    FILE,
    MENTIONS_WEIGHTS,
    QueryFeatures,
    learn_ranking,
    query_features,
    sample_queries,
)
from ruie.exporter.training.stages import read_rows
from ruie.records import Task


@pytest.fixture(scope="module")
def workspace(minilm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ranking")
    tiny_encoder(minilm, folder / "encoder")
    tiny_llm(minilm, folder / "llm")
    rises(folder / "rows.jsonl", 24)
    return folder


@pytest.fixture(scope="module")
def pools(workspace: Path) -> Pools:
    return load_pools([CorpusConfig(files=(workspace / "rows.jsonl",))], seed=1)


@pytest.fixture(scope="module")
def encoder(workspace: Path) -> BaseEncoder:
    return load_base_encoder(str(workspace / "encoder"))


class Counted:
    """A real scorer; ends like a kill once so many prompts were scored."""

    def __init__(self, workspace: Path, until: int = 10_000) -> None:
        self._scorer = LocalScorer(PreferenceConfig(model=str(workspace / "llm"), dtype="float32"))
        self.scored, self._until = 0, until

    def score(self, batch: Sequence[TokenisedConversation]) -> list[float]:
        if self.scored >= self._until:
            raise KeyboardInterrupt
        self.scored += len(batch)
        return self._scorer.score(batch)


def test_the_features_of_a_query(pools: Pools, encoder: BaseEncoder) -> None:
    for each in query_features(pools, pools.queries[::7], encoder):
        own = text_key(pools.examples[each.query].text)
        assert own not in {text_key(pools.examples[row].text) for row in each.rows}
        assert {pools.pool_of[row] for row in each.rows} == {pools.pool_of[each.query]}
        assert (np.diff(each.similarity) <= 0).all()
        assert each.best((0.0, 0.0)) == each.rows[:K]
        assert ((each.agreement >= 0) & (each.agreement <= 1)).all()
        most = each.mentions[[each.rows.index(row) for row in each.best((0.0, 100.0))]]
        assert sorted(most.tolist()) == sorted(each.mentions.tolist())[-len(most) :]


def test_a_sample_has_so_many_of_each_task(pools: Pools) -> None:
    drawn = sample_queries(pools, pools.queries, 5, seed=0)
    assert (
        drawn
        == sample_queries(pools, pools.queries, 5, seed=0)
        != sample_queries(pools, pools.queries, 5, 1)
    )
    tasks = [pools.examples[query].task for query in drawn]
    counts = {task: tasks.count(task) for task in Task if task in tasks}
    assert counts == {Task.NER: 5, Task.ED: 5, Task.EAE: 5}


def test_a_run_that_was_killed_scores_only_the_rest(
    workspace: Path,
    pools: Pools,
    encoder: BaseEncoder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ranking, "SAVE_EVERY", 8)
    queries = sample_queries(pools, pools.queries, 4, seed=0)
    tokenise = Tokeniser(str(workspace / "llm"))
    folders = tmp_path / "whole", tmp_path / "killed"
    for folder in folders:
        folder.mkdir()

    def learn(folder: Path, scorer: Counted) -> dict[str, object]:
        return learn_ranking(pools, queries, encoder, tokenise, scorer, folder, lambda *_: None)

    whole, killed, rest = Counted(workspace), Counted(workspace, until=16), Counted(workspace)
    figures = learn(folders[0], whole)
    with pytest.raises(KeyboardInterrupt):
        learn(folders[1], killed)
    again = learn(folders[1], rest)
    assert again == figures
    assert 16 <= killed.scored < whole.scored
    assert rest.scored == whole.scored - killed.scored
    tried = figures["likelihood"]
    assert isinstance(tried, dict)
    assert all(
        len(pairs) == len(AGREEMENT_WEIGHTS) + len(MENTIONS_WEIGHTS) - 1 for pairs in tried.values()
    )


def test_each_output_counts_by_its_tokens(
    workspace: Path, pools: Pools, encoder: BaseEncoder, tmp_path: Path
) -> None:
    queries = sample_queries(pools, pools.queries, 6, seed=0)
    tokenise = Tokeniser(str(workspace / "llm"))
    figures = learn_ranking(
        pools, queries, encoder, tokenise, Counted(workspace), tmp_path, lambda *_: None
    )
    known = {(query, tuple(rows)): score for query, rows, score in read_rows(tmp_path / FILE)}
    by_task: dict[Task, list[QueryFeatures]] = {}
    for each in query_features(pools, queries, encoder):
        by_task.setdefault(each.task, []).append(each)
    lengths = set()
    for task, features in by_task.items():
        for pair, mean in figures["likelihood"][task].items():
            a, m = map(float, pair.split())
            total = tokens = 0.0
            for each in features:
                length = len(tokenise.tokenizer.tokenize(pools.answer(each.query)))
                total += length * known[each.query, each.best((a, m))]
                tokens += length
                lengths.add(length)
            assert mean == pytest.approx(total / tokens, abs=1e-4)
    assert len(lengths) > 1
