"""Stage 3: a cross-encoder that learned the LLM's preference, and then judges every candidate.

It reads (query and gold output, demonstration), both with their gold spans in keyword tokens
(arXiv 2409.11673, section 3.2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from ruie.bundle.encoder import batches_by_length
from ruie.bundle.retrieval import KEYWORD_TOKENS, passage_text
from ruie.exporter.base_encoder import opened
from ruie.exporter.training import distributed
from ruie.exporter.training.candidates import NONE, Rows
from ruie.exporter.training.config import RewardConfig
from ruie.exporter.training.grad_cache import read_in_parts
from ruie.exporter.training.groups import Ranking
from ruie.exporter.training.losses import grouped_cross_entropy
from ruie.exporter.training.metrics import agreement
from ruie.exporter.training.pools import Pools
from ruie.exporter.training.preference import Scores
from ruie.exporter.training.prefetch import ahead
from ruie.exporter.training.stages import Figures
from ruie.exporter.training.trainer import Groups, train

FILE = "rewards.npz"


class RewardModel(torch.nn.Module):
    """A sequence classifier with one output, and its tokenizer."""

    def __init__(self, model: str, config: RewardConfig) -> None:
        super().__init__()
        self._config = config
        self.tokenizer: Any = opened(AutoTokenizer, "reward model", model)
        self.network: Any = opened(
            AutoModelForSequenceClassification,
            "reward model",
            model,
            num_labels=1,
            dtype=torch.float32,
        )
        self.tokenizer.add_tokens(list(KEYWORD_TOKENS), special_tokens=True)
        self.network.resize_token_embeddings(len(self.tokenizer))

    def activation_checkpointing_enable(self, **options: Any) -> None:
        """As the Trainer calls it."""
        self.network.activation_checkpointing_enable(**options)

    def feed(self, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
        """Padded tensors, (pairs, tokens); the longer text of a pair is cut."""
        texts = [[pair[side] for pair in pairs] for side in (0, 1)]
        return dict(
            self.tokenizer(
                *texts,
                truncation="longest_first",
                max_length=self._config.max_tokens,
                padding=True,
                return_tensors="pt",
            )
        )

    def forward(self, group: int, **feed: Any) -> dict[str, Any]:
        """feed: (B·G, tokens), the positive first in each group of G. Gives the loss."""
        scores = read_in_parts(lambda **few: self.network(**few).logits, feed, self._config)
        return {"loss": grouped_cross_entropy(scores.view(-1, group))}

    @torch.inference_mode()
    def score(self, pairs: Sequence[tuple[str, str]], batch: int) -> list[float]:
        """One score a pair."""
        scores = [0.0] * len(pairs)
        lengths = [len(a) + len(b) for a, b in pairs]
        parts = list(batches_by_length(lengths, batch * max(1, max(lengths, default=1) // 2)))
        device = self.network.device
        feeds = ahead(lambda few: self.feed([pairs[i] for i in few]), parts)
        # as the Trainer computes
        with torch.autocast(
            device.type, torch.bfloat16, enabled=distributed.computes_in_bfloat16()
        ):
            for few, feed in zip(parts, feeds, strict=True):
                said = self.network(**{name: each.to(device) for name, each in feed.items()})
                for i, score in zip(few, said.logits[:, 0].float().tolist(), strict=True):
                    scores[i] = score
        return scores


def train_reward(
    pools: Pools,
    ranked: Sequence[Ranking],
    held_out: Sequence[Ranking],
    config: RewardConfig,
    seed: int,
    folder: Path,
    progress: Callable[[float], None],
) -> Figures:
    """Train on `ranked`; the model is in `folder`/model afterwards."""
    torch.manual_seed(seed)
    model = RewardModel(config.model, config)
    texts = read_texts(pools)

    def collate(batch: list[tuple[int, list[int], list[float]]]) -> dict[str, Any]:
        pairs = [(texts[query], texts[other]) for query, others, _ in batch for other in others]
        return {"group": 1 + config.negatives, **model.feed(pairs)}

    def measure() -> dict[str, float]:
        pairs = [(texts[r.query], texts[other]) for r in held_out for other in r.candidates]
        scores = iter(model.score(pairs, config.score_batch))
        return agreement(held_out, [[next(scores) for _ in r.candidates] for r in held_out])

    groups = Groups(pools, ranked, config, seed)
    history = train(model, groups, collate, config, folder, seed, measure, progress)
    if not distributed.rank():
        model.network.save_pretrained(folder / "model")
        model.tokenizer.save_pretrained(folder / "model")
    return {"trained_on": len(ranked), "held_out": len(held_out), "history": history}


def judge(
    pools: Pools,
    candidates: Rows,
    trained: Path,
    config: RewardConfig,
    folder: Path,
    progress: Callable[[float], None],
) -> Figures:
    """Score every candidate of every query. Writes `FILE`: `rewards`, float32, (queries, top)."""
    model = RewardModel(str(trained), config).eval().to(distributed.device())
    texts = read_texts(pools)
    rewards = np.full(candidates.shape, np.nan, dtype=np.float32)
    step = 32
    for at in range(0, len(candidates), step):
        some = candidates[at : at + step]
        places = np.argwhere(some != NONE)
        pairs = [(texts[pools.queries[at + i]], texts[some[i, j]]) for i, j in places]
        for (i, j), score in zip(places, model.score(pairs, config.score_batch), strict=True):
            rewards[at + i, j] = score
        progress(min(1.0, (at + step) / len(candidates)))
    np.savez_compressed(folder / FILE, rewards=rewards)
    return {"judged": int((~np.isnan(rewards)).sum())}


def read_rewards(folder: Path) -> Scores:
    """What `judge` wrote."""
    with np.load(folder / FILE, allow_pickle=False) as stored:
        found: Scores = stored["rewards"]
    return found


def read_texts(pools: Pools) -> list[str]:
    """Every example as the cross-encoder reads it, on either side: with its answer."""
    return [
        f"{passage_text(example, keywords=True)} | {pools.answer(row)}"
        for row, example in enumerate(pools.examples)
    ]
