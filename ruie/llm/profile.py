"""What a model at an endpoint takes in a request, as its refusals and answers have taught."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from ruie.errors import ParameterRefusedError
from ruie.llm.api import Api
from ruie.llm.call import Call, Completion
from ruie.llm.refused_parameter import BUDGET, LOG_PROBS
from ruie.modes import in_mode, is_batch

OUTPUT_LIMITS = ("max_tokens", "max_completion_tokens")
"""The two names of the output limit."""
OPTIONAL = ("temperature", "stop", LOG_PROBS)
"""What a request can do without. The answer is cut at a stop sequence that was not sent."""
GRAMMARS = ("structured_outputs.grammar", "grammar", "ebnf")
"""The fields in which servers take a grammar: vLLM, and the local LLM; llama.cpp; SGLang."""
JSON_SCHEMA = "json_schema"
NO_CONSTRAINT = ""
"""Answers are held to nothing."""
TOO_LARGE = re.compile(r"too (?:large|high|big)|at most|maximum|up to|less than|exceed|<=|must be")
NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?![\w])")
LEAST_LIMIT = 16
"""A smaller number in a refusal is no output limit."""
RESPONSE_FORMATS = ("json_schema", "json_object", "")
"""From the strictest to none: the prompt asks for JSON in any case."""


@dataclass(frozen=True, slots=True)
class RequestProfile:
    """How a request to one model is to be made.

    output_limit: the name of the output limit, or "" where none is taken. omitted: parameters that
    are left out. response_format: the strictest kind that is taken. reasons: the model thinks
    before it answers, and its thoughts count as output. most_output: the highest output limit that
    is taken, tokens; 0: any. constraint: to which answers were proved to be held
    (`ruie.llm.constraint`).
    """

    output_limit: str = OUTPUT_LIMITS[0]
    omitted: frozenset[str] = frozenset()
    response_format: str = RESPONSE_FORMATS[0]
    reasons: bool = False
    most_output: int = 0
    constraint: str = NO_CONSTRAINT

    def body(self) -> dict[str, Any]:
        """What differs from a request as ruie makes it at first, as plain JSON values."""
        values: dict[str, Any] = {}
        if self.output_limit != DEFAULT.output_limit:
            values["output_limit"] = self.output_limit
        if self.omitted:
            values["omitted"] = sorted(self.omitted)
        if self.response_format != DEFAULT.response_format:
            values["response_format"] = self.response_format
        if self.reasons:
            values["reasons"] = True
        if self.most_output:
            values["most_output"] = self.most_output
        if self.constraint:
            values["constraint"] = self.constraint
        return values

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """The inverse of `body`."""
        return cls(**{**body, "omitted": frozenset(body.get("omitted", ()))})

    def describe(self) -> str:
        """What was learned, in words; "" where nothing was."""
        words = []
        if self.output_limit != DEFAULT.output_limit:
            words.append(f"limit as {self.output_limit}" if self.output_limit else "no limit")
        words += [f"no {name}" for name in sorted(self.omitted)]
        if self.response_format != DEFAULT.response_format:
            words.append(f"response format {self.response_format or 'none'}")
        if self.reasons:
            words.append("reasons")
        if self.most_output:
            words.append(f"at most {self.most_output:,} tokens out")
        if self.constraint:
            words.append(f"held to {self.constraint}")
        return ", ".join(words)

    def limited(self, call: Call) -> Call:
        """The call with the output limit that is sent: with room for thoughts where the model has
        any."""
        most = call.max_tokens + (call.reasoning_tokens if self.reasons else 0)
        if self.most_output:
            most = min(most, self.most_output)
        return call if most == call.max_tokens else replace(call, max_tokens=most)

    def request(self, call: Call) -> dict[str, Any]:
        """The JSON document of a chat completion's request (`ruie.llm.request`)."""
        body: dict[str, Any] = {"model": call.model, "messages": call.messages}
        if "temperature" not in self.omitted:
            body["temperature"] = 0
        if self.output_limit:
            body[self.output_limit] = self.limited(call).max_tokens
        if call.response_format is not None and self.response_format:
            strict = self.response_format == RESPONSE_FORMATS[0]
            body["response_format"] = call.response_format if strict else {"type": "json_object"}
        if call.stop and self.sends_stop:
            body["stop"] = call.stop
        if call.log_probs and LOG_PROBS not in self.omitted:
            body[LOG_PROBS] = True
        if call.grammar and not self.refuses(call):
            field, _, part = call.constraint.partition(".")
            body[field] = {part: call.grammar} if part else call.grammar
        # the tier of batches is no parameter of a request
        body.update(
            in_mode(call.parameters, "standard") if is_batch(call.parameters) else call.parameters
        )
        return body

    @property
    def sends_stop(self) -> bool:
        """Whether stop sequences are sent. To a model that thinks they are not: its thoughts would
        end there."""
        return "stop" not in self.omitted and not self.reasons

    def refuses(self, call: Call) -> bool:
        """Whether what the call's answer is to be held to is not taken."""
        if call.response_format is not None:
            return self.response_format != RESPONSE_FORMATS[0]
        return bool(call.grammar) and call.constraint in self.omitted

    def after_refusal(self, call: Call, refusal: ParameterRefusedError) -> Self | None:
        """The profile without what was refused; None where ruie has nothing else to try."""
        name = refusal.parameter.removesuffix(".type").split(".json_schema")[0]
        if name in call.parameters:
            return None  # somebody wants it so
        if name in OUTPUT_LIMITS and BUDGET in refusal.message:
            return None if self.reasons else replace(self, reasons=True)
        if name in OUTPUT_LIMITS and refusal.about_value:
            return self._lower_limit(call, refusal)
        if name in OUTPUT_LIMITS:
            return self._other_limit(name, refusal) if call.api is Api.CHAT else None
        if name in OPTIONAL and name not in self.omitted:
            return replace(self, omitted=self.omitted | {name})
        if call.grammar and name.split(".")[0] == call.constraint.split(".")[0]:
            if self.refuses(call):
                return None
            return replace(self, omitted=self.omitted | {call.constraint})
        if name == "response_format" and self.response_format:
            weaker = RESPONSE_FORMATS[RESPONSE_FORMATS.index(self.response_format) + 1]
            # of the form Messages there is the schema alone
            return replace(self, response_format=weaker if call.api is Api.CHAT else "")
        return None

    def _other_limit(self, name: str, refusal: ParameterRefusedError) -> Self | None:
        if name != self.output_limit:
            return None
        first = OUTPUT_LIMITS.index(name) == 0
        if refusal.suggested == OUTPUT_LIMITS[1]:
            # Hosted models that ask for this name are models that think: it limits both.
            return replace(self, output_limit=OUTPUT_LIMITS[1], reasons=True)
        if first and not refusal.suggested:
            return replace(self, output_limit=OUTPUT_LIMITS[1])
        if refusal.suggested == OUTPUT_LIMITS[0]:
            return replace(self, output_limit=OUTPUT_LIMITS[0])
        return replace(self, output_limit="")

    def _lower_limit(self, call: Call, refusal: ParameterRefusedError) -> Self | None:
        """With the bound that the endpoint states, where it says that the limit is too large."""
        sent = self.limited(call).max_tokens
        if not TOO_LARGE.search(refusal.message):
            return None
        stated = [int(n.replace(",", "")) for n in NUMBER.findall(refusal.message)]
        lower = [number for number in stated if LEAST_LIMIT <= number < sent]
        return replace(self, most_output=max(lower)) if lower else None

    def after_answer(self, completion: Completion, *, first: bool) -> Self:
        """The profile with what an answer shows. first: none of its kind was answered before."""
        if completion.reasoned and not self.reasons:
            return replace(self, reasons=True)
        wrote = completion.usage.completion > 1 and completion.finish_reason == "stop"
        text = completion.text.rstrip("*_`# \t\r\n")
        if first and wrote and self.sends_stop and (not text or text.endswith((":", "："))):
            # It ended before the answer, as where a server hides the thoughts and says nothing, or
            # below a heading. Later an empty answer is only that: without stop sequences every
            # answer is longer.
            return replace(self, omitted=self.omitted | {"stop"})
        return self


DEFAULT = RequestProfile()
"""The request of the OpenAI API as most servers take it."""


def shape(call: Call) -> str:
    """A digest of what, beside the texts, may be refused: calls of one shape are refused alike."""
    parameters = call.parameters
    if is_batch(parameters):
        parameters = in_mode(parameters, "standard")
    parts = [
        call.response_format is not None,
        bool(call.stop),
        [(name, parameters[name]) for name in sorted(parameters)],
        *([call.constraint] if call.constraint else []),
        *([LOG_PROBS] if call.log_probs else []),
        *([str(call.api)] if call.api is not Api.CHAT else []),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
