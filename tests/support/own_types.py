"""The job advertisements of docs/own-types.md, with what is right in them."""

from __future__ import annotations

import json
import re
from typing import Any

from support.commands import ROOT

PAGE = (ROOT / "docs" / "own-types.md").read_text(encoding="utf-8")


def _here_document(file: str) -> list[dict[str, Any]]:
    """The rows that the page writes into a file."""
    found = re.search(
        rf"^cat > {re.escape(file)} <<'END'\n(.*?)^END$", PAGE, re.MULTILINE | re.DOTALL
    )
    assert found
    return [json.loads(line) for line in found[1].splitlines()]


ADS = _here_document("ads.jsonl")
_OTHERS = {
    "ad1": ("Baker", ("sourdough", "pastry"), "19 euros an hour", "Oslo"),
    "ad3": ("Night nurse", ("intensive care",), "2,900 euros a month", "Turin"),
    "ad6": ("music teacher", ("piano",), "1,900 euros a month", "Porto"),
    "ad7": ("Truck driver", ("tanker licence",), "60 zloty an hour", "Gdansk"),
    "ad9": ("tractor mechanic", ("hydraulics",), "2,400 euros a month", "Bordeaux"),
    "ad10": ("Data analyst", ("SQL", "statistics"), "3,100 euros a month", "Tallinn"),
    "ad12": ("lighting technician", ("climb",), "260 kroner an hour", "Bergen"),
    "ad13": ("Gardener", ("pruning",), "16 euros an hour", "Ghent"),
    "ad14": ("dental assistant", ("X-ray training",), "4,800 francs a month", "Basel"),
    "ad16": ("translator", ("Hungarian",), "3,300 euros a month", "Vienna"),
}
OTHERS = {
    name: [
        ("OCCUPATION", job),
        *(("SKILL", skill) for skill in skills),
        ("PAY", pay),
        ("PLACE", place),
    ]
    for name, (job, skills, pay, place) in _OTHERS.items()
}
"""Types and words of the texts that the page does not annotate, by id."""
ANNOTATED = {
    row["id"]: [(entity["type"], entity["text"]) for entity in row["entities"]]
    for row in _here_document("todo.jsonl")
}
"""Likewise of the others."""
GOLD = {**OTHERS, **ANNOTATED}
