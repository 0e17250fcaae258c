"""Stage 4: train the bi-encoder on the scores of the reward model (arXiv 2409.11673, section 3.3),
or on those of the LLM itself.

One encoder for both sides: queries are plain, demonstrations have their gold spans in keyword
tokens. Loss: KL(teacher ‖ student) over each group + `contrastive` × the contrastive loss of
`losses`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ruie.bundle.encoder import batches_by_length
from ruie.bundle.retrieval import passage_text, retrieval_text
from ruie.exporter.base_encoder import BaseEncoder, load_base_encoder, pooled
from ruie.exporter.training import distributed
from ruie.exporter.training.config import DistillationConfig
from ruie.exporter.training.grad_cache import forward_in_micro_batches
from ruie.exporter.training.groups import ScoredCandidates
from ruie.exporter.training.keyword_model import KeywordModel
from ruie.exporter.training.losses import contrastive, distillation
from ruie.exporter.training.metrics import ranking_metrics
from ruie.exporter.training.pools import Pools
from ruie.exporter.training.stages import Figures, Progress
from ruie.exporter.training.trainer import Group, GroupDataset, train

ENCODED_TOKENS = 8192
"""About so many in a forward pass without gradients."""


class Student(KeywordModel):
    """The encoder in training, pooled and normalised as it will be exported."""

    def __init__(self, encoder: BaseEncoder, config: DistillationConfig) -> None:
        max_tokens = min(config.max_tokens, encoder.max_tokens)
        super().__init__(encoder.model, encoder.tokenizer, max_tokens)
        self._encoder, self._config = encoder, config
        for name, parameter in self.network.named_parameters():
            if "position_embeddings" in name:
                parameter.requires_grad = False

    def vectors(self, inputs: dict[str, Any]) -> Any:
        """Unit vectors, (texts, D)."""

        def encode(input_ids: Any, attention_mask: Any) -> Any:
            hidden = self.network(
                input_ids=input_ids, attention_mask=attention_mask
            ).last_hidden_state
            return pooled(hidden, attention_mask, self._encoder.pooling)

        used = {name: inputs[name] for name in ("input_ids", "attention_mask")}
        return forward_in_micro_batches(encode, used, self._config)

    def forward(
        self,
        queries: dict[str, Any],
        passages: dict[str, Any],
        rewards: Any,
        answer_ids: Any,
        passage_answer_ids: Any,
    ) -> dict[str, Any]:
        """The loss. queries: B texts; passages: B·G texts, the positive first in each group of G.
        rewards: the teacher's scores, (B, G); answer_ids: (B,); passage_answer_ids: (B·G,)."""
        q, p = self.vectors(queries).float(), self.vectors(passages).float()
        temperature = self._config.temperature
        # in 16 bits similarities divided by the temperature would have too coarse steps
        with torch.autocast(q.device.type, enabled=False):
            grouped = p.view(q.shape[0], -1, p.shape[-1])
            similarities = torch.einsum("bd,bgd->bg", q, grouped) / temperature
            loss = distillation(similarities, rewards / self._config.teacher_temperature)
            if self._config.contrastive:
                loss = loss + self._config.contrastive * contrastive(
                    q, p, answer_ids, passage_answer_ids, temperature
                )
        return {"loss": loss}

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> Any:
        """Unit vectors, float32 (texts, D), on the CPU."""
        vectors = torch.empty((len(texts), self._encoder.dimension))
        lengths = [1 + len(text) // 4 for text in texts]  # tokens, about
        for few in batches_by_length(lengths, ENCODED_TOKENS):
            inputs = self.tokenise([texts[i] for i in few])
            inputs = {name: each.to(self.network.device) for name, each in inputs.items()}
            vectors[few] = self.vectors(inputs).float().cpu()
        return vectors


def train_student(
    pools: Pools,
    ranked: Sequence[ScoredCandidates],
    held_out: Sequence[ScoredCandidates],
    encoder: str,
    config: DistillationConfig,
    seed: int,
    folder: Path,
    progress: Progress,
) -> Figures:
    """Train on the teacher's scores; measure on `held_out`, the LLM's scores for other queries.

    encoder: a Hugging Face id or a folder. Saves the trained one to `folder`/model, in the layout
    of sentence-transformers.
    """
    torch.manual_seed(seed)
    base = load_base_encoder(encoder)
    student = Student(base, config)

    examples = pools.examples
    queries = [config.query_prefix + retrieval_text(each) for each in examples]
    passages = [config.passage_prefix + passage_text(each, keywords=True) for each in examples]

    def collate(batch: list[Group]) -> dict[str, Any]:
        others = [other for _, group, _ in batch for other in group]
        return {
            "queries": student.tokenise([queries[row] for row, _, _ in batch]),
            "passages": student.tokenise([passages[row] for row in others]),
            "rewards": torch.tensor([rewards for _, _, rewards in batch]),
            "answer_ids": torch.tensor([pools.answer_ids[row] for row, _, _ in batch]),
            "passage_answer_ids": torch.tensor([pools.answer_ids[row] for row in others]),
        }

    def measure() -> dict[str, float]:
        rows = sorted({row for r in held_out for row in r.candidates})
        position = {row: index for index, row in enumerate(rows)}
        passage_vectors = student.encode([passages[row] for row in rows])
        query_vectors = student.encode([queries[r.query] for r in held_out])
        scores = [
            (passage_vectors[[position[row] for row in r.candidates]] @ vector).tolist()
            for r, vector in zip(held_out, query_vectors, strict=True)
        ]
        return ranking_metrics(held_out, scores)

    groups = GroupDataset(pools, ranked, config, seed)
    history = train(student, groups, collate, config, folder, seed, measure, progress)
    if not distributed.rank():
        _save(student, base, config, folder / "model")
    return {"trained_on": len(ranked), "held_out": len(held_out), "history": history}


def _save(student: Student, base: BaseEncoder, config: DistillationConfig, folder: Path) -> None:
    """Write model, tokenizer, pooling, length and prefixes."""
    shutil.rmtree(folder, ignore_errors=True)
    student.network.save_pretrained(folder)
    student.tokenizer.save_pretrained(folder)
    modules = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")]
    files: dict[str, Any] = {
        "modules.json": [
            {
                "idx": index,
                "name": str(index),
                "path": path,
                "type": f"sentence_transformers.models.{module}",
            }
            for index, (module, path) in enumerate(modules)
        ],
        "1_Pooling/config.json": {
            "word_embedding_dimension": base.dimension,
            "pooling_mode": str(base.pooling),
        },
        "sentence_bert_config.json": {"max_seq_length": student.max_tokens},
        "config_sentence_transformers.json": {
            "prompts": {"query": config.query_prefix, "passage": config.passage_prefix}
        },
    }
    (folder / "1_Pooling").mkdir()
    for name, value in files.items():
        (folder / name).write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
