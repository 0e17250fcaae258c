"""What a real model answered, at several temperatures and in every form, is read rightly.

The answers and readings are in tests/support/real_answers.jsonl.gz.
"""

from __future__ import annotations

from collections import Counter

import pytest
from support.real_answers import Row, reading, rows

from ruie.parsing import OutputForm
from ruie.records import Task

ROWS = rows()


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_a_real_answer_is_read_rightly(row: Row) -> None:
    found = reading(row)
    assert found == row["reading"]
    for _, *spans in found.get("items", ()):
        for text, start in spans:
            assert row["text"][start : start + len(text)] == text


def test_every_task_form_and_temperature_is_among_them() -> None:
    for model in {row["model"] for row in ROWS}:
        of_model = [row for row in ROWS if row["model"] == model]
        kinds = Counter((row["task"], row["form"], row["temperature"]) for row in of_model)
        temperatures = {row["temperature"] for row in of_model}
        for task in Task:
            for form in (OutputForm.LINEAR, OutputForm.JSON, OutputForm.GRAMMAR):
                assert all(kinds[task, form, temperature] >= 3 for temperature in temperatures)
    assert len({row["id"] for row in ROWS}) == len(ROWS)
