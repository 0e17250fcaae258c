"""An endpoint that answers at once what a model plausibly would: names of the text it was asked
about, other ones for each text.

    python benchmarks/million_endpoint.py --port 8999
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

from million_corpus import ENTITY_TYPES, RELATION_TYPES  # noqa: E402  # after the path above
from support.endpoint import ScriptedEndpoint  # noqa: E402  # likewise
from support.replies import Reply, answer  # noqa: E402  # likewise

from ruie.records import Task  # noqa: E402  # likewise

MOST = 4
"""Entities of an answer."""
_RELATIONS = "Find the relations"


def asked(body: dict[str, Any]) -> tuple[Task, str]:
    """The task of a request, and the text it is about."""
    messages = body["messages"]
    task = Task.RE if messages[0]["content"].startswith(_RELATIONS) else Task.NER
    return task, messages[-1]["content"].rpartition("Sentence: ")[2]


def names(text: str) -> list[str]:
    """The first words of a text that begin with a capital, each once."""
    words = (word for word in text.split() if word[0].isupper() and word.isalpha())
    return list(dict.fromkeys(words))[:MOST]


def said(task: Task, found: Sequence[str]) -> str:
    """An answer in the linear form, with types that depend on the names."""
    if task is Task.NER:
        listed = [f"{ENTITY_TYPES[len(n) % len(ENTITY_TYPES)]}: {n}" for n in found]
    else:
        listed = [
            f"{RELATION_TYPES[len(a) % len(RELATION_TYPES)]}: {a}, {b}" for a, b in pairwise(found)
        ]
    return "; ".join(listed) or "None"


def reply(body: dict[str, Any], _number: int) -> Reply:
    task, text = asked(body)
    found = names(text)
    return answer(said(task, found), usage=(900, 12 * len(found) + 1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--port", type=int, required=True)
    ScriptedEndpoint(reply, port=parser.parse_args().port, log=False).serve_forever()
