"""`Extractor` from texts to entities, relations and events, over real HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support.endpoint import Reply, ScriptedEndpoint, answer, failure

from ruie.annotations import load_corpus
from ruie.decoding import Decoding
from ruie.errors import (
    CallError,
    ContextTooLongError,
    FailedCallsWarning,
    FatalCallError,
    OutputError,
    TransientCallError,
    TruncatedError,
    UnavailableError,
    UsageError,
)
from ruie.extractor import Extractor
from ruie.llm import LLMClient
from ruie.records import Argument, Demonstration, Grounding, Item, Query, Span, Task
from ruie.result import Result
from ruie.schema import Schema

SCHEMA = Schema.parse("""
name: news
entities: [PER, LOC]
relations: [met]
events: {Meet: [Who, Where], Leave: []}
""")
TEXT = "Ada met Grace in Paris, then Ada left."

REPLIES = {
    "Entities:": "PER: Ada; PER: Grace; LOC: Paris",
    "Relations:": "met: Ada, Grace",
    "Events:": "Meet: met; Leave: left",
    "Arguments:": "Who: Ada; Where: Paris",
}


class Shelf:
    """A retriever over a handful of demonstrations: the last ones of the query's task."""

    digest = "shelf"

    def __init__(self, *demonstrations: Demonstration) -> None:
        self.demonstrations = demonstrations

    def retrieve(self, queries: Sequence[Query], k: int) -> list[list[Demonstration]]:
        return [[d for d in self.demonstrations if d.task is q.task][:k] for q in queries]


def shown(task: Task, text: str, *items: Item) -> Demonstration:
    return Demonstration(text, task, "news", ("PER", "LOC"), text, items)


def script(body: dict[str, Any], number: int) -> Reply:
    """Answer each task's question, whatever the text."""
    task = body["messages"][-1]["content"].rsplit("\n", 1)[-1]
    return answer(REPLIES[task])


def extract(
    endpoint: ScriptedEndpoint,
    *texts: str,
    retriever: Shelf | None = None,
    decoding: Decoding | None = None,
) -> list[Result]:
    return Extractor(retriever, LLMClient(endpoint.url), "", decoding).extract(texts, SCHEMA)


def at(piece: str, start: int) -> Span:
    return Span(piece, start, start + len(piece), Grounding.EXACT)


def test_entities_relations_and_events_with_their_arguments() -> None:
    with ScriptedEndpoint(script) as endpoint:
        (result,) = extract(endpoint, TEXT)
    assert [(e.type, e.span) for e in result.entities] == [
        ("PER", at("Ada", 0)),
        ("PER", at("Grace", 8)),
        ("LOC", at("Paris", 17)),
    ]
    (relation,) = result.relations
    assert (relation.type, relation.head, relation.tail) == ("met", at("Ada", 0), at("Grace", 8))
    meet, leave = result.events
    assert (meet.type, meet.trigger) == ("Meet", at("met", 4))
    assert meet.arguments == (Argument("Who", at("Ada", 0)), Argument("Where", at("Paris", 17)))
    assert (leave.type, leave.trigger, leave.arguments) == ("Leave", at("left", 33), ())
    assert result.errors == ()
    # three first questions, and one for the event that has roles
    assert [a.question.query.task for a in result.answers] == [*SCHEMA.tasks, Task.EAE]


def test_demonstrations_are_shown_most_similar_last() -> None:
    near = shown(Task.NER, "Near one.", Item("PER", (Span("one"),)))
    far = shown(Task.NER, "Far one.")
    with ScriptedEndpoint(script) as endpoint:
        extract(endpoint, TEXT, retriever=Shelf(near, far), decoding=Decoding(demonstrations=2))
        extract(endpoint, TEXT, retriever=Shelf(near, far), decoding=Decoding(demonstrations=0))
    prompts = [r.prompt for r in endpoint.requests if r.prompt.endswith("Entities:")]
    assert prompts[0].index("Far one.") < prompts[0].index("Near one.") < prompts[0].index(TEXT)
    assert "Near one." not in prompts[1]


def test_what_leaks_from_a_demonstration_is_refused() -> None:
    leaking = shown(Task.NER, "Alan came.", Item("PER", (Span("Alan"),)))
    lacking = pytest.warns(FailedCallsWarning)  # the answer has no relation and no event
    with ScriptedEndpoint(answer("PER: Alan; PER: Ada")) as endpoint, lacking:
        (result,) = extract(endpoint, TEXT, retriever=Shelf(leaking))
    assert [e.span.text for e in result.entities] == ["Ada"]
    (entities, *_) = result.answers
    assert [str(r.reason) for r in entities.parsed.rejects] == ["leaked"]


FAILURES = [
    (failure(500), TransientCallError),
    (failure(400, "context_length_exceeded"), ContextTooLongError),
    (answer("I am sorry"), OutputError),
    (answer(None), OutputError),
    (answer("PER: Ada", finish_reason="length"), TruncatedError),
]


@pytest.mark.parametrize(("reply", "kind"), FAILURES, ids=[kind.__name__ for _, kind in FAILURES])
def test_what_fails_is_kept_with_its_text_and_the_rest_goes_on(
    reply: Reply, kind: type[CallError]
) -> None:
    def failing_once(body: dict[str, Any], number: int) -> Reply:
        prompt = body["messages"][-1]["content"]
        return reply if "Sentence: Bad" in prompt and "Entities:" in prompt else script(body, 0)

    warned = pytest.warns(FailedCallsWarning, match="1 of 3 texts lack records.* NER of 'Bad: Ada")
    with ScriptedEndpoint(failing_once) as endpoint, warned:
        first, bad, last = extract(endpoint, TEXT, f"Bad: {TEXT}", TEXT)
    assert [type(error) for error in bad.errors] == [kind]
    assert bad.entities == ()
    assert [event.type for event in bad.events] == ["Meet", "Leave"]
    assert bad.relations
    assert bad.text == f"Bad: {TEXT}"
    assert first.entities == last.entities != ()
    assert first.errors == last.errors == ()


def test_what_the_model_said_is_kept_with_the_error() -> None:
    warned = pytest.warns(FailedCallsWarning, match="A text lacks records")
    with ScriptedEndpoint(answer("I am sorry")) as endpoint, warned:
        (result,) = extract(endpoint, TEXT)
    assert {error.raw_output for error in result.errors} == {"I am sorry"}


@pytest.mark.parametrize("reply", [failure(401), failure(404), failure(402)])
def test_a_failure_of_every_call_is_raised_as_itself(reply: Reply) -> None:
    with ScriptedEndpoint(reply) as endpoint, pytest.raises(FatalCallError):
        extract(endpoint, *[TEXT] * 20)


def test_inside_a_running_event_loop() -> None:
    async def notebook(endpoint: ScriptedEndpoint) -> list[Result]:
        return extract(endpoint, TEXT)

    with ScriptedEndpoint(script) as endpoint:
        (result,) = asyncio.run(notebook(endpoint))
    assert len(result.entities) == 3


def test_an_extractor_is_used_again_and_again() -> None:
    with ScriptedEndpoint(script) as endpoint:
        extractor = Extractor(None, LLMClient(endpoint.url, max_in_flight=1), "")
        for _ in range(3):
            results = extractor.extract([TEXT, TEXT], SCHEMA)
            assert [len(result.entities) for result in results] == [3, 3]


def test_one_text_is_no_list() -> None:
    with pytest.raises(TypeError, match=r"extract\(\[text\]\)"):
        Extractor(None, LLMClient("http://127.0.0.1:9"), "m").extract(TEXT, SCHEMA)


JOBS = Schema("jobs", entities={"SKILL": "", "SALARY": ""})
GOLD = [("We want Python .", "SKILL", "Python", 8), ("We pay 9,000 .", "SALARY", "9,000", 7)]


def test_annotated_rows_of_types_of_ones_own_are_shown_at_once(tmp_path: Path) -> None:
    gold = tmp_path / "gold.jsonl"
    gold.write_text(
        "".join(
            json.dumps({"text": text, "entities": [{"type": kind, "text": span, "start": start,
                                                    "end": start + len(span)}]}) + "\n"
            for text, kind, span, start in GOLD
        )
    )  # fmt: skip  # a row
    (tmp_path / "schema.yaml").write_text("name: jobs\nentities: [SKILL, SALARY]\n")
    with ScriptedEndpoint(answer("SKILL: Rust")) as endpoint:
        asked = []
        for more in ((), gold, load_corpus(gold).demonstrations()):
            extractor = Extractor.open(llm=endpoint.url, model="m", demonstrations=more)
            (result,) = extractor.extract(["We want Rust ."], JOBS)
            assert [entity.span.text for entity in result.entities] == ["Rust"]
            asked.append([m["content"] for m in endpoint.requests[-1].body["messages"]])
    none, from_a_file, given = asked
    assert from_a_file == given
    assert "SKILL: Python" in given
    assert "SALARY: 9,000" in given
    assert "SKILL: Python" not in none


def test_what_cannot_be_opened() -> None:
    with pytest.raises(UsageError, match="No endpoint"):
        Extractor.open()
    demonstration = shown(Task.NER, TEXT)
    with pytest.raises(UsageError, match="the encoder of a bundle"):
        Extractor.open(None, "http://127.0.0.1:9", demonstrations=[demonstration])


def test_the_first_model_of_the_endpoint_is_taken() -> None:
    with ScriptedEndpoint(script, models=["first", "second"]) as endpoint:
        extract(endpoint, TEXT)
        assert {request.body["model"] for request in endpoint.requests} == {"first"}


def test_an_endpoint_without_models_says_what_to_set() -> None:
    refused = pytest.raises(UnavailableError, match="RUIE_LLM_MODEL")
    with ScriptedEndpoint(script, models=[]) as endpoint, refused:
        extract(endpoint, TEXT)


def test_no_texts_and_odd_texts() -> None:
    with ScriptedEndpoint(answer("None")) as endpoint:
        assert extract(endpoint) == []
        results = extract(endpoint, "", " \n", "\x00", "half a pair: \ud83d")
        assert [result.errors for result in results] == [()] * 4
        assert [result.text for result in results][3] == "half a pair: \ud83d"
