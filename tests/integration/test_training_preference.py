"""Log-likelihoods of gold outputs: against a naive loop, after a kill, over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from support.tiny import rises, tiny_llm, tiny_sliding_llm

from ruie import prompts
from ruie.errors import UsageError
from ruie.exporter.training.candidates import find_candidates, read_candidates
from ruie.exporter.training.config import CorpusConfig, PreferenceConfig
from ruie.exporter.training.likelihood import EndpointScorer, LocalScorer, Tokeniser, load_model
from ruie.exporter.training.pools import Pools, load_pools
from ruie.exporter.training.preference import (
    SHARD,
    Scorer,
    TokenisedConversation,
    read_scores,
    score_candidates,
)
from ruie.exporter.training.prefixes import group_by_prefix


@pytest.fixture(scope="module")
def llm(minilm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llm(minilm, tmp_path_factory.mktemp("llm"))


@pytest.fixture(scope="module")
def pools(tmp_path_factory: pytest.TempPathFactory) -> Pools:
    path = rises(tmp_path_factory.mktemp("rises") / "rows.jsonl", 16)
    return load_pools([CorpusConfig(files=(path,))], seed=1)


@pytest.fixture
def batch(llm: Path, pools: Pools) -> list[TokenisedConversation]:
    tokenise = Tokeniser(str(llm))
    tokenised = []
    for row in pools.queries:
        prompt = prompts.build(pools.query(row), [pools.examples[(row + 3) % len(pools.examples)]])
        tokenised += tokenise([(prompt.messages, pools.answer(row))])
    return tokenised


def _config(llm: Path, **more: object) -> PreferenceConfig:
    return PreferenceConfig.model_validate({"model": str(llm), "dtype": "float32", **more})


def _naive(llm: Path, each: TokenisedConversation) -> float:
    """One prompt, one pass, no cache and no padding."""
    model = load_model(_config(llm))
    tokens = [*each.prompt, *each.answer]
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([tokens])).logits[0].float()
    log_p = torch.log_softmax(logits, dim=-1)
    first = len(each.prompt)
    return float(np.mean([log_p[i - 1, tokens[i]].item() for i in range(first, len(tokens))]))


@pytest.mark.parametrize("batch_tokens", [64, pytest.param(4096, marks=pytest.mark.slow)])
def test_batches_padding_and_a_shared_prefix_change_no_score(
    llm: Path, batch: list[TokenisedConversation], batch_tokens: int
) -> None:
    few = batch[:1] + batch[-6:]
    scores = LocalScorer(_config(llm, batch_tokens=batch_tokens)).score(few)
    assert scores == pytest.approx([_naive(llm, each) for each in few], abs=1e-4)
    alike = [each for each in batch if each.prompt[:32] == batch[0].prompt[:32]]
    assert len(alike) > 2  # these share their instruction, which is read once
    scores = LocalScorer(_config(llm, batch_tokens=batch_tokens)).score(alike)
    assert scores == pytest.approx([_naive(llm, each) for each in alike], abs=1e-4)
    # some share a demonstration, and one shares nothing with the others
    one = batch[0]
    twice = [TokenisedConversation((*one.prompt[:-1], last), one.answer) for last in (7, 8)]
    lonely = TokenisedConversation((5, *batch[1].prompt[1:9]), batch[1].answer)
    mixed = [*twice, lonely, *batch[2:4]]
    assert group_by_prefix([each.prompt for each in mixed])[0] == 0
    scores = LocalScorer(_config(llm, batch_tokens=batch_tokens)).score(mixed)
    assert scores == pytest.approx([_naive(llm, each) for each in mixed], abs=1e-4)


@pytest.mark.parametrize("window", [24, 400])
def test_attention_that_slides_changes_no_score(
    minilm: Path, batch: list[TokenisedConversation], tmp_path: Path, window: int
) -> None:
    sliding = tiny_sliding_llm(minilm, tmp_path / "sliding", window)
    assert min(map(len, batch)) > 24
    scores = LocalScorer(_config(sliding)).score(batch[:8])
    assert scores == pytest.approx([_naive(sliding, each) for each in batch[:8]], abs=1e-4)


def test_a_chat_template_is_used_where_there_is_one(llm: Path) -> None:
    tokenise = Tokeniser(str(llm))
    messages = [{"role": "user", "content": "say oil"}]
    plain = tokenise([(messages, "oil")])[0]
    assert tokenise.tokenizer.decode(plain.answer) == "oil"
    tokenise.tokenizer.chat_template = (
        "{% for m in messages %}{{ m.role }} : {{ m.content }} {% endfor %}"
        "{% if add_generation_prompt %}assistant :{% endif %}"
    )
    chat = tokenise([(messages, "oil")])[0]
    assert tokenise.tokenizer.decode(chat.prompt) == "user : say oil assistant :"
    assert chat.answer == plain.answer


class _Killed(Exception):
    pass


class _Counting:
    """A scorer that raises after so many pairs."""

    def __init__(self, inner: Scorer, most: int) -> None:
        self.inner, self.most, self.scored = inner, most, 0

    def score(self, batch: Sequence[TokenisedConversation]) -> list[float]:
        if self.scored + len(batch) > self.most:
            raise _Killed
        self.scored += len(batch)
        return self.inner.score(batch)


def test_scoring_resumes_where_it_stopped(
    llm: Path, pools: Pools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ruie.exporter.training.preference.SAVE_EVERY", 20)
    find_candidates(pools, 6, tmp_path, lambda *_: None)
    candidates = read_candidates(tmp_path)
    tokenise = Tokeniser(str(llm))

    def run(folder: Path, scorer: Scorer, most: int = 1792) -> dict[str, object]:
        folder.mkdir(exist_ok=True)
        return score_candidates(
            pools, candidates, 4, 1, tokenise, scorer, most, folder, lambda *_: None
        )

    whole = _Counting(LocalScorer(_config(llm)), 10_000)
    figures = run(tmp_path / "whole", whole)
    halting = _Counting(LocalScorer(_config(llm)), 70)
    with pytest.raises(_Killed):
        run(tmp_path / "halting", halting)
    with (tmp_path / "halting" / SHARD.format(0)).open("a") as parts:
        parts.write("[3, 1")  # left by the kill
    rest = _Counting(LocalScorer(_config(llm)), 10_000)
    again = run(tmp_path / "halting", rest)
    assert halting.scored == 60
    assert rest.scored == whole.scored - 60
    assert again["pairs"] == figures["pairs"] == whole.scored
    for one, other in zip(
        read_scores(tmp_path / "whole"), read_scores(tmp_path / "halting"), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=2e-4)
    long = run(tmp_path / "short", LocalScorer(_config(llm)), most=20)
    assert (long["pairs"], long["pairs_too_long"]) == (0, whole.scored)


@pytest.fixture
def endpoint() -> Iterator[tuple[str, list[dict[str, object]]]]:
    """vLLM's answer to `prompt_logprobs`: the token i has the log-probability -i / 100."""
    requests: list[dict[str, object]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            requests.append(body)
            tokens = body["prompt"]
            logprobs = [None, *({str(t): {"logprob": -t / 100}} for t in tokens[1:])]
            choice = {"index": 0, "text": "", "finish_reason": "length"}
            if body["model"] != "mute":
                choice["prompt_logprobs"] = logprobs
            answer = {"id": "1", "object": "text_completion", "created": 1, "model": "m"}
            raw = json.dumps({**answer, "choices": [choice]}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1", requests
    server.shutdown()
    server.server_close()


def test_an_endpoint_s_log_probabilities(
    endpoint: tuple[str, list[dict[str, object]]],
) -> None:
    url, requests = endpoint
    scorer = EndpointScorer(PreferenceConfig(model="m", endpoint=url))
    batch = [TokenisedConversation((1, 2, 3), (10, 20)), TokenisedConversation((4,), (30,))]
    assert scorer.score(batch) == pytest.approx([-0.15, -0.3])
    assert {tuple(body["prompt"]) for body in requests} == {(1, 2, 3, 10, 20), (4, 30)}  # type: ignore[arg-type]  # JSON, typed as objects
    assert all(body["max_tokens"] == 1 for body in requests)
    mute = EndpointScorer(PreferenceConfig(model="mute", endpoint=url))
    with pytest.raises(UsageError, match="no log-probabilities"):
        mute.score(batch)
