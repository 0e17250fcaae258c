"""The most that a call can cost: never less than what is charged for it."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from ruie.decoding import Decoding
from ruie.extractor import Extractor
from ruie.llm import LLMClient
from ruie.parsing import OutputForm
from ruie.questions import Question
from ruie.schema import Schema
from ruie.worker.prices import Price, cost_nusd, most_nusd

SCHEMA = Schema("news", entities={"person": "", "place": ""})
PRICE = Price(1.0, 4.0)


def question(text: str, form: OutputForm) -> Question:
    llm = LLMClient("http://none")
    extractor = Extractor(None, llm, "m", Decoding(form=form, max_tokens=100))
    (made,) = extractor.prepare([SCHEMA.query(SCHEMA.tasks[0], text)])
    return made


@given(st.text(max_size=200))
def test_a_token_for_each_byte_is_covered(text: str) -> None:
    made = question(text, OutputForm.LINEAR)
    size = sum(len(m["content"].encode("utf-8", "replace")) for m in made.call.messages)
    assert most_nusd(PRICE, made.call) > cost_nusd(PRICE, size, 100)


def test_the_schema_of_the_json_form_is_a_part_of_the_prompt() -> None:
    forms = (OutputForm.LINEAR, OutputForm.JSON)
    linear, as_json = (question("Ada met Bo .", form) for form in forms)
    assert as_json.call.response_format is not None
    sizes = [
        sum(len(m["content"].encode()) + 16 for m in each.call.messages)
        for each in (linear, as_json)
    ]
    schema = len(json.dumps(as_json.call.response_format))
    assert schema > 100
    assert most_nusd(PRICE, as_json.call) == cost_nusd(PRICE, sizes[1] + schema, 100)
    assert most_nusd(PRICE, linear.call) == cost_nusd(PRICE, sizes[0], 100)
