"""The shapes in which models really answer, each with its right reading.

They are in tests/support/answers.toml. Whichever form was asked for, the reading is the same, but
for an empty object, which says that there is nothing where JSON was asked for.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from ruie.parsing import OutputForm, parse
from ruie.records import Grounding, Query, Task

CORPUS = tomllib.loads(
    (Path(__file__).parents[1] / "support" / "answers.toml").read_text(encoding="utf-8")
)
DEFAULT: dict[str, Any] = CORPUS["default"]
ANSWERS: list[dict[str, Any]] = [{**DEFAULT, **row} for row in CORPUS["answer"]]


@pytest.mark.parametrize("form", OutputForm)
@pytest.mark.parametrize("row", ANSWERS, ids=[row["name"] for row in ANSWERS])
def test_an_answer_is_read_rightly(row: dict[str, Any], form: OutputForm) -> None:
    labels = dict.fromkeys(row["labels"], "")
    query = Query(Task(row.get("task", "NER")), row["text"], "s", labels)
    parsed = parse(row["answer"], query, form=form)
    assert [[i.type, *(span.text for span in i.spans)] for i in parsed.items] == row["items"]
    found = {span.grounding for item in parsed.items for span in item.spans}
    assert found <= {Grounding.EXACT}, "every mark is off"
    readable = row.get("readable", True)
    if form is OutputForm.JSON:
        readable = row.get("readable_in_json", readable)
    assert parsed.readable is readable
    if parsed.readable:
        assert [str(reject.reason) for reject in parsed.rejects] == row.get("rejects", [])


def test_no_two_rows_are_the_same() -> None:
    names = [row["name"] for row in ANSWERS]
    assert len(set(names)) == len(names)
