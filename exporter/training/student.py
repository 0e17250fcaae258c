"""Stage 4: the bi-encoder learns from the reward model (arXiv 2409.11673, section 3.3), or from
the LLM itself.

One shared encoder. Queries are read as they come; demonstrations with their gold spans in keyword
tokens. Loss: KL(reward ‖ student) over each group + 0.2 × the contrastive loss of `losses`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from ruie.bundle.encoder import batches_by_length
from ruie.bundle.retrieval import KEYWORD_TOKENS, passage_text, retrieval_text
from ruie.exporter.base_encoder import Source, load_source, pooled
from ruie.exporter.training import distributed
from ruie.exporter.training.config import DistillationConfig
from ruie.exporter.training.grad_cache import read_in_parts
from ruie.exporter.training.groups import Ranking
from ruie.exporter.training.losses import contrastive, distillation
from ruie.exporter.training.metrics import agreement
from ruie.exporter.training.pools import Pools
from ruie.exporter.training.stages import Figures
from ruie.exporter.training.trainer import Groups, train


class Student(torch.nn.Module):
    """The encoder to be trained, pooled and normalised as it will be exported."""

    def __init__(self, source: Source, config: DistillationConfig) -> None:
        super().__init__()
        self.network: Any = source.model
        self.tokenizer = source.tokenizer
        self._source, self._config = source, config
        self.max_tokens = min(config.max_tokens, source.max_tokens)
        self.tokenizer.add_tokens(list(KEYWORD_TOKENS), special_tokens=True)
        self.network.resize_token_embeddings(len(self.tokenizer))
        for name, parameter in self.network.named_parameters():
            if "position_embeddings" in name:
                parameter.requires_grad = False

    def activation_checkpointing_enable(self, **options: Any) -> None:
        """As the Trainer calls it."""
        self.network.activation_checkpointing_enable(**options)

    def feed(self, texts: Sequence[str]) -> dict[str, Any]:
        """Padded tensors, (texts, tokens)."""
        return dict(
            self.tokenizer(
                list(texts),
                truncation=True,
                max_length=self.max_tokens,
                padding=True,
                return_tensors="pt",
            )
        )

    def vectors(self, feed: dict[str, Any]) -> Any:
        """Unit vectors, (texts, D)."""

        def read(input_ids: Any, attention_mask: Any) -> Any:
            hidden = self.network(
                input_ids=input_ids, attention_mask=attention_mask
            ).last_hidden_state
            return pooled(hidden, attention_mask, self._source.pooling)

        some = {name: feed[name] for name in ("input_ids", "attention_mask")}
        return read_in_parts(read, some, self._config)

    def forward(
        self,
        queries: dict[str, Any],
        passages: dict[str, Any],
        rewards: Any,
        answers: Any,
        passage_answers: Any,
    ) -> dict[str, Any]:
        """queries: B texts; passages: B·G texts, the positive first in each group of G.
        rewards: (B, G); answers: (B,), passage_answers: (B·G,). Gives the loss."""
        q, p = self.vectors(queries).float(), self.vectors(passages).float()
        temperature = self._config.temperature
        # 16 bits would round similarities to steps as wide as what the temperature makes of them
        with torch.autocast(q.device.type, enabled=False):
            grouped = p.view(q.shape[0], -1, p.shape[-1])
            similar = torch.einsum("bd,bgd->bg", q, grouped) / temperature
            loss = distillation(similar, rewards / self._config.teacher_temperature)
            if self._config.contrastive:
                more = contrastive(q, p, answers, passage_answers, temperature)
                loss = loss + self._config.contrastive * more
        return {"loss": loss}

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> Any:
        """Unit vectors, (texts, D), on the CPU."""
        found = torch.empty((len(texts), self._source.dimension))
        for few in batches_by_length([1 + len(text) // 4 for text in texts], 8192):
            feed = self.feed([texts[i] for i in few])
            feed = {name: each.to(self.network.device) for name, each in feed.items()}
            found[few] = self.vectors(feed).float().cpu()
        return found


def train_student(
    pools: Pools,
    ranked: Sequence[Ranking],
    held_out: Sequence[Ranking],
    encoder: str,
    config: DistillationConfig,
    seed: int,
    folder: Path,
    progress: Callable[[float], None],
) -> Figures:
    """Train on the teacher's rankings; `held_out` are the LLM's, of other queries.

    The encoder is in `folder`/model afterwards, in the layout of sentence-transformers.
    """
    torch.manual_seed(seed)
    source = load_source(encoder)
    student = Student(source, config)

    examples = pools.examples
    queries = [config.query_prefix + retrieval_text(each) for each in examples]
    passages = [config.passage_prefix + passage_text(each, keywords=True) for each in examples]

    def collate(batch: list[tuple[int, list[int], list[float]]]) -> dict[str, Any]:
        others = [other for _, group, _ in batch for other in group]
        return {
            "queries": student.feed([queries[row] for row, _, _ in batch]),
            "passages": student.feed([passages[row] for row in others]),
            "rewards": torch.tensor([rewards for _, _, rewards in batch]),
            "answers": torch.tensor([pools.answers[row] for row, _, _ in batch]),
            "passage_answers": torch.tensor([pools.answers[row] for row in others]),
        }

    def measure() -> dict[str, float]:
        rows = sorted({row for r in held_out for row in r.candidates})
        place = {row: index for index, row in enumerate(rows)}
        known = student.encode([passages[row] for row in rows])
        asked = student.encode([queries[r.query] for r in held_out])
        scores = [
            (known[[place[row] for row in r.candidates]] @ vector).tolist()
            for r, vector in zip(held_out, asked, strict=True)
        ]
        return agreement(held_out, scores)

    groups = Groups(pools, ranked, config, seed)
    history = train(student, groups, collate, config, folder, seed, measure, progress)
    if not distributed.rank():
        _save(student, source, config, folder / "model")
    return {"trained_on": len(ranked), "held_out": len(held_out), "history": history}


def _save(student: Student, source: Source, config: DistillationConfig, folder: Path) -> None:
    """Model, tokenizer, pooling, length and prefixes."""
    shutil.rmtree(folder, ignore_errors=True)
    student.network.save_pretrained(folder)
    source.tokenizer.save_pretrained(folder)
    pooling = {"word_embedding_dimension": source.dimension, "pooling_mode": str(source.pooling)}
    described = {
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {
                "idx": 1,
                "name": "1",
                "path": "1_Pooling",
                "type": "sentence_transformers.models.Pooling",
            },
            {
                "idx": 2,
                "name": "2",
                "path": "2_Normalize",
                "type": "sentence_transformers.models.Normalize",
            },
        ],
        "1_Pooling/config.json": pooling,
        "sentence_bert_config.json": {"max_seq_length": student.max_tokens},
        "config_sentence_transformers.json": {
            "prompts": {"query": config.query_prefix, "passage": config.passage_prefix}
        },
    }
    (folder / "1_Pooling").mkdir()
    for name, value in described.items():
        (folder / name).write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
