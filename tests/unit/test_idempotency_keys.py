"""Idempotency keys are stored in users' databases: a changed key would be paid for again.

The digests below are frozen. A change to a prompt changes `PROMPT_VERSION`, and with it all keys;
nothing else may change them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from ruie.decoding import Decoding
from ruie.extractor import Extractor
from ruie.llm import LLMClient
from ruie.parsing import OutputForm
from ruie.records import Demonstration, Grounding, Query, Span, Task, Trigger
from ruie.schema import Schema

SCHEMA = Schema(
    name="oil",
    entities={"COMMODITY": "traded goods", "ORGANISATION": ""},
    relations={"produces": "who makes what"},
    events={"Movement-down-loss": ("Item", "Difference")},
)
TEXT = "OPEC said crude fell 2 % — Öl \U0001f6e2."
TRIGGER = Span("fell", 16, 20, Grounding.EXACT)


@dataclass
class Pool:
    """A retriever that is only named."""

    digest: str

    def retrieve(self, queries: Sequence[Query], k: int) -> list[list[Demonstration]]:
        raise AssertionError("a key needs no demonstrations")


def extractor(decoding: Decoding | None = None, salt: str = "", digest: str = "b0") -> Extractor:
    pool = Pool(digest) if digest else None
    return Extractor(pool, LLMClient("http://localhost:1/v1"), "model-a", decoding, salt)


def query(task: Task, context: str = "") -> Query:
    trigger = Trigger("Movement-down-loss", TRIGGER) if task is Task.EAE else None
    return SCHEMA.query(task, TEXT, trigger, context)


@pytest.mark.parametrize(
    ("task", "key"),
    [
        (Task.NER, "6db0e12a3e2c1760c43596597e1a4c2a088a5bd00669a41e3105d2ceec325d6e"),
        (Task.RE, "f2398d95991326174f9cf3ebdbf90fb4aebfaf19f0062bb785fc83f30facaabe"),
        (Task.ED, "97888cde90fc765ddaf0e15583d6af351957f55327bab5d35da2c18dbe208e5b"),
        (Task.EAE, "fb71babc7ee0478df0a05c1a06fabd56cd7e94889dce2f6895f9a37a360e4274"),
    ],
)
def test_the_key_of_each_task(task: Task, key: str) -> None:
    assert extractor().key(query(task)) == key


@pytest.mark.parametrize(
    ("made", "of", "key"),
    [
        (
            extractor(),
            query(Task.NER, context="Oil prices"),
            "2d6141a22db7de22b5b2f3de0bacd7402bf3a24f2ecb40cd9921cb7af240e430",
        ),
        (
            extractor(salt="again"),
            query(Task.NER),
            "8de970b4b88463a45e01360800a55b80ff0a17b5acdd39581ef6783105c59334",
        ),
        (
            extractor(digest=""),
            query(Task.NER),
            "c483c595498aaa47379dfcf28bc42b9ca41739f5b81fd1658540c2f51ad7746d",
        ),
        (
            extractor(Decoding(4, 128, 1000, OutputForm.JSON, ())),
            query(Task.NER),
            "fc7cb5a2fd7b52f9e4e45832a32c525889e81f790e53491248cbe002e3b5aafd",
        ),
        (
            extractor(),
            Query(Task.NER, "half \ud83d a pair", "oil", {"A": ""}),
            "c5cffbc3906e2a24084ed5a4c880ec4b471bc69e032b247825d1843683cb2bcb",
        ),
    ],
    ids=["context", "salt", "no bundle", "decoding", "damaged text"],
)
def test_the_key_of_what_else_shapes_an_answer(made: Extractor, of: Query, key: str) -> None:
    assert made.key(of) == key


PLAIN = "6db0e12a3e2c1760c43596597e1a4c2a088a5bd00669a41e3105d2ceec325d6e"


def key_with(**parameters: object) -> str:
    return extractor(Decoding(parameters=parameters)).key(query(Task.NER))


@pytest.mark.parametrize(
    "name",
    [
        "service_tier",
        "metadata",
        "provider",
        "user",
        "store",
        "prompt_cache_key",
        "cache_control",
        "inference_geo",
    ],
)
def test_parameters_that_do_not_shape_an_answer_are_in_no_key(name: str) -> None:
    assert key_with(**{name: {"a": 1}}) == PLAIN


def test_parameters_that_shape_an_answer_are_in_the_key_in_any_order() -> None:
    expected = "888a196695bb65642cce9bb61f7e54c414c776d232b4e240adc95e22c2cbb737"
    assert key_with(a={"c": 1, "b": [2]}, d=3, service_tier="flex") == expected
    assert key_with(d=3, a={"b": [2], "c": 1}) == expected
    assert len({PLAIN, expected, key_with(d=4, a={"b": [2], "c": 1})}) == 3


def test_the_default_stop_has_the_keys_of_the_former_one() -> None:
    """An answer ended with its first line; what was kept then stays paid for."""
    assert extractor().key(query(Task.NER)) == PLAIN
    (asked,) = Extractor(None, LLMClient("http://x/v1"), "m").prepare([query(Task.NER)])
    assert asked.call.stop == ("\n\n",)
    before = "572293a95c517b5af6471110bf2fa27101991b75778bb0253b087ada6b089f9d"
    assert extractor(digest="").prompt_key(asked) == before


def test_any_other_stop_has_its_own() -> None:
    stops = [("\n",), ("\n\n",), (), ("END",)]
    keys = {extractor(Decoding(stop=stop)).key(query(Task.NER)) for stop in stops}
    assert len(keys) == len(stops)
    first_line = "178f9df5b1d4dcf651e2ed7f59fb6c6646eb996441f12910e7285981b470cd85"
    assert extractor(Decoding(stop=("\n",))).key(query(Task.NER)) == first_line


@pytest.mark.parametrize("stop", [("\n",), ("\n\n",), (), ("END", "\n")])
def test_a_stop_is_read_as_it_was_stored(stop: tuple[str, ...]) -> None:
    assert Decoding.from_body(Decoding(stop=stop).body()).stop == stop


def test_room_to_think_is_in_no_key() -> None:
    assert extractor(Decoding(reasoning_tokens=9)).key(query(Task.NER)) == PLAIN
