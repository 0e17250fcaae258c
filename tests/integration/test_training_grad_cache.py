"""A step that is read in parts learns the same as one that is held whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from support.tiny import rises, tiny_encoder

from ruie.exporter.base_encoder import load_source
from ruie.exporter.training.config import CorpusConfig, DistillationConfig, RewardConfig
from ruie.exporter.training.grad_cache import read_in_parts
from ruie.exporter.training.pools import Pools, load_pools
from ruie.exporter.training.reward import RewardModel, read_texts
from ruie.exporter.training.student import Student

WHOLE = 1_000_000


@pytest.fixture(scope="module")
def encoder(minilm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder(minilm, tmp_path_factory.mktemp("parts") / "encoder")


@pytest.fixture(scope="module")
def pools(tmp_path_factory: pytest.TempPathFactory) -> Pools:
    path = rises(tmp_path_factory.mktemp("rises") / "rows.jsonl", 16)
    return load_pools([CorpusConfig(files=(path,))], seed=1)


def _learned(model: torch.nn.Module, step: Callable[[], Any]) -> tuple[float, list[torch.Tensor]]:
    """The loss of a step, and the gradient of each parameter. The head that is new in a reward
    model is drawn at random, so both models of a comparison draw it from one seed."""
    loss = step()["loss"]
    loss.backward()
    return float(loss.detach()), [p.grad for p in model.parameters() if p.grad is not None]


def _reward(encoder: Path, pools: Pools, part_tokens: int) -> tuple[float, list[torch.Tensor]]:
    torch.manual_seed(0)
    config = RewardConfig(model=str(encoder), part_tokens=part_tokens)
    model = RewardModel(str(encoder), config).eval()  # without dropout
    texts = read_texts(pools)
    pairs = [(texts[row], texts[other]) for row in range(4) for other in range(8, 12)]
    return _learned(model, lambda: model(group=4, **model.feed(pairs)))


def _student(encoder: Path, pools: Pools, part_tokens: int) -> tuple[float, list[torch.Tensor]]:
    torch.manual_seed(0)
    config = DistillationConfig(part_tokens=part_tokens, temperature=0.5)
    model = Student(load_source(str(encoder)), config).eval()
    texts = [each.text + " again" * (n % 3) for n, each in enumerate(pools.examples)]
    rewards = torch.linspace(-1, 1, 16).view(4, 4)
    answers, theirs = torch.arange(4), torch.arange(16) % 5
    queries, passages = model.feed(texts[:4]), model.feed(texts[4:20])
    return _learned(model, lambda: model(queries, passages, rewards, answers, theirs))


@pytest.mark.parametrize("learn", [_reward, _student])
@pytest.mark.parametrize("part_tokens", [1, 50, 150])
def test_the_gradients_are_those_of_the_whole_step(
    encoder: Path, pools: Pools, learn: Callable[..., Any], part_tokens: int
) -> None:
    """In-batch negatives are of the whole batch, whichever parts they were read in."""
    loss, gradients = learn(encoder, pools, WHOLE)
    again, parts = learn(encoder, pools, part_tokens)
    assert again == pytest.approx(loss, rel=1e-5)
    assert len(parts) == len(gradients) > 20
    largest = max(float(each.abs().max()) for each in gradients)
    assert largest > 1e-5
    for one, other in zip(gradients, parts, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4 * largest)


def test_what_is_computed_again_drops_what_was_dropped() -> None:
    """Each text's row comes back in its place, and its gradient is that of the row."""
    weight = torch.ones(4, requires_grad=True)
    seen: list[torch.Tensor] = []

    def read(input_ids: Any, attention_mask: Any) -> Any:
        dropped = torch.nn.functional.dropout(weight.expand(len(input_ids), 4), 0.5)
        seen.append(dropped.detach())
        return input_ids[:, :1] * dropped

    ids = torch.tensor([[1, 0, 0], [2, 2, 0], [3, 3, 3]])
    feed = {"input_ids": ids, "attention_mask": (ids > 0).long()}
    rows = read_in_parts(read, feed, RewardConfig(part_tokens=1))
    assert [len(each) for each in seen] == [1, 1, 1]  # a part each, the longest first
    first = [each[0] for each in seen]
    torch.testing.assert_close(rows.detach(), torch.stack([first[2], 2 * first[1], 3 * first[0]]))
    rows.sum().backward()
    assert len(seen) == 6
    torch.testing.assert_close(weight.grad, rows.detach().sum(0))
