"""Models small enough to train in a test: real architectures with random weights."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertModel,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
)

SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}


def tiny_encoder(minilm: Path, folder: Path) -> Path:
    """A BERT of two layers with MiniLM's tokenizer."""
    return _saved(BertModel, BertConfig(max_position_embeddings=128, **SIZES), minilm, folder)


def tiny_sliding_llm(minilm: Path, folder: Path, window: int) -> Path:
    """A Gemma 3 of two layers, one of which sees no further back than `window` tokens."""
    kinds = ["sliding_attention", "full_attention"]
    config = Gemma3TextConfig(
        **SIZES, num_key_value_heads=1, head_dim=16, sliding_window=window, layer_types=kinds
    )
    return _saved(Gemma3ForCausalLM, config, minilm, folder)


def tiny_llm(minilm: Path, folder: Path) -> Path:
    """A Llama of two layers with MiniLM's tokenizer, without a chat template."""
    config = LlamaConfig(max_position_embeddings=2048, **SIZES)
    return _saved(LlamaForCausalLM, config, minilm, folder)


def _saved(kind: Any, config: Any, minilm: Path, folder: Path) -> Path:
    torch.manual_seed(1)
    tokenizer = AutoTokenizer.from_pretrained(minilm)
    config.vocab_size = len(tokenizer)
    kind(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def rises(path: Path, count: int, seed: int = 0) -> Path:
    """Annotated sentences with entities and events."""
    rng = random.Random(seed)
    rows = []
    for number in range(count):
        good = rng.choice(("oil", "gas", "gold", "wheat"))
        moved = rng.choice(("rose", "fell"))
        day = rng.choice(("Monday", "Tuesday", "Friday"))
        text = f"The price of {good} {moved} by {number} cents on {day} ."

        def span(words: str, text: str = text) -> dict[str, object]:
            at = text.index(words)
            return {"text": words, "start": at, "end": at + len(words)}

        event = {
            "type": "Rise" if moved == "rose" else "Fall",
            "trigger": span(moved),
            "arguments": [{"role": "Item", **span(good)}],
        }
        entities = [{"type": "good", **span(good)}, {"type": "day", **span(day)}]
        rows.append({"id": str(number), "text": text, "entities": entities, "events": [event]})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
