"""The documents of million.py: real sentences, no two alike, in a file that can be read
again where enqueueing was interrupted."""

from __future__ import annotations

import json
import random
from pathlib import Path

from ruie.schema import Schema
from ruie.worker.demo import gold

ENTITY_TYPES = ("person", "organisation", "location", "product", "field")
RELATION_TYPES = ("part of", "member of", "follows", "located in")
OUTLETS = 40


def schema(relations: bool) -> Schema:
    """Entities, and relations between them if wanted: one call a document, or two."""
    asked = RELATION_TYPES if relations else ()
    return Schema(
        "million", entities=dict.fromkeys(ENTITY_TYPES, ""), relations=dict.fromkeys(asked, "")
    )


def write(path: Path, documents: int, seed: int) -> None:
    """Write the corpus as JSON lines, unless it is there."""
    if path.exists():
        return
    draw = random.Random(seed)
    known = [row.text for name in gold.NAMES for row in gold.corpus(name).rows]
    scratch = path.with_suffix(".tmp")
    with scratch.open("w", encoding="utf-8") as file:
        for number in range(documents):
            row = {
                "id": f"report-{seed}-{number}",
                "text": f"{draw.choice(known)} Report {number} , {draw.randrange(10**9)} .",
                "outlet": f"outlet-{draw.randrange(OUTLETS)}",
            }
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    scratch.rename(path)
