"""Log-likelihoods of answers: from a local Hugging Face causal model, or from an endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ruie.bundle.encoder import batches_by_length
from ruie.errors import UsageError
from ruie.exporter.base_encoder import load_pretrained
from ruie.exporter.training import distributed
from ruie.exporter.training.config import PreferenceConfig
from ruie.exporter.training.preference import Conversation, TokenisedConversation
from ruie.exporter.training.prefixes import (
    KVCache,
    forward,
    group_by_prefix,
    prefill,
    supports_shared_prefixes,
)
from ruie.llm.keys import Key
from ruie.settings import settings


class Tokeniser:
    """Applies a model's chat template; without one, the turns follow each other as plain text."""

    def __init__(self, model: str, gguf: str = "") -> None:
        self.tokenizer = _load("tokenizer", model, gguf)

    def __call__(self, conversations: Sequence[Conversation]) -> list[TokenisedConversation]:
        """The tokens of each conversation's messages and of its answer.

        All at once, as the tokenizer then uses every core: a GPU reads faster than one core
        tokenises.
        """
        if not conversations:
            return []
        special = not self.tokenizer.chat_template  # a template has its own special tokens
        texts = [self._text(messages) for messages, _ in conversations]
        prompts = self.tokenizer(texts, add_special_tokens=special)["input_ids"]
        answers = self.tokenizer([a for _, a in conversations], add_special_tokens=False)
        return [
            TokenisedConversation(tuple(prompt), tuple(answer))
            for prompt, answer in zip(prompts, answers["input_ids"], strict=True)
        ]

    def _text(self, messages: Sequence[dict[str, str]]) -> str:
        if self.tokenizer.chat_template:
            text: str = self.tokenizer.apply_chat_template(
                list(messages), tokenize=False, add_generation_prompt=True
            )
            return text
        ends = {"user": "\n", "assistant": "\n\n"}
        return "".join(m["content"] + ends[m["role"]] for m in messages)


class LocalScorer:
    """A Hugging Face causal language model, loaded when the first batch is scored."""

    def __init__(self, config: PreferenceConfig) -> None:
        self._config = config
        self._model: Any = None
        self._budget = config.batch_tokens or (512 if distributed.device() == "cpu" else 16384)

    def score(self, batch: Sequence[TokenisedConversation]) -> list[float]:
        """Mean log-likelihoods of the answers' tokens, in forward passes of at most the configured
        number of tokens."""
        import torch

        if self._model is None:
            self._model = load_model(self._config)
        scores = [0.0] * len(batch)
        with torch.inference_mode():
            caches, starts = self._prefix_caches(batch)
            lengths = [len(each) - start for each, start in zip(batch, starts, strict=True)]
            for few in batches_by_length(lengths, self._budget):
                rows = [(batch[i].prompt + batch[i].answer)[starts[i] :] for i in few]
                answers = [batch[i].answer for i in few]
                likelihoods = self._likelihoods(rows, [caches[i] for i in few], answers)
                for i, score in zip(few, likelihoods, strict=True):
                    scores[i] = score
        return scores

    def _prefix_caches(
        self, batch: Sequence[TokenisedConversation]
    ) -> tuple[list[KVCache], list[int]]:
        """The cache of each prompt's shared prefix, and the prefix' length."""
        caches: list[KVCache] = [[] for _ in batch]
        starts = [0] * len(batch)
        longest = max(map(len, batch), default=0)
        # a GPU computes prefixes again in less time than it takes to assemble their caches
        if distributed.device() != "cpu" or not supports_shared_prefixes(self._model, longest):
            return caches, starts
        prompts = [each.prompt for each in batch]
        head, groups = group_by_prefix(prompts)
        prefixes = [prompts[group.members[0]][: group.length] for group in groups]
        group_caches = prefill(self._model, prefixes, head, self._budget)
        for group, cache in zip(groups, group_caches, strict=True):
            for i in group.members:
                caches[i], starts[i] = cache, group.length
        return caches, starts

    def _likelihoods(
        self,
        rows: Sequence[tuple[int, ...]],
        caches: Sequence[KVCache],
        answers: Sequence[tuple[int, ...]],
    ) -> list[float]:
        """The rows end with the answers. Logits are computed for the answers' positions alone: most
        of a small model's work is its vocabulary."""
        import torch

        longest = max(map(len, answers))
        logits, _ = forward(self._model, rows, caches, longest + 1)
        targets = torch.zeros((len(rows), longest), dtype=torch.long)
        for i, answer in enumerate(answers):
            targets[i, longest - len(answer) :] = torch.tensor(answer)
        log_p = torch.log_softmax(logits[:, :-1].float(), dim=-1)
        of_tokens = log_p.gather(-1, targets.to(log_p.device).unsqueeze(-1)).squeeze(-1).cpu()
        return [float(of_tokens[i, -len(answer) :].mean()) for i, answer in enumerate(answers)]


class EndpointScorer:
    """A server whose completions return the prompt's log-probabilities, as vLLM's do."""

    def __init__(self, config: PreferenceConfig, in_flight: int = 16) -> None:
        import openai

        self._model = config.model
        self._in_flight = in_flight
        key = Key.of(settings()).read()
        self._client = openai.OpenAI(
            base_url=config.endpoint,
            api_key=key or "none",  # the client refuses to be without one
            max_retries=5,
        )

    def score(self, batch: Sequence[TokenisedConversation]) -> list[float]:
        """One request for each conversation, several in flight: the server batches them. Raises
        `UsageError` if the server returns no log-probabilities."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(self._in_flight) as threads:
            return list(threads.map(self._score_one, batch))

    def _score_one(self, conversation: TokenisedConversation) -> float:
        tokens = [*conversation.prompt, *conversation.answer]
        completion = self._client.completions.create(
            model=self._model,
            prompt=tokens,
            max_tokens=1,
            temperature=0,
            extra_body={"prompt_logprobs": 0},
        )
        logprobs = getattr(completion.choices[0], "prompt_logprobs", None)
        if not logprobs or len(logprobs) != len(tokens):
            raise UsageError(
                f"The endpoint returns no log-probabilities of the prompt for {self._model}.",
                "Use a server that does (vLLM), or a local model: leave preference.endpoint out.",
            )
        answer = list(zip(tokens, logprobs, strict=True))[len(conversation.prompt) :]
        return float(sum(entry[str(token)]["logprob"] for token, entry in answer) / len(answer))


def load_model(config: PreferenceConfig) -> Any:
    """The causal model in evaluation mode, on the GPU if there is one. Raises `UnavailableError`
    if it cannot be loaded."""
    import torch

    device = distributed.device()
    dtype = config.dtype
    if dtype == "auto":
        dtype = "bfloat16" if distributed.supports_bfloat16() else "float32"
    options: dict[str, Any] = {"dtype": getattr(torch, dtype)}
    if device == "cpu":
        options["attn_implementation"] = "eager"  # torch's fused attention in bf16 is slower there
    return _load("model", config.model, config.gguf, **options).eval().to(device)


def _load(part: str, model: str, gguf: str, **options: Any) -> Any:
    """part: "model" or "tokenizer"."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    if gguf:
        options["gguf_file"] = gguf
        if part == "model":  # packed weights compute in 32 bits, and more slowly
            options["quantization_config"] = GgufConfig(dequantize=True)
    loader = AutoModelForCausalLM if part == "model" else AutoTokenizer
    return load_pretrained(loader, "LLM", model, **options)
