"""Parameters that a user adds, as they reach the endpoint."""

from __future__ import annotations

from typing import Any

from support.endpoint import Reply, ScriptedEndpoint, answer, failure
from support.replies import message

from ruie.decoding import Decoding
from ruie.extractor import Extractor
from ruie.llm import LLMClient, Transport
from ruie.llm.keys import Key
from ruie.schema import Schema

TEXT = "Ada met Bo in Oslo ."
SCHEMA = Schema("news", entities={"person": ""})


def body_with(**parameters: Any) -> dict[str, Any]:
    with ScriptedEndpoint(answer("person: Ada")) as endpoint:
        llm = LLMClient(endpoint.url)
        Extractor(None, llm, "m", Decoding(parameters=parameters)).extract([TEXT], SCHEMA)
        (request,) = endpoint.requests
    return request.body


def test_they_are_merged_into_the_request() -> None:
    nested = {"chat_template_kwargs": {"enable_thinking": False}, "service_tier": "flex"}
    plain = body_with()
    assert body_with(**nested) == plain | nested
    assert not set(nested) & set(plain)


def test_they_take_the_place_of_what_ruie_sends() -> None:
    own = {"temperature": 1, "stop": ["END"], "response_format": {"type": "text"}, "top_p": 0.9}
    assert own.items() <= body_with(**own).items()
    assert body_with()["stop"] == ["\n\n"]


def test_an_answer_is_not_cut_at_a_stop_sequence_that_was_replaced() -> None:
    decoding = Decoding(parameters={"stop": ["END"]})
    extractor = Extractor(None, LLMClient("http://llm/v1"), "m", decoding)
    (question,) = extractor.prepare([SCHEMA.query(SCHEMA.tasks[0], TEXT)])
    assert question.call.stop == ()


def test_what_an_endpoint_that_refuses_stop_says_on_further_lines_is_read() -> None:
    def script(body: dict[str, Any], _: int) -> Reply:
        if "stop" in body:
            return failure(400, message="Unsupported parameter: 'stop' is not supported.")
        return answer("- person: Ada\n- person: Bo END person: Oslo")

    with ScriptedEndpoint(script) as endpoint:
        decoding = Decoding(stop=("\n", "END"))
        (result,) = Extractor(None, LLMClient(endpoint.url), "m", decoding).extract([TEXT], SCHEMA)
    assert [entity.span.text for entity in result.entities] == ["Ada", "Bo"]
    assert result.errors == ()


def test_an_extractor_is_opened_over_a_transport() -> None:
    with ScriptedEndpoint(answer("person: Ada")) as endpoint:
        transport = Transport(endpoint.url, Key("sk-1"), headers={"X-Team": "ada"})
        Extractor.open(None, transport, "m").extract([TEXT], SCHEMA)
        headers = {k.lower(): v for k, v in endpoint.requests[0].headers.items()}
    assert (headers["authorization"], headers["x-team"]) == ("Bearer sk-1", "ada")


def test_anthropics_names_reach_anthropics_form() -> None:
    own = {"stop_sequences": ["END"], "output_config": {"effort": "low"}, "top_k": 1}
    with ScriptedEndpoint(message("person: Ada\n\nperson: Bo")) as endpoint:
        llm = LLMClient(Transport(endpoint.url, form="messages"))
        decoding = Decoding(parameters=own, stop=("X",))
        (result,) = Extractor(None, llm, "m", decoding).extract([TEXT], SCHEMA)
        (request,) = endpoint.requests
    assert own.items() <= request.body.items()
    assert [entity.span.text for entity in result.entities] == ["Ada", "Bo"]
    assert [TEXT[e.span.start : e.span.end] for e in result.entities] == ["Ada", "Bo"]
