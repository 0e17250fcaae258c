"""Log-likelihoods of answers: by a Hugging Face causal model here, or by an endpoint."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from ruie.bundle.encoder import batches_by_length
from ruie.errors import UsageError
from ruie.exporter.base_encoder import opened
from ruie.exporter.training import distributed
from ruie.exporter.training.config import PreferenceConfig
from ruie.exporter.training.preference import Conversation, Prompted
from ruie.exporter.training.prefixes import Kept, forward, groups, read, shareable


class Tokeniser:
    """The chat template of a model; without one, the turns one after the other."""

    def __init__(self, model: str, gguf: str = "") -> None:
        self.tokenizer = _load("tokenizer", model, gguf)

    def __call__(self, conversations: Sequence[Conversation]) -> list[Prompted]:
        """Of each, the tokens of its messages and of the answer that they wait for. All at once,
        as the tokenizer then takes every processor: a GPU reads faster than one writes."""
        if not conversations:
            return []
        own = not self.tokenizer.chat_template  # tokens at the ends are part of a template
        texts = [self._text(messages) for messages, _ in conversations]
        prompted = self.tokenizer(texts, add_special_tokens=own)["input_ids"]
        answers = [answer for _, answer in conversations]
        said = self.tokenizer(answers, add_special_tokens=False)["input_ids"]
        return [Prompted(tuple(p), tuple(a)) for p, a in zip(prompted, said, strict=True)]

    def _text(self, messages: Sequence[dict[str, str]]) -> str:
        if self.tokenizer.chat_template:
            told: str = self.tokenizer.apply_chat_template(
                list(messages), tokenize=False, add_generation_prompt=True
            )
            return told
        ends = {"user": "\n", "assistant": "\n\n"}
        return "".join(m["content"] + ends[m["role"]] for m in messages)


class LocalScorer:
    """A Hugging Face causal language model. Loaded when the first batch comes."""

    def __init__(self, config: PreferenceConfig) -> None:
        self._config = config
        self._model: Any = None
        self._budget = config.batch_tokens or (512 if distributed.device() == "cpu" else 16384)

    def score(self, batch: Sequence[Prompted]) -> list[float]:
        """Longest first, in batches of at most the configured tokens."""
        import torch

        if self._model is None:
            self._model = load_model(self._config)
        scores = [0.0] * len(batch)
        with torch.inference_mode():
            kept, start = self._beginnings(batch)
            rest = [len(each) - many for each, many in zip(batch, start, strict=True)]
            for few in batches_by_length(rest, self._budget):
                rows = [(batch[i].prompt + batch[i].answer)[start[i] :] for i in few]
                answers = [batch[i].answer for i in few]
                found = self._likelihoods(rows, [kept[i] for i in few], answers)
                for i, score in zip(few, found, strict=True):
                    scores[i] = score
        return scores

    def _beginnings(self, batch: Sequence[Prompted]) -> tuple[list[Kept], list[int]]:
        """Of each prompt: what is kept of its beginning, and that beginning's length."""
        kept: list[Kept] = [[] for _ in batch]
        start = [0] * len(batch)
        longest = max(map(len, batch), default=0)
        # a GPU reads the beginnings again in less time than it takes to put them together
        if distributed.device() != "cpu" or not shareable(self._model, longest):
            return kept, start
        prompts = [each.prompt for each in batch]
        head, found = groups(prompts)
        beginnings = [prompts[group.members[0]][: group.length] for group in found]
        for group, values in zip(
            found, read(self._model, beginnings, head, self._budget), strict=True
        ):
            for i in group.members:
                kept[i], start[i] = values, group.length
        return kept, start

    def _likelihoods(
        self, rows: Sequence[tuple[int, ...]], kept: Sequence[Kept], answers: Sequence[Any]
    ) -> list[float]:
        """The rows end with the answers: only the last tokens' logits are computed, as most of a
        small model's work is its vocabulary."""
        import torch

        longest = max(map(len, answers))
        logits, _ = forward(self._model, rows, kept, longest + 1)
        targets = torch.zeros((len(rows), longest), dtype=torch.long)
        for i, answer in enumerate(answers):
            targets[i, longest - len(answer) :] = torch.tensor(answer)
        said = torch.log_softmax(logits[:, :-1].float(), dim=-1)
        each_token = said.gather(-1, targets.to(said.device).unsqueeze(-1)).squeeze(-1).cpu()
        return [float(each_token[i, -len(answer) :].mean()) for i, answer in enumerate(answers)]


class EndpointScorer:
    """A server whose completions return the prompt's log-probabilities, as vLLM's do."""

    def __init__(self, config: PreferenceConfig, in_flight: int = 16) -> None:
        import openai

        self._model = config.model
        self._in_flight = in_flight
        key = os.environ.get("RUIE_LLM_API_KEY", "none")
        self._client = openai.OpenAI(base_url=config.endpoint, api_key=key, max_retries=5)

    def score(self, batch: Sequence[Prompted]) -> list[float]:
        """One request a pair, several in flight: the server batches them."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(self._in_flight) as threads:
            return list(threads.map(self._one, batch))

    def _one(self, each: Prompted) -> float:
        tokens = [*each.prompt, *each.answer]
        answer = self._client.completions.create(
            model=self._model,
            prompt=tokens,
            max_tokens=1,
            temperature=0,
            extra_body={"prompt_logprobs": 0},
        )
        told = getattr(answer.choices[0], "prompt_logprobs", None)
        if not told or len(told) != len(tokens):
            raise UsageError(
                f"The endpoint returns no log-probabilities of the prompt for {self._model}.",
                "Use a server that does (vLLM), or a local model: leave preference.endpoint out.",
            )
        last = list(zip(tokens, told, strict=True))[len(each.prompt) :]
        return float(sum(entry[str(token)]["logprob"] for token, entry in last) / len(last))


def load_model(config: PreferenceConfig) -> Any:
    """The causal model in evaluation mode, on the GPU where there is one."""
    import torch

    device = distributed.device()
    wanted = config.dtype
    if wanted == "auto":
        wanted = "bfloat16" if distributed.computes_in_bfloat16() else "float32"
    more: dict[str, Any] = {"dtype": getattr(torch, wanted)}
    if device == "cpu":
        more["attn_implementation"] = "eager"  # torch's fused attention in bf16 takes longer there
    return _load("model", config.model, config.gguf, **more).eval().to(device)


def _load(what: str, model: str, gguf: str, **more: Any) -> Any:
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    if gguf:
        more["gguf_file"] = gguf
        if what == "model":  # packed weights compute in 32 bits, and slower
            more["quantization_config"] = GgufConfig(dequantize=True)
    loader = AutoModelForCausalLM if what == "model" else AutoTokenizer
    return opened(loader, "LLM", model, **more)
