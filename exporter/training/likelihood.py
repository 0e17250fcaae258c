"""Log-likelihoods of answers: by a Hugging Face causal model here, or by an endpoint."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from exporter.source import opened
from exporter.training import company
from exporter.training.config import PreferenceConfig
from exporter.training.preference import Prompted
from ruie.bundle.encoder import batches_by_length
from ruie.errors import UsageError

SHARED_TOKENS = 32
"""A prefix that all prompts of a batch share is computed once from this length on."""


class Tokeniser:
    """The chat template of a model; without one, the turns one after the other."""

    def __init__(self, model: str, gguf: str = "") -> None:
        self.tokenizer = _load("tokenizer", model, gguf)

    def __call__(self, messages: Sequence[dict[str, str]], answer: str) -> Prompted:
        """The tokens of a conversation that waits for an answer, and those of the answer."""
        if self.tokenizer.chat_template:
            text = self.tokenizer.apply_chat_template(
                list(messages), tokenize=False, add_generation_prompt=True
            )
            prompt = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        else:
            ends = {"user": "\n", "assistant": "\n\n"}
            text = "".join(m["content"] + ends[m["role"]] for m in messages)
            prompt = self.tokenizer(text)["input_ids"]
        said = self.tokenizer(answer, add_special_tokens=False)["input_ids"]
        return Prompted(tuple(prompt), tuple(said))


class LocalScorer:
    """A Hugging Face causal language model. Loaded when the first batch comes."""

    def __init__(self, config: PreferenceConfig) -> None:
        self._config = config
        self._model: Any = None

    def score(self, batch: Sequence[Prompted]) -> list[float]:
        """Longest first, in batches of at most the configured tokens."""
        import torch

        if self._model is None:
            self._model = load_model(self._config)
        scores = [0.0] * len(batch)
        prefix = _shared(batch)
        rest = [len(each) - len(prefix) for each in batch]
        with torch.inference_mode():
            cache = self._read(prefix) if prefix else None
            for few in batches_by_length(rest, self._config.batch_tokens):
                some = [batch[i] for i in few]
                for i, score in zip(few, self._batch(some, prefix, cache), strict=True):
                    scores[i] = score
        return scores

    def _read(self, prefix: tuple[int, ...]) -> Any:
        import torch

        ids = torch.tensor([prefix], device=self._model.device)
        return self._model(input_ids=ids, use_cache=True, logits_to_keep=1).past_key_values

    def _batch(self, some: Sequence[Prompted], prefix: tuple[int, ...], cache: Any) -> list[float]:
        """Padded on the left, so that all answers end together and only the logits of the last
        tokens are computed: most of a small model's work is its vocabulary."""
        import torch

        rows = [(each.prompt + each.answer)[len(prefix) :] for each in some]
        width = max(map(len, rows))
        answer = max(len(each.answer) for each in some)
        ids = torch.zeros((len(rows), width), dtype=torch.long)
        mask = torch.ones((len(rows), len(prefix) + width), dtype=torch.long)
        for i, row in enumerate(rows):
            ids[i, width - len(row) :] = torch.tensor(row)
            mask[i, len(prefix) : len(prefix) + width - len(row)] = 0
        places = (mask.cumsum(-1) - 1).clamp(min=0)[:, len(prefix) :]
        device = self._model.device
        past = None
        if cache is not None:
            past = copy.deepcopy(cache)
            past.batch_repeat_interleave(len(rows))
        logits = self._model(
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            position_ids=places.to(device),
            past_key_values=past,
            use_cache=past is not None,
            logits_to_keep=answer + 1,
        ).logits
        said = torch.log_softmax(logits[:, :-1].float(), dim=-1)
        targets = ids[:, width - answer :].to(device)
        each_token = said.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
        return [float(each_token[i, answer - len(e.answer) :].mean()) for i, e in enumerate(some)]


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

    device = company.device()
    dtype = torch.bfloat16 if _half(config.dtype, device) else torch.float32
    return _load("model", config.model, config.gguf, dtype=dtype).eval().to(device)


def _half(wanted: str, device: str) -> bool:
    import torch

    if wanted != "auto":
        return wanted == "bfloat16"
    if device != "cpu":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _load(what: str, model: str, gguf: str, **more: Any) -> Any:
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    if gguf:
        more["gguf_file"] = gguf
        if what == "model":  # packed weights compute in 32 bits, and slower
            more["quantization_config"] = GgufConfig(dequantize=True)
    loader = AutoModelForCausalLM if what == "model" else AutoTokenizer
    return opened(loader, "LLM", model, **more)


def _shared(batch: Sequence[Prompted]) -> tuple[int, ...]:
    """The tokens with which all prompts begin, if they are many; () else."""
    columns = zip(*(each.prompt[:-1] for each in batch), strict=False)
    shared = tuple(c[0] for c in takewhile(lambda column: len(set(column)) == 1, columns))
    return shared if len(batch) > 1 and len(shared) >= SHARED_TOKENS else ()
