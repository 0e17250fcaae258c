"""The model of f1.py: greedy answers to batches of prompts, by transformers in this process."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoModelForCausalLM, DynamicCache, GgufConfig

from ruie.exporter.training.likelihood import Tokeniser

BATCH = {"cpu": 24, "cuda": 384}
PREFILL_BATCH = {"cpu": 2, "cuda": 32}

Tokens = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """A prompt, and what its answer is held to ("": nothing)."""

    prompt: Tokens
    max_tokens: int
    grammar: str


@dataclass(frozen=True, slots=True)
class Output:
    """The first line of an answer. tokens: with the one that ends it. seconds: its share of its
    batch's time."""

    text: str
    finish_reason: str
    tokens: int
    seconds: float


class Model:
    """Greedy answers to batches of prompts."""

    def __init__(self, folder: str, gguf: str, dtype: torch.dtype, held: bool) -> None:
        """held: whether the answers are held to grammars."""
        self.tokenise = Tokeniser(folder, gguf)
        options: dict[str, Any] = {"dtype": dtype}
        if gguf:
            options |= {"gguf_file": gguf, "quantization_config": GgufConfig(dequantize=True)}
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self.batch = BATCH[self._device]
        network: Any = AutoModelForCausalLM.from_pretrained(
            folder, trust_remote_code=False, **options
        )
        self._network = network.eval().to(self._device)
        tokenizer = self.tokenise.tokenizer
        self._lines = {i for i in range(len(tokenizer)) if "\n" in tokenizer.decode([i])}
        named = {tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<|im_end|>")}
        self._ends = named - {None, tokenizer.unk_token_id} | {tokenizer.eos_token_id}
        self._grammars: Any = None
        if held:
            from f1_grammar import Grammars  # xgrammar, which nothing else needs

            # A server lets no line end under a grammar. Where turns are plain text, nothing else
            # ends them.
            ends = self._ends if tokenizer.chat_template else self._ends | self._lines
            vocabulary = network.get_output_embeddings().weight.shape[0]
            self._grammars = Grammars(tokenizer, vocabulary, ends)

    @torch.inference_mode()
    def generate(self, batch: Sequence[Request]) -> list[Output]:
        """The answers to at most `self.batch` prompts."""
        start = time.perf_counter()
        ids, mask = self._padded([each.prompt for each in batch])
        held = self._grammars.hold([each.grammar for each in batch]) if self._grammars else None
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        logits, past = self._prefill(ids, mask, positions)
        positions = positions[:, -1:]
        answers: list[list[int]] = [[] for _ in batch]
        ended: set[int] = set()
        rows = list(range(len(batch)))
        while True:
            if held:
                held.mask(logits, rows)
            token = logits.argmax(-1, keepdim=True)
            left = []
            for at, (row, chosen) in enumerate(zip(rows, token[:, 0].tolist(), strict=True)):
                if chosen in self._ends or (chosen in self._lines and answers[row]):
                    ended.add(row)
                    continue
                answers[row].append(chosen)
                if len(answers[row]) < batch[row].max_tokens:
                    left.append(at)
                    if held:
                        held.add(row, chosen)
            if not left:
                break
            if len(left) < len(rows):
                kept = torch.tensor(left, device=self._device)
                past.batch_select_indices(kept)
                token, mask, positions = token[kept], mask[kept], positions[kept]
                rows = [rows[at] for at in left]
            positions = positions + 1
            mask = torch.cat([mask, torch.ones_like(token)], dim=1)
            logits = self._next(token, mask, positions, past)
        seconds = (time.perf_counter() - start) / len(batch)
        return [self._output(each, row in ended, seconds) for row, each in enumerate(answers)]

    def _padded(self, prompts: Sequence[Tokens]) -> tuple[Any, Any]:
        """The prompts and which of the tokens are theirs, (rows, longest); they end together."""
        width = max(map(len, prompts))
        ids = torch.zeros((len(prompts), width), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, each in enumerate(prompts):
            ids[row, width - len(each) :] = torch.tensor(each)
            mask[row, width - len(each) :] = 1
        return ids.to(self._device), mask.to(self._device)

    def _output(self, answer: Sequence[int], ended: bool, seconds: float) -> Output:
        text = self.tokenise.tokenizer.decode(answer, skip_special_tokens=True)
        return Output(text, "stop" if ended else "length", len(answer) + ended, seconds)

    def _prefill(self, ids: Any, mask: Any, positions: Any) -> tuple[Any, Any]:
        """The logits of the first token of each answer and the keys and values of the prompts, a
        few prompts at a time: the attention of one long prompt fills a CPU's caches."""
        parts: list[Any] = []
        first: list[Any] = []
        rows: Any = torch.arange(len(ids))
        if self._device == "cpu":
            self._network.set_attn_implementation("eager")
        for few in rows.split(PREFILL_BATCH[self._device]):
            past = DynamicCache(config=self._network.config)
            first.append(self._next(ids[few], mask[few], positions[few], past))
            parts.append(past)
        self._network.set_attn_implementation("sdpa")
        joined = parts[0]
        for number, layer in enumerate(joined.layers):
            layer.keys = torch.cat([part.layers[number].keys for part in parts])
            layer.values = torch.cat([part.layers[number].values for part in parts])
        return torch.cat(first), joined

    def _next(self, ids: Any, mask: Any, positions: Any, past: Any) -> Any:
        """The logits of the next token of each row, (rows, vocabulary)."""
        output = self._network(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=past,
            use_cache=True,
            logits_to_keep=1,
        )
        return output.logits[:, -1]
