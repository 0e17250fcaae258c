"""A model that knows the gold answers and gets some wrong; the prompt decides which."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.endpoint import ScriptedEndpoint
from support.replies import Reply, answer

from ruie.evaluation import gold_queries
from ruie.output import linear
from ruie.prompts import build
from ruie.records import Item, Span
from ruie.worker.demo import gold

FILES = [str(gold.DATA / f"{name}.jsonl") for name in gold.NAMES]
CORPORA = [gold.corpus(name) for name in gold.NAMES]
QUESTIONS = sum(1 for corpus in CORPORA for _ in gold_queries(corpus))
IN_FLIGHT = 4

WRONG = ("", "other type: {0}", "{type}: {half}", "{type}: nowhere at all", "nonsense")
"""What is said instead of an item: nothing, another type, half of the words, ..."""


def gold_model() -> Callable[[dict[str, Any], int], Reply]:
    """A script for an endpoint that is asked about `CORPORA`. Tokens are characters, by four."""
    known: dict[str, tuple[Item, ...]] = {}
    for corpus in CORPORA:
        for each in gold_queries(corpus):
            known[build(each.query, ()).messages[-1]["content"].split("\n\n")[-1]] = each.items

    def script(body: dict[str, Any], number: int) -> Reply:
        told = json.dumps(body["messages"], sort_keys=True)
        draw = random.Random(told)
        items = known[body["messages"][-1]["content"].split("\n\n")[-1]]
        said = "; ".join(filter(None, (_said(item, draw) for item in items))) or linear.NOTHING
        return answer(said, usage=(len(told) // 4, len(said) // 4 + 1))

    return script


def _said(item: Item, draw: random.Random) -> str:
    if draw.random() < 0.6:
        return linear.render([item])
    words = [span.text for span in item.spans]
    halves = ", ".join(_half(span) for span in item.spans)
    return draw.choice(WRONG).format(", ".join(words), type=item.type, half=halves)


def _half(span: Span) -> str:
    return span.text.split()[0]


def settings(endpoint: ScriptedEndpoint, bundle: Path) -> dict[str, str]:
    """The environment of `ruie evaluate`."""
    return {
        "RUIE_LLM_BASE_URL": endpoint.url,
        "RUIE_BUNDLE": str(bundle),
        "RUIE_LLM_PRICES": '{"scripted": [1, 5]}',
        "RUIE_LLM_MAX_IN_FLIGHT": str(IN_FLIGHT),
    }


def predictions(folder: Path) -> list[dict[str, Any]]:
    """What an evaluation wrote, line by line."""
    with (folder / "predictions.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
