"""A query made ready to be sent to an LLM, and the answer that came back."""

from __future__ import annotations

from dataclasses import dataclass

from ruie.llm import Call, Completion
from ruie.parsing import Parsed
from ruie.records import Demonstration, Item, Query


@dataclass(frozen=True, slots=True)
class Question:
    """A query with the demonstrations in its prompt, and the call that sends it."""

    query: Query
    demonstrations: tuple[Demonstration, ...]
    call: Call


@dataclass(frozen=True, slots=True)
class Answer:
    """A question's completion, as it came and parsed."""

    question: Question
    completion: Completion
    parsed: Parsed

    @property
    def items(self) -> tuple[Item, ...]:
        """The items that were parsed and grounded."""
        return self.parsed.items
