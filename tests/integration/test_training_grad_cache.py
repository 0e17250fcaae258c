"""A step in micro-batches has the gradients of the whole step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from support.tiny import rises, tiny_encoder

from ruie.exporter.base_encoder import load_base_encoder
from ruie.exporter.training.config import CorpusConfig, DistillationConfig, RewardConfig
from ruie.exporter.training.grad_cache import forward_in_micro_batches
from ruie.exporter.training.pools import Pools, load_pools
from ruie.exporter.training.reward import RewardModel, cross_encoder_texts
from ruie.exporter.training.student import Student

WHOLE = 1_000_000


@pytest.fixture(scope="module")
def encoder(minilm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder(minilm, tmp_path_factory.mktemp("micro-batches") / "encoder")


@pytest.fixture(scope="module")
def pools(tmp_path_factory: pytest.TempPathFactory) -> Pools:
    path = rises(tmp_path_factory.mktemp("rises") / "rows.jsonl", 16)
    return load_pools([CorpusConfig(files=(path,))], seed=1)


def _gradients(model: torch.nn.Module, step: Callable[[], Any]) -> tuple[float, list[torch.Tensor]]:
    """The loss of a step, and the gradient of each parameter. The head that is new in a reward
    model is drawn at random, so both models of a comparison draw it from one seed."""
    loss = step()["loss"]
    loss.backward()
    return float(loss.detach()), [p.grad for p in model.parameters() if p.grad is not None]


def _reward(
    encoder: Path, pools: Pools, micro_batch_tokens: int
) -> tuple[float, list[torch.Tensor]]:
    torch.manual_seed(0)
    config = RewardConfig(model=str(encoder), micro_batch_tokens=micro_batch_tokens)
    model = RewardModel(str(encoder), config).eval()  # without dropout
    texts = cross_encoder_texts(pools)
    pairs = [(texts[row], texts[other]) for row in range(4) for other in range(8, 12)]
    return _gradients(model, lambda: model(group=4, **model.tokenise_pairs(pairs)))


def _student(
    encoder: Path, pools: Pools, micro_batch_tokens: int
) -> tuple[float, list[torch.Tensor]]:
    torch.manual_seed(0)
    config = DistillationConfig(micro_batch_tokens=micro_batch_tokens, temperature=0.5)
    model = Student(load_base_encoder(str(encoder)), config).eval()
    texts = [each.text + " again" * (n % 3) for n, each in enumerate(pools.examples)]
    rewards = torch.linspace(-1, 1, 16).view(4, 4)
    answers, theirs = torch.arange(4), torch.arange(16) % 5
    queries, passages = model.tokenise(texts[:4]), model.tokenise(texts[4:20])
    return _gradients(model, lambda: model(queries, passages, rewards, answers, theirs))


@pytest.mark.parametrize("learn", [_reward, _student])
@pytest.mark.parametrize("micro_batch_tokens", [pytest.param(1, marks=pytest.mark.slow), 50, 150])
def test_the_gradients_are_those_of_the_whole_step(
    encoder: Path, pools: Pools, learn: Callable[..., Any], micro_batch_tokens: int
) -> None:
    """In-batch negatives are of the whole batch, whatever micro-batch they are in."""
    loss, gradients = learn(encoder, pools, WHOLE)
    again, others = learn(encoder, pools, micro_batch_tokens)
    assert again == pytest.approx(loss, rel=1e-5)
    assert len(others) == len(gradients) > 20
    largest = max(float(each.abs().max()) for each in gradients)
    assert largest > 1e-5
    for one, other in zip(gradients, others, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4 * largest)


def test_recomputing_has_the_same_dropout() -> None:
    """Each text's row comes back in its place, and its gradient is that of the row."""
    weight = torch.ones(4, requires_grad=True)
    seen: list[torch.Tensor] = []

    def forward(input_ids: Any, attention_mask: Any) -> Any:
        dropped = torch.nn.functional.dropout(weight.expand(len(input_ids), 4), 0.5)
        seen.append(dropped.detach())
        return input_ids[:, :1] * dropped

    ids = torch.tensor([[1, 0, 0], [2, 2, 0], [3, 3, 3]])
    inputs = {"input_ids": ids, "attention_mask": (ids > 0).long()}
    rows = forward_in_micro_batches(forward, inputs, RewardConfig(micro_batch_tokens=1))
    assert [len(each) for each in seen] == [1, 1, 1]  # one text each, the longest first
    first = [each[0] for each in seen]
    torch.testing.assert_close(rows.detach(), torch.stack([first[2], 2 * first[1], 3 * first[0]]))
    rows.sum().backward()
    assert len(seen) == 6
    torch.testing.assert_close(weight.grad, rows.detach().sum(0))
