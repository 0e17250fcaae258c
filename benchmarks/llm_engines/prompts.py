"""The prompts: sentences of two corpora with 8 random demonstrations as chat turns."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

SHOTS = 8
TASKS = {
    "crossner_ai": ("entities", "type: span; type: span"),
    "fewrel_wiki": ("relations", "type: head, tail; type: head, tail"),
}


def prompts(data: Path, count: int) -> list[str]:
    """`count` prompts in the model's chat template, half entities, half relations."""
    chosen = random.Random(7)
    made = []
    for corpus, (kind, form) in TASKS.items():
        labels = json.loads((data / corpus / "schema.json").read_text(encoding="utf-8"))["labels"]
        pool = _rows(data / corpus, "train") + _rows(data / corpus, "dev")
        for row in chosen.sample(_rows(data / corpus, "test"), count // 2):
            system = f"Find the {kind} in the text. Types: {', '.join(labels)}. Form: {form}"
            turns = [("system", system)]
            for demo in chosen.sample(pool, SHOTS):
                turns += [("user", f"Text: {demo['text']}"), ("assistant", _gold(demo, kind))]
            turns.append(("user", f"Text: {row['text']}"))
            told = "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in turns)
            made.append(f"{told}<|im_start|>assistant\n")
    return made


def _rows(folder: Path, split: str) -> list[dict[str, Any]]:
    path = folder / f"{split}.jsonl.gz"
    if not path.exists():
        return []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _gold(row: dict[str, Any], kind: str) -> str:
    def spans(item: dict[str, Any]) -> str:
        if kind == "entities":
            return str(item["text"])
        return f"{item['head']['text']}, {item['tail']['text']}"

    return "; ".join(f"{item['type']}: {spans(item)}" for item in row[kind]) or "None"
