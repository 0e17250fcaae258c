"""Models small enough to train in a test: real architectures with random weights."""

from __future__ import annotations

import json
import random
from pathlib import Path

import torch
from transformers import AutoTokenizer, BertConfig, BertModel, LlamaConfig, LlamaForCausalLM


def tiny_encoder(minilm: Path, folder: Path) -> Path:
    """A BERT of two layers with MiniLM's tokenizer."""
    torch.manual_seed(1)
    tokenizer = AutoTokenizer.from_pretrained(minilm)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
    )
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tiny_llm(minilm: Path, folder: Path) -> Path:
    """A Llama of two layers, without a chat template."""
    torch.manual_seed(2)
    tokenizer = AutoTokenizer.from_pretrained(minilm)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=2048,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
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
