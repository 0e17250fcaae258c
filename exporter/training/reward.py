"""Stage 3: train a cross-encoder on the LLM's preferences, and score every candidate with it.

It reads pairs of (query with its gold output, demonstration), both with their gold spans in keyword
tokens (arXiv 2409.11673, section 3.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from ruie.bundle.encoder import batches_by_length
from ruie.bundle.retrieval import passage_text
from ruie.exporter.base_encoder import load_pretrained
from ruie.exporter.training import distributed
from ruie.exporter.training.candidates import NONE, Rows
from ruie.exporter.training.config import RewardConfig
from ruie.exporter.training.grad_cache import forward_in_micro_batches
from ruie.exporter.training.groups import ScoredCandidates
from ruie.exporter.training.keyword_model import KeywordModel
from ruie.exporter.training.losses import grouped_cross_entropy
from ruie.exporter.training.metrics import ranking_metrics
from ruie.exporter.training.pools import Pools
from ruie.exporter.training.preference import Scores
from ruie.exporter.training.prefetch import prefetch
from ruie.exporter.training.stages import Figures, Progress
from ruie.exporter.training.trainer import Group, GroupDataset, train

FILE = "rewards.npz"
QUERIES_SCORED_TOGETHER = 32
"""Queries between two calls of `Progress`."""


class RewardModel(KeywordModel):
    """A sequence classifier with one output, the score of a pair of texts."""

    def __init__(self, model: str, config: RewardConfig) -> None:
        """model: a Hugging Face id or a folder. Raises `UnavailableError`."""
        tokenizer = load_pretrained(AutoTokenizer, "reward model", model)
        network = load_pretrained(
            AutoModelForSequenceClassification,
            "reward model",
            model,
            num_labels=1,
            dtype=torch.float32,
        )
        super().__init__(network, tokenizer, config.max_tokens)
        self._config = config

    def tokenise_pairs(self, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
        """Padded int64 tensors, (pairs, tokens); the longer text of a pair is cut."""
        return self.tokenise([first for first, _ in pairs], [second for _, second in pairs])

    def forward(self, group: int, **inputs: Any) -> dict[str, Any]:
        """The loss. inputs: (B·G, tokens), the positive first in each group of G = `group`."""
        scores = forward_in_micro_batches(
            lambda **few: self.network(**few).logits, inputs, self._config
        )
        return {"loss": grouped_cross_entropy(scores.view(-1, group))}

    @torch.inference_mode()
    def score(self, pairs: Sequence[tuple[str, str]], batch: int) -> list[float]:
        """One score a pair. batch: about how many pairs a forward pass has."""
        scores = [0.0] * len(pairs)
        lengths = [len(first) + len(second) for first, second in pairs]
        budget = batch * max(1, max(lengths, default=1) // 2)
        batches = list(batches_by_length(lengths, budget))
        device = self.network.device
        inputs = prefetch(lambda few: self.tokenise_pairs([pairs[i] for i in few]), batches)
        bfloat16 = distributed.supports_bfloat16()  # as in training
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            for few, tensors in zip(batches, inputs, strict=True):
                output = self.network(**{name: each.to(device) for name, each in tensors.items()})
                for i, score in zip(few, output.logits[:, 0].float().tolist(), strict=True):
                    scores[i] = score
        return scores


def train_reward(
    pools: Pools,
    ranked: Sequence[ScoredCandidates],
    held_out: Sequence[ScoredCandidates],
    config: RewardConfig,
    seed: int,
    folder: Path,
    progress: Progress,
) -> Figures:
    """Train on `ranked` and measure on `held_out`; saves the model to `folder`/model."""
    torch.manual_seed(seed)
    model = RewardModel(config.model, config)
    texts = cross_encoder_texts(pools)

    def collate(batch: list[Group]) -> dict[str, Any]:
        pairs = [(texts[query], texts[other]) for query, others, _ in batch for other in others]
        return {"group": 1 + config.negatives, **model.tokenise_pairs(pairs)}

    def measure() -> dict[str, float]:
        pairs = [(texts[r.query], texts[other]) for r in held_out for other in r.candidates]
        scores = iter(model.score(pairs, config.score_batch))
        return ranking_metrics(held_out, [[next(scores) for _ in r.candidates] for r in held_out])

    groups = GroupDataset(pools, ranked, config, seed)
    history = train(model, groups, collate, config, folder, seed, measure, progress)
    if not distributed.rank():
        model.network.save_pretrained(folder / "model")
        model.tokenizer.save_pretrained(folder / "model")
    return {"trained_on": len(ranked), "held_out": len(held_out), "history": history}


def score_all_candidates(
    pools: Pools,
    candidates: Rows,
    model_folder: Path,
    config: RewardConfig,
    folder: Path,
    progress: Progress,
) -> Figures:
    """Score every candidate with the model in `model_folder`. candidates: int32 (queries, top).

    Writes `FILE`: `rewards`, float32 (queries, top), NaN where there is no candidate.
    """
    model = RewardModel(str(model_folder), config).eval().to(distributed.device())
    texts = cross_encoder_texts(pools)
    rewards = np.full(candidates.shape, np.nan, dtype=np.float32)
    for start in range(0, len(candidates), QUERIES_SCORED_TOGETHER):
        some = candidates[start : start + QUERIES_SCORED_TOGETHER]
        cells = np.argwhere(some != NONE)
        pairs = [(texts[pools.queries[start + i]], texts[some[i, j]]) for i, j in cells]
        for (i, j), score in zip(cells, model.score(pairs, config.score_batch), strict=True):
            rewards[start + i, j] = score
        progress(start + len(some), len(candidates), "queries")
    np.savez_compressed(folder / FILE, rewards=rewards)
    return {"judged": int((~np.isnan(rewards)).sum())}


def read_rewards(folder: Path) -> Scores:
    """What `score_all_candidates` wrote: float32 (queries, top)."""
    with np.load(folder / FILE, allow_pickle=False) as arrays:
        rewards: Scores = arrays["rewards"]
    return rewards


def cross_encoder_texts(pools: Pools) -> list[str]:
    """Each example as the cross-encoder reads it on either side: marked, and with its answer."""
    return [
        f"{passage_text(example, keywords=True)} | {pools.answer(row)}"
        for row, example in enumerate(pools.examples)
    ]
