"""A job's settings in the database: the bytes that corpora compare, and rows of older versions."""

from __future__ import annotations

import json

import pytest

from ruie.chunking import Chunker
from ruie.db.job_settings import JobSettings
from ruie.db.jobs import NewJob
from ruie.decoding import Decoding
from ruie.parsing import OutputForm

DECODING = (
    '"demonstrations": 5, "max_tokens": 300, "prompt_tokens": 1792, "form": "json", '
    '"stop": ["\\n", "x"], "temperature": 0'
)
CHUNKS = '"chunks": {"tokens": 200, "overlap": 2, "language": "de"}'


@pytest.mark.parametrize(
    ("stored", "chunking", "context"),
    [
        (f"{{{DECODING}, {CHUNKS}}}", Chunker(200, 2, "de"), ""),
        (f'{{{DECODING}, {CHUNKS}, "context": "title"}}', Chunker(200, 2, "de"), "title"),
        (f"{{{DECODING}}}", None, ""),
    ],
    ids=["plain", "with a context", "a version that did not divide documents"],
)
def test_settings_are_stored_and_read_to_the_byte(
    stored: str, chunking: Chunker | None, context: str
) -> None:
    decoding = Decoding(5, 300, form=OutputForm.JSON, stop=("\n", "x"))
    settings = JobSettings(decoding, chunking, context)
    assert json.dumps(settings.body()) == stored
    assert JobSettings.from_body(json.loads(stored)) == settings


def test_where_a_job_was_enqueued_is_stored_and_no_part_of_its_question() -> None:
    settings = JobSettings(Decoding(), traceparent=f"00-{1:032x}-{2:016x}-01")
    assert JobSettings.from_body(settings.body()) == settings
    assert settings.question() == JobSettings(Decoding()).question()


def test_a_job_s_question_is_that_of_earlier_versions() -> None:
    """Or each corpus would be asked about anew after an upgrade."""
    settings = JobSettings(Decoding(), Chunker(), "title")
    new = NewJob("n", "news", {"name": "news"}, "d" * 64, "m", "http://e", "5", settings)
    assert new.question == "dc8b164f960248ef822b9e572d1fcdf8c7ce24e8912eef33598fecaff6748816"


def test_parameters_are_stored_and_only_those_that_shape_an_answer_make_another_question() -> None:
    parameters = {"top_p": 0.5, "service_tier": "flex"}
    settings = JobSettings(Decoding(parameters=parameters), Chunker(), "title")
    stored = json.loads(json.dumps(settings.body()))
    assert stored["parameters"] == parameters
    assert JobSettings.from_body(stored) == settings

    def question(**parameters: object) -> str:
        decoding = Decoding(parameters=parameters)
        new = NewJob("n", "news", {}, "d" * 64, "m", "http://e", "5", JobSettings(decoding))
        return new.question

    assert question() == question(service_tier="flex") != question(top_p=0.5)
