"""The engines that `local_llm.py` compares: how each loads the model, and what a run measures."""

from __future__ import annotations

from collections.abc import Callable, Sequence

CONCURRENT = 8  # requests at once
MAX_TOKENS = 64  # of an answer
THREADS = 2

# Prompts and the most output tokens → (text, output tokens) of each.
Generate = Callable[[Sequence[str], int], list[tuple[str, int]]]
