"""Reading takes steps in proportion to an answer's length, whatever the model wrote."""

from __future__ import annotations

import sys

import pytest

from ruie.parsing import OutputForm, parse
from ruie.records import Query, Task

TEXT = "Mara Quill left Orvane for Tessin in 2019. " * 12
ITEM = '{"type": "PERSON", "span": "Mara Quill"}'
REPEATED = {
    "items in a line": "PERSON: Mara Quill; ",
    "items on lines": "- PERSON: Mara Quill\n",
    "items with commas": "PERSON: Mara Quill, ",
    "marks": "- **PERSON:** **Zrb** (x)\n",
    "unknown types": "ANIMAL: cat; ",
    "objects": ITEM + "\n",
    "objects that are cut": ITEM + ", {",
    "nearly JSON": ITEM.replace('"', "'") + ", ",
    "brackets": '{"',
    "objects that do not end": '{"a": "x, ',
    "colons": ":",
    "full-width colons": "：",
    "semicolons": "; ",
    "commas": ", ",
    "asterisks": "*",
    "backslashes": "\\",
    "line ends": "\n",
    "labels": "PERSON: ",
    "spans first": "Mara Quill: PERSON; ",
    "spans first, with commas": "Mara Quill: PERSON, ",
    "spans first, in brackets": "(Mara Quill, PERSON), ",
    "calls": "Mara Quill (PERSON), ",
    "tags": "<PERSON>Mara Quill</PERSON> left ",
    "tags that do not close": "<PERSON>",
    "tags that do not open": "</PERSON>",
    "tags that do not match": "<a></b>",
    "links": "[Mara Quill](PERSON) left ",
    "brackets that do not match": "[<({",
    "rows": "| Mara Quill | PERSON |\n",
    "bars": "| ",
    "columns": "| PERSON | ORG |\n",
    "tabs": "PERSON\t",
    "spans without labels": "Mara Quill; Orvane; ",
    "spans under a label": "PERSON: Mara Quill; Orvane; Tessin; ",
    "counted labels": "PERSON 1: Mara Quill; ",
    "numbers": "1 ",
    "arrows": "Mara Quill -> ",
    "joints": " - ",
    "part of a word": "PERSON: uill; ",
    "listed": "PERSON: Mara Quill / Orvane and Zrb, ",
}


@pytest.mark.parametrize("form", [OutputForm.LINEAR, OutputForm.JSON])
@pytest.mark.parametrize("piece", REPEATED.values(), ids=list(REPEATED))
def test_a_longer_answer_takes_steps_in_proportion(piece: str, form: OutputForm) -> None:
    query = Query(Task.NER, TEXT, "s", dict.fromkeys(("PERSON", "ORG", "PLACE"), ""))

    def steps(characters: int) -> int:
        """Functions that are called to read an answer of this length."""
        output, count = piece * (characters // len(piece)), 0

        def counted(_: object, event: str, __: object) -> None:
            nonlocal count
            count += event in ("call", "c_call")

        sys.setprofile(counted)
        try:
            parse(output, query, form=form)
        finally:
            sys.setprofile(None)
        return count

    short, long = steps(5_000), steps(20_000)
    # four times as long: sixteen times the steps if they grew with the square
    assert long < 6 * short + 1_000, (short, long)
