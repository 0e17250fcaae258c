"""What a model takes in a request, as its refusals and answers teach."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.clients import CALL

from ruie.errors import ParameterRefusedError
from ruie.llm import Call, Completion, Usage
from ruie.llm.profile import DEFAULT, RequestProfile, shape

SCHEMA = {"type": "json_schema", "json_schema": {"name": "answer", "schema": {}}}
THINKING = RequestProfile("max_completion_tokens", frozenset({"temperature"}), reasons=True)


def refused(name: str, **more: str | bool) -> ParameterRefusedError:
    return ParameterRefusedError("x", parameter=name, **more)  # type: ignore[arg-type]  # both kinds


def completion(text: str, tokens: int, *, reasoned: bool = False) -> Completion:
    return Completion(text, "stop", Usage(9, tokens), 0.1, reasoned=reasoned)


@pytest.mark.parametrize(
    "profile",
    [
        DEFAULT,
        THINKING,
        RequestProfile("", frozenset({"stop"}), "json_object"),
        RequestProfile(response_format=""),
    ],
)
def test_a_profile_is_stored_and_read_back(profile: RequestProfile) -> None:
    assert RequestProfile.from_body(profile.body()) == profile
    assert bool(profile.body()) == bool(profile.describe()) == (profile != DEFAULT)


def test_a_request_as_it_is_at_first_and_to_a_model_that_thinks() -> None:
    call = replace(CALL, stop=("\n",), reasoning_tokens=100, response_format=SCHEMA)
    first = DEFAULT.request(call)
    assert (first["max_tokens"], first["temperature"], first["stop"]) == (9, 0, ("\n",))
    assert first["response_format"] == SCHEMA
    later = THINKING.request(call)
    assert later["max_completion_tokens"] == 109
    assert not {"max_tokens", "temperature", "stop"} & set(later)
    assert replace(DEFAULT, response_format="json_object").request(call)["response_format"] == {
        "type": "json_object"
    }


def test_what_somebody_set_takes_the_place_of_ours_and_is_never_left_out() -> None:
    call = replace(CALL, parameters={"temperature": 0.7, "reasoning_effort": "low"})
    body = DEFAULT.request(call)
    assert (body["temperature"], body["reasoning_effort"]) == (0.7, "low")
    assert DEFAULT.after_refusal(call, refused("temperature")) is None
    assert DEFAULT.after_refusal(call, refused("reasoning_effort")) is None


@pytest.mark.parametrize(
    ("profile", "refusal", "expected"),
    [
        (DEFAULT, refused("temperature"), RequestProfile(omitted=frozenset({"temperature"}))),
        (DEFAULT, refused("stop"), RequestProfile(omitted=frozenset({"stop"}))),
        (DEFAULT, refused("max_tokens"), RequestProfile("max_completion_tokens")),
        (DEFAULT, refused("max_tokens", suggested="max_completion_tokens"),
         RequestProfile("max_completion_tokens", reasons=True)),
        (DEFAULT, refused("max_tokens", about_value=True), None),
        (DEFAULT, refused("max_completion_tokens"), None),  # that was not sent
        (RequestProfile("max_completion_tokens"), refused("max_completion_tokens"),
         RequestProfile("")),
        (DEFAULT, refused("response_format"), RequestProfile(response_format="json_object")),
        (DEFAULT, refused("response_format.type"), RequestProfile(response_format="json_object")),
        (RequestProfile(response_format=""), refused("response_format"), None),
        (RequestProfile(omitted=frozenset({"stop"})), refused("stop"), None),
        (DEFAULT, refused("logit_bias"), None),
    ],
)  # fmt: skip  # a row for each
def test_what_a_refusal_teaches(
    profile: RequestProfile, refusal: ParameterRefusedError, expected: RequestProfile | None
) -> None:
    assert profile.after_refusal(CALL, refusal) == expected


@pytest.mark.parametrize(
    ("message", "bound"),
    [
        ("max_tokens is too large: 9. This model supports at most 8,192 tokens.", 0),
        ("max_tokens is too large: 300. This model supports at most 128 tokens.", 128),
        ("max_tokens must be less than or equal to `64`", 64),
        ("max_tokens 300 is odd, see page 120", 0),
    ],
)
def test_a_limit_that_is_too_large_is_lowered_to_the_stated_bound(message: str, bound: int) -> None:
    call = replace(CALL, max_tokens=300)
    error = ParameterRefusedError(message, parameter="max_tokens", about_value=True)
    lowered = DEFAULT.after_refusal(call, error)
    assert (lowered.most_output if lowered else 0) == bound
    if lowered:
        assert lowered.request(call)["max_tokens"] == bound


def test_what_an_answer_teaches() -> None:
    thought = completion("PERSON: Ada", 90, reasoned=True)
    assert DEFAULT.after_answer(thought, first=False).reasons
    swallowed = completion("", 3)
    assert not DEFAULT.after_answer(swallowed, first=True).sends_stop
    assert DEFAULT.after_answer(swallowed, first=False) == DEFAULT, "later it is an answer"
    assert DEFAULT.after_answer(completion("", 0), first=True) == DEFAULT


def test_calls_of_one_shape_differ_in_their_texts_alone() -> None:
    def of(call: Call) -> str:
        return shape(call)

    other = ({"role": "user", "content": "Bo?"},)
    assert of(CALL) == of(replace(CALL, messages=other, max_tokens=1, key="k"))
    shapes = {
        of(CALL),
        of(replace(CALL, stop=("\n",))),
        of(replace(CALL, response_format=SCHEMA)),
        of(replace(CALL, parameters={"seed": 1})),
        of(replace(CALL, parameters={"seed": 2})),
    }
    assert len(shapes) == 5
