"""A long document of real sentences, and what a perfect model says of any piece of it."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from typing import Any

from support.commands import ROOT
from support.replies import Reply, answer

from ruie.schema import Schema

SCHEMA = Schema("accounts", entities={"name": "", "debtor": ""}, relations={"paid by": ""})
EVERY = 6
"""Sentences between two planted pairs, whose relation goes over a sentence's end."""
_NAME = re.compile(r"\b[A-Z][a-z]{4,}\b")
_DEBTOR = re.compile(r"\bDebtor\d+\b")


def long_document(chars: int) -> tuple[str, int]:
    """Sentences of the corpora in paragraphs, with pairs in between; and how many pairs."""
    said, size, pairs = [], 0, 0
    for number, sentence in enumerate(_sentences(), start=1):
        said.append(sentence + ("\n\n" if number % 25 == 0 else " "))
        size += len(said[-1])
        if number % EVERY == 0:
            said.append(f"The account of Debtor{pairs} is closed. It was settled by Payer{pairs}. ")
            size += len(said[-1])
            pairs += 1
        if size >= chars:
            return "".join(said), pairs
    raise AssertionError(f"the corpora have {size} characters, not {chars}")


def _sentences() -> Iterator[str]:
    for path in sorted((ROOT / "benchmarks" / "corpora").glob("*/*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)["text"]


def names_of(text: str) -> list[str]:
    """The different capitalised words of a text, as they come."""
    return list(dict.fromkeys(_NAME.findall(text)))


def right_answer(body: dict[str, Any], _: int) -> Reply:
    """Every name and debtor of the piece, and the relation of each pair that is in it whole."""
    _, _, piece = body["messages"][-1]["content"].rpartition("Sentence: ")
    text, _, task = piece.rstrip().rpartition("\n")
    if task == "Entities:":
        found = [f"name: {name}" for name in names_of(text)]
        found += [f"debtor: {debtor}" for debtor in _DEBTOR.findall(text)]
    else:
        pairs = [(d, d.replace("Debtor", "Payer")) for d in _DEBTOR.findall(text)]
        found = [f"paid by: {d}, {p}" for d, p in pairs if re.search(rf"\b{p}\b", text)]
    return answer("; ".join(found) or "None")
