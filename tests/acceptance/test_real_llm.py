"""The whole kernel with the real local LLM: real prompts, real answers, grounded."""

from __future__ import annotations

from pathlib import Path

import pytest

from ruie.decoding import Decoding
from ruie.extractor import Extractor
from ruie.settings import load
from ruie.worker.demo import gold
from ruie.worker.embedded.stack import LocalLLM


@pytest.mark.filterwarnings("ignore::ruie.errors.FailedCallsWarning")  # a small model may fail
def test_a_real_model_finds_real_entities(bundle_path: Path, tmp_path: Path) -> None:
    corpus = gold.corpus("entities")
    rows = corpus.rows[:3]
    with LocalLLM(load(home=tmp_path)) as llm:
        extractor = Extractor.open(
            bundle_path, llm.url(), timeout_s=300, decoding=Decoding(max_tokens=96)
        )
        results = extractor.extract([row.text for row in rows], corpus.schema)

    found = [(result.text, entity) for result in results for entity in result.entities]
    assert found, [result.errors for result in results]
    for text, entity in found:
        assert text[entity.span.start : entity.span.end] == entity.span.text
        assert entity.type in corpus.schema.entities
    answered = [answer for result in results for answer in result.answers]
    assert all(len(answer.question.demonstrations) == 8 for answer in answered)
    assert all(answer.completion.prompt_tokens > 100 for answer in answered)
