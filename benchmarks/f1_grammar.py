"""Answers of a batch, each held to a grammar of its own, for f1_model.py; with xgrammar."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import xgrammar


class Grammars:
    """The grammars of a model's answers. One that was compiled before costs nothing."""

    def __init__(self, tokenizer: Any, vocabulary: int, ends: Iterable[int]) -> None:
        """vocabulary: the length of the model's logits. ends: the tokens that end an answer; the
        model may choose one where its grammar may end."""
        tokens = xgrammar.TokenizerInfo.from_huggingface(
            tokenizer, vocab_size=vocabulary, stop_token_ids=sorted(ends)
        )
        self._vocabulary = vocabulary
        self._compiler = xgrammar.GrammarCompiler(tokens)

    def hold(self, grammars: Sequence[str]) -> HeldAnswers:
        """New answers, one for each grammar."""
        compiled = map(self._compiler.compile_grammar, grammars)
        return HeldAnswers(list(map(xgrammar.GrammarMatcher, compiled)), self._vocabulary)


class HeldAnswers:
    """How far each answer of a batch has come in its grammar. Rows are those of the batch; those
    that have ended are no longer named."""

    def __init__(self, matchers: Sequence[Any], vocabulary: int) -> None:
        self._matchers = matchers
        self._bits = xgrammar.allocate_token_bitmask(len(matchers), vocabulary)

    def mask(self, logits: Any, rows: Sequence[int]) -> None:
        """Set to -inf what may not be next. logits: (rows, vocabulary)."""
        for at, row in enumerate(rows):
            self._matchers[row].fill_next_token_bitmask(self._bits, at)
        xgrammar.apply_token_bitmask_inplace(logits, self._bits[: len(rows)].to(logits.device))

    def add(self, row: int, token: int) -> None:
        """The next token of a row, which was not masked."""
        if not self._matchers[row].accept_token(token):
            raise ValueError(f"The grammar does not admit token {token}.")
