"""A long document in chunks over real HTTP: what is at boundaries is extracted once."""

from __future__ import annotations

import re
from typing import Any

from support.endpoint import Reply, ScriptedEndpoint, answer

from ruie.chunking import Chunker
from ruie.extractor import Extractor
from ruie.llm import LLMClient
from ruie.records import Task
from ruie.schema import Schema

SCHEMA = Schema.parse("name: news\nentities: [PER]\nevents: {Meet: [Who]}\n")
TEXT = " ".join(f"Person{i} met somebody at noon." for i in range(60))


def script(body: dict[str, Any], number: int) -> Reply:
    prompt = body["messages"][-1]["content"]
    people = re.findall(r"Person\d+", prompt)
    if prompt.endswith("Arguments:"):
        return answer(f"Who: {people[0]}")
    if prompt.endswith("Events:"):
        return answer("Meet: met")
    return answer("; ".join(f"PER: {person}" for person in people))


def test_a_long_text_gives_each_record_once_with_offsets_in_the_text() -> None:
    with ScriptedEndpoint(script) as endpoint:
        extractor = Extractor(None, LLMClient(endpoint.url), "m", chunker=Chunker(64, 1))
        (result,) = extractor.extract([TEXT], SCHEMA)
    assert not result.errors
    assert [e.span.text for e in result.entities] == [f"Person{i}" for i in range(60)]
    for span in [*(e.span for e in result.entities), *(e.trigger for e in result.events)]:
        assert TEXT[span.start : span.end] == span.text
    assert len({e.trigger.start for e in result.events}) == len(result.events) > 5
    assert all(event.arguments for event in result.events)


def test_a_context_is_told_and_part_of_the_key() -> None:
    extractor = Extractor(None, LLMClient("http://127.0.0.1:1"), "m")
    plain, with_context = (SCHEMA.query(Task.NER, "Ada left.", context=c) for c in ("", "Oil"))
    assert extractor.key(plain) != extractor.key(with_context)
    (before, after) = extractor.prepare([plain, with_context])
    assert "Context" not in before.call.messages[0]["content"]
    assert "\nContext: Oil\nSentence: Ada left.\n" in "\n" + after.call.messages[0]["content"]
