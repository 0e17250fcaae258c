"""The local LLM on a machine with one core."""

from __future__ import annotations

import os

import pytest

pytest.importorskip("openvino_genai", reason="the extra `local` is not installed")

import openai  # after the skip
from support.local_llm import start

from ruie.errors import UnavailableError
from ruie.packaged import packaged_llm

try:
    packaged_llm()
except UnavailableError as error:
    pytest.skip(str(error), allow_module_level=True)


def test_it_runs_on_one_core() -> None:
    server = start("--port", "0", cores=[min(os.sched_getaffinity(0))])
    assert server.stdout is not None
    try:
        ready = server.stdout.readline()
        assert " on http" in ready, server.communicate()[1]
        with openai.OpenAI(base_url=ready.split()[-1], api_key="none") as alone:
            assert alone.completions.create(
                model=alone.models.list().data[0].id, prompt="1, 2,", max_tokens=2
            ).choices
    finally:
        server.kill()
        server.communicate()
