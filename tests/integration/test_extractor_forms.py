"""What an extractor sends in each output form."""

from __future__ import annotations

import json

from support.endpoint import ScriptedEndpoint, answer

from ruie.decoding import Decoding
from ruie.extractor import Extractor
from ruie.llm import LLMClient
from ruie.parsing import OutputForm
from ruie.schema import Schema

TEXT = "Ada met Grace."
SCHEMA = Schema("s", entities={"PER": ""})


def test_the_linear_form_stops_at_the_line_end() -> None:
    with ScriptedEndpoint(answer("None")) as endpoint:
        Extractor(None, LLMClient(endpoint.url), "m").extract([TEXT], SCHEMA)
        (request,) = endpoint.requests
        assert request.body["stop"] == ["\n"]
        assert request.body["temperature"] == 0
        assert "response_format" not in request.body


def test_the_json_form_sends_a_schema() -> None:
    items = [{"type": "PER", "span": "Ada"}]
    with ScriptedEndpoint(answer(json.dumps({"items": items}))) as endpoint:
        extractor = Extractor(None, LLMClient(endpoint.url), "m", Decoding(form=OutputForm.JSON))
        (result,) = extractor.extract([TEXT], SCHEMA)
        (request,) = endpoint.requests
    assert [(e.type, e.span.text) for e in result.entities] == [("PER", "Ada")]
    form = request.body["response_format"]
    assert (form["type"], form["json_schema"]["strict"]) == (
        "json_schema",
        True,
    )
    kind = form["json_schema"]["schema"]["properties"]["items"]["items"]["properties"]["type"]
    assert kind["enum"] == ["PER"]
    assert "stop" not in request.body
