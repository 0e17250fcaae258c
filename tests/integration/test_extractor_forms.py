"""What an extractor sends in each output form."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.endpoint import Reply, ScriptedEndpoint, answer

from ruie.decoding import Decoding
from ruie.errors import FailedCallsWarning
from ruie.extractor import Extractor
from ruie.llm import LLMClient
from ruie.parsing import OutputForm
from ruie.schema import Schema

TEXT = "Ada met Grace."
SCHEMA = Schema("s", entities={"PER": ""})


def test_the_linear_form_stops_at_an_empty_line() -> None:
    with ScriptedEndpoint(answer("None")) as endpoint:
        Extractor(None, LLMClient(endpoint.url), "m").extract([TEXT], SCHEMA)
        (request,) = endpoint.requests
        assert request.body["stop"] == ["\n\n"]
        assert request.body["temperature"] == 0
        assert "response_format" not in request.body


def test_an_item_a_line_is_read_where_stop_sequences_are_honoured() -> None:
    def script(body: dict[str, Any], _: int) -> Reply:
        text = "- PER: Ada\n- PER: Grace\n\nNote: both are persons."
        for stop in body["stop"]:
            text = text.partition(stop)[0]
        return answer(text)

    with ScriptedEndpoint(script) as endpoint:
        (result,) = Extractor(None, LLMClient(endpoint.url), "m").extract([TEXT], SCHEMA)
    assert [entity.span.text for entity in result.entities] == ["Ada", "Grace"]


def test_a_list_below_a_heading_is_read_where_stop_sequences_are_honoured() -> None:
    """The first answer shows that they cut the list off; the others are asked for without them."""

    def script(body: dict[str, Any], _: int) -> Reply:
        text = "Here are the **entities:**\n\n- PER: Ada\n- PER: Grace"
        for stop in body.get("stop", ()):
            text = text.partition(stop)[0]
        return answer(text, completion_tokens=20)

    with ScriptedEndpoint(script) as endpoint:
        extractor = Extractor(None, LLMClient(endpoint.url, max_in_flight=1), "m")
        with pytest.warns(FailedCallsWarning, match="1 of 2 texts"):
            results = extractor.extract([TEXT, f"{TEXT} Bo."], SCHEMA)
    assert [len(result.entities) for result in results][1:] == [2]


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
