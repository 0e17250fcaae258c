"""What both trained models have in common: a transformer that knows the keyword tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ruie.bundle.retrieval import KEYWORD_TOKENS


class KeywordModel(torch.nn.Module):
    """A transformer whose tokenizer has `KEYWORD_TOKENS` as tokens of their own."""

    def __init__(self, network: Any, tokenizer: Any, max_tokens: int) -> None:
        super().__init__()
        self.network = network
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens
        tokenizer.add_tokens(list(KEYWORD_TOKENS), special_tokens=True)
        network.resize_token_embeddings(len(tokenizer))

    def activation_checkpointing_enable(self, **options: Any) -> None:
        """Called by the Trainer if the configuration has `gradient_checkpointing`."""
        self.network.activation_checkpointing_enable(**options)

    def tokenise(
        self, texts: Sequence[str], second_texts: Sequence[str] | None = None
    ) -> dict[str, Any]:
        """Padded int64 tensors, (texts, tokens), of at most `max_tokens`; of pairs where there are
        `second_texts`, the longer text of a pair being cut."""
        return dict(
            self.tokenizer(
                list(texts),
                second_texts and list(second_texts),
                truncation=True,
                max_length=self.max_tokens,
                padding=True,
                return_tensors="pt",
            )
        )
