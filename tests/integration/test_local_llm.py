"""The local LLM, a real one, behind its real HTTP endpoint."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("openvino_genai", reason="the extra `local` is not installed")

import openai  # after the skip
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam
from support.local_llm import start
from support.waiting import PATIENCE_S

from ruie.errors import UnavailableError
from ruie.grammar import grammar
from ruie.llm import LLMClient
from ruie.packaged import packaged_llm
from ruie.parsing import parse
from ruie.records import RejectReason
from ruie.schema import Schema

try:
    packaged_llm()
except UnavailableError as error:
    pytest.skip(str(error), allow_module_level=True)

ASK: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "Answer in a few words."},
    {"role": "user", "content": "What is the capital of France?"},
]


@pytest.fixture(scope="module")
def client() -> Iterator[openai.OpenAI]:
    server = start("--port", "0")
    assert server.stdout is not None
    ready = server.stdout.readline()  # ends, empty, if the server does
    if " on http" not in ready:
        _, said = server.communicate()
        pytest.fail(f"the local LLM did not start: {said}")
    with openai.OpenAI(base_url=ready.split()[-1], api_key="none", max_retries=0) as connected:
        yield connected
    server.send_signal(signal.SIGTERM)
    server.communicate(timeout=PATIENCE_S)
    assert server.returncode == 0, "SIGTERM is a clean end"


@pytest.fixture(scope="module")
def model(client: openai.OpenAI) -> str:
    return client.models.list().data[0].id


def ask(
    client: openai.OpenAI,
    model: str,
    messages: list[ChatCompletionMessageParam] = ASK,
    max_tokens: int = 12,
) -> ChatCompletion:
    return client.chat.completions.create(
        model=model, messages=messages, temperature=0, max_tokens=max_tokens
    )


def test_lists_one_model_named_like_its_file(client: openai.OpenAI, model: str) -> None:
    assert [entry.id for entry in client.models.list()] == [model]
    assert model == packaged_llm().stem


def test_says_how_probable_each_token_was(client: openai.OpenAI, model: str) -> None:
    answer = client.chat.completions.create(
        model=model, messages=ASK, temperature=0, max_tokens=12, logprobs=True
    )
    (choice,) = answer.choices
    assert choice.logprobs is not None
    assert choice.logprobs.content is not None
    tokens = choice.logprobs.content
    assert "".join(token.token for token in tokens).startswith(choice.message.content or "?")
    assert answer.usage is not None
    assert len(tokens) == answer.usage.completion_tokens
    assert all(token.logprob <= 0 for token in tokens)
    assert bytes(byte for token in tokens for byte in token.bytes or ()).decode().startswith("The")
    assert ask(client, model).choices[0].logprobs is None


def test_tokens_are_as_probable_in_a_longer_answer(client: openai.OpenAI, model: str) -> None:
    first, second = (
        client.chat.completions.create(
            model=model, messages=ASK, temperature=0, max_tokens=length, logprobs=True
        )
        .choices[0]
        .logprobs
        for length in (4, 8)
    )
    assert first is not None
    assert second is not None
    assert first.content
    assert second.content
    for one, other in zip(first.content, second.content, strict=False):
        assert one.token == other.token
        assert one.logprob == pytest.approx(other.logprob, abs=0.05)


def test_usage_counts_the_prompt_in_the_models_own_chat_template(
    client: openai.OpenAI, model: str
) -> None:
    answer = ask(client, model)
    # the template as the weights' file has it, written out
    text = "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in ASK)
    raw = client.completions.create(
        model=model, prompt=text + "<|im_start|>assistant\n", temperature=0, max_tokens=12
    )
    assert answer.usage is not None
    assert raw.usage is not None
    assert answer.usage.prompt_tokens == raw.usage.prompt_tokens
    assert answer.choices[0].message.content == raw.choices[0].text
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    # `<|im_start|>user\n hi <|im_end|>\n` and the like: every word and marker here is one token
    short = client.completions.create(
        model=model, prompt="<|im_start|>user\nhello<|im_end|>\n", temperature=0, max_tokens=1
    )
    assert short.usage is not None
    assert short.usage.prompt_tokens == 6
    assert short.usage.completion_tokens == 1


def test_greedy_decoding_repeats_itself(client: openai.OpenAI, model: str) -> None:
    first, second = ask(client, model), ask(client, model)
    assert first.choices[0].message.content == second.choices[0].message.content


def test_max_tokens_ends_the_answer(client: openai.OpenAI, model: str) -> None:
    count: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Count to fifty."}]
    answer = ask(client, model, count, max_tokens=3)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 3


def test_a_stop_string_ends_the_answer_and_is_not_part_of_it(
    client: openai.OpenAI, model: str
) -> None:
    answer = client.completions.create(
        model=model, prompt="1, 2, 3, 4,", temperature=0, max_tokens=40, stop=[" 7"]
    )
    assert answer.choices[0].text == " 5, 6,"
    assert answer.choices[0].finish_reason == "stop"


def test_a_stop_string_is_found_in_more_tokens_than_it_has_by_itself(
    client: openai.OpenAI, model: str
) -> None:
    answer = client.completions.create(
        model=model, prompt="1\n\n2\n\n3\n\n4\n\n", temperature=0, max_tokens=60, stop=["\n\n"]
    )
    assert answer.choices[0].text == "5"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.completion_tokens <= 8


def test_a_stop_string_at_the_beginning_leaves_nothing(client: openai.OpenAI, model: str) -> None:
    answer = client.completions.create(
        model=model, prompt="1, 2, 3, 4,", temperature=0, max_tokens=40, stop=[" "]
    )
    assert (answer.choices[0].text, answer.choices[0].finish_reason) == ("", "stop")
    assert ask(client, model).choices[0].message.content, "the engine goes on"


def test_concurrent_requests_get_their_own_answers(client: openai.OpenAI, model: str) -> None:
    prompts = ["1, 2, 3,", "10, 11, 12,", "A, B, C,", "Monday, Tuesday,"]

    def complete(prompt: str) -> str:
        return (
            client.completions.create(model=model, prompt=prompt, temperature=0, max_tokens=4)
            .choices[0]
            .text
        )

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(complete, prompts))
    assert [text.split(",")[0].strip() for text in together] == ["4", "13", "D", "Wednesday"]


def test_json_schema_mode_follows_the_schema(client: openai.OpenAI, model: str) -> None:
    schema = {
        "type": "object",
        "properties": {"colour": {"type": "string", "enum": ["red", "blue"]}},
        "required": ["colour"],
        "additionalProperties": False,
    }
    answer = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "Which colour has the sky?"}],
        temperature=0,
        max_tokens=40,
        response_format={"type": "json_schema", "json_schema": {"name": "c", "schema": schema}},
    )
    found = json.loads(answer.choices[0].message.content or "")
    assert list(found) == ["colour"]
    assert found["colour"] in {"red", "blue"}


def test_a_schema_that_cannot_be_followed_is_refused_and_harms_nobody(
    client: openai.OpenAI, model: str
) -> None:
    with pytest.raises(openai.BadRequestError, match="nonsense"):
        client.chat.completions.create(
            model=model,
            messages=ASK,
            max_tokens=5,
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "bad", "schema": {"type": "nonsense"}},
            },
        )
    assert ask(client, model).choices[0].message.content


def test_an_answer_is_held_to_a_grammar(client: openai.OpenAI, model: str) -> None:
    text = "Ada Lovelace met Charles Babbage in London; it was 1833."
    schema = Schema("s", entities={"a person": "", 'a "place": x': "", "日期": ""})
    query = schema.query(schema.tasks[0], text)
    bounded = grammar(query)
    said = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": f"Tell me a story about this: {text}"}],
        temperature=0,
        max_tokens=200,
        extra_body={"structured_outputs": {"grammar": bounded}},
    )
    parsed = parse(said.choices[0].message.content or "", query)
    assert parsed.readable
    assert {item.type for item in parsed.items} <= set(query.labels)
    assert not any(reject.reason is RejectReason.MALFORMED for reject in parsed.rejects)


WRONG = (
    "no grammar at all",
    r"root ::= [^\x80]",  # fails in the first step, with an IndexError
)


def test_a_grammar_that_is_none_is_refused_and_harms_nobody(
    client: openai.OpenAI, model: str
) -> None:
    for wrong in WRONG:
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(
                model=model,
                messages=ASK,
                max_tokens=5,
                extra_body={"structured_outputs": {"grammar": wrong}},
            )
    assert ask(client, model).choices[0].message.content


def test_it_proves_that_it_holds_answers_to_a_grammar(client: openai.OpenAI, model: str) -> None:
    async def prove() -> str:
        asking = LLMClient(str(client.base_url))
        try:
            return await asking.constraint(model, {})
        finally:
            await asking.close()

    assert asyncio.run(prove()) == "structured_outputs.grammar"


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "nobody", "content": "x"}]}, "messages.0.role"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"temperature": -1}, "temperature"),
        ({"n": 2}, "n"),
        ({"stream": True}, "stream"),
        ({"structured_outputs": {"regex": "a"}}, "structured_outputs.grammar"),
    ],
)
def test_a_bad_request_is_named_in_openais_shape(
    client: openai.OpenAI, model: str, change: dict[str, object], param: str
) -> None:
    body: dict[str, object] = {"model": model, "messages": ASK, "max_tokens": 1, **change}
    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/chat/completions", body=body, cast_to=ChatCompletion)
    assert caught.value.param == param
    assert caught.value.type == "invalid_request_error"


def test_a_prompt_longer_than_the_context_is_refused(client: openai.OpenAI, model: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, model, [{"role": "user", "content": "word " * 9000}])
    assert caught.value.code == "context_length_exceeded"


def test_an_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        ask(client, "another-model")
    assert caught.value.code == "model_not_found"


def test_a_caller_that_goes_away_frees_its_place(client: openai.OpenAI, model: str) -> None:
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.3).completions.create(
            model=model, prompt="1, 2,", temperature=0, max_tokens=8000
        )
    patient = client.with_options(timeout=60)  # 8,000 tokens would take minutes
    assert ask(patient, model, max_tokens=2).choices


def test_a_missing_model_file_is_one_sentence_and_exit_code_3(tmp_path: Path) -> None:
    server = start("--port", "0", "--model", str(tmp_path / "absent.gguf"))
    _, said = server.communicate(timeout=PATIENCE_S)
    assert server.returncode == 3
    assert "absent.gguf" in said
    assert "Traceback" not in said


def test_a_damaged_model_file_leaves_nothing_behind(tmp_path: Path) -> None:
    model = tmp_path / "damaged.gguf"
    model.write_bytes(b"GGUF and then nothing of use")
    cache = tmp_path / "cache"
    done = subprocess.run(
        [sys.executable, "-m", "ruie.worker.embedded.llm", "--port", "0", "--model", str(model)],
        env={**os.environ, "RUIE_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert list((cache / "local-llm").iterdir()) == []
