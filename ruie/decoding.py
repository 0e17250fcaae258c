"""What determines an answer besides the model and the query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from ruie import prompts
from ruie.errors import ModelError
from ruie.llm.profile import GRAMMARS, JSON_SCHEMA
from ruie.parsing import OutputForm
from ruie.request_parameters import shaping

EMPTY_LINE, FIRST_LINE = ("\n\n",), ("\n",)
_STORED: dict[tuple[str, ...], tuple[str, ...]] = {EMPTY_LINE: FIRST_LINE, FIRST_LINE: EMPTY_LINE}
"""An answer ends at an empty line, in earlier versions with its first: in keys and in the database
each stands for the other. What is kept would be paid for again otherwise."""
LENGTHEN = 2
"""By how much `max_tokens` is multiplied, once, for an answer that was cut off."""


def stored_stop(stop: Sequence[str]) -> list[str]:
    """Stop sequences as they are in keys and in the database, or the other way round."""
    return list(_STORED.get(tuple(stop), stop))


@dataclass(frozen=True, slots=True)
class Decoding:
    """What determines an answer besides model and query; part of every idempotency key.

    parameters: added to each request; those that do not shape an answer are in no key.
    reasoning_tokens: most that a reasoning model may think beside its answer; in no key, for more
    room makes no other answer. constraint: how the endpoint takes the grammar of the form
    `grammar`; in no key. log_probs: whether the endpoint is asked how probable each token was, as
    far as it says so; in no key. The form `auto` is to be resolved before anything is asked.
    """

    demonstrations: int = 8
    max_tokens: int = 256
    prompt_tokens: int = prompts.MAX_PROMPT_TOKENS
    form: OutputForm = OutputForm.LINEAR
    stop: tuple[str, ...] = EMPTY_LINE
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)
    reasoning_tokens: int = 4096
    constraint: str = ""
    log_probs: bool = True

    @property
    def longest(self) -> int:
        """Tokens that an answer may have at the second try, where it was cut off at the first."""
        return self.max_tokens * LENGTHEN

    def resolved(self, constraint: str) -> Self:
        """With the form that the endpoint was proved to hold answers to. Raises `ModelError` where
        that is not the one that is asked for."""
        held = constraint in GRAMMARS
        form = self.form
        if form is OutputForm.AUTO:
            as_json = constraint == JSON_SCHEMA
            form = OutputForm.JSON if as_json else OutputForm.LINEAR
            form = OutputForm.GRAMMAR if held else form
        if form is OutputForm.GRAMMAR and not held:
            raise ModelError(
                "The endpoint does not hold the model's answers to a grammar.",
                "Set RUIE_OUTPUT_FORM=auto, which takes what it has instead.",
            )
        return replace(self, form=form, constraint=constraint if held else "")

    @property
    def proved(self) -> bool:
        """Whether the form needs no proof, or had it."""
        return self.form in (OutputForm.LINEAR, OutputForm.JSON) or bool(self.constraint)

    def body(self) -> dict[str, Any]:
        """As plain JSON values, in a fixed order: what is part of a key."""
        shaped = shaping(self.parameters)
        return {
            "demonstrations": self.demonstrations,
            "max_tokens": self.max_tokens,
            "prompt_tokens": self.prompt_tokens,
            "form": str(self.form),
            "stop": stored_stop(self.stop),
            "temperature": 0,
            **({"parameters": shaped} if shaped else {}),
        }

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """The inverse of `body`."""
        return cls(
            demonstrations=body["demonstrations"],
            max_tokens=body["max_tokens"],
            prompt_tokens=body["prompt_tokens"],
            form=OutputForm(body["form"]),
            stop=tuple(stored_stop(body["stop"])),
            parameters=body.get("parameters", {}),
        )
