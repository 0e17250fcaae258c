"""A question as it is kept beside its request, while that is in a batch at the provider: all that
reading and recording the answer takes, whichever process does so, hours later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from ruie.decoding import Decoding
from ruie.llm import Call
from ruie.llm.api import Api
from ruie.llm.profile import RequestProfile
from ruie.parsing import OutputForm
from ruie.prompts import PROMPT_VERSION
from ruie.questions import Question
from ruie.records import Demonstration, Query


@dataclass(frozen=True, slots=True)
class StoredQuestion:
    """question: as it was asked. profile: how its request was made. prompt_key, prompt_version,
    bundle_digest, sets: as its extraction has them. form: of its answer."""

    question: Question
    profile: RequestProfile
    prompt_key: str
    form: OutputForm
    bundle_digest: str
    sets: tuple[int, ...]
    prompt_version: str = PROMPT_VERSION

    def body(self) -> dict[str, Any]:
        """As plain JSON values, without the query, which is the item's."""
        call = self.question.call
        return {
            "call": {
                "model": call.model,
                "messages": list(call.messages),
                "max_tokens": call.max_tokens,
                "prompt_tokens": call.prompt_tokens,
                "response_format": call.response_format,
                "stop": list(call.stop),
                "reasoning_tokens": call.reasoning_tokens,
                "parameters": dict(call.parameters),
                "grammar": call.grammar,
                "constraint": call.constraint,
                "log_probs": call.log_probs,
                "api": str(call.api),
            },
            "demonstrations": [each.body() for each in self.question.demonstrations],
            "profile": self.profile.body(),
            "prompt_key": self.prompt_key,
            "form": str(self.form),
            "bundle_digest": self.bundle_digest,
            "sets": list(self.sets),
            "prompt_version": self.prompt_version,
        }

    @classmethod
    def from_body(cls, body: Mapping[str, Any], query: Query, key: str) -> Self:
        """The inverse of `body`."""
        values = dict(body["call"])
        values["messages"], values["stop"] = tuple(values["messages"]), tuple(values["stop"])
        values["api"] = Api(values["api"])
        shown = tuple(map(Demonstration.from_body, body["demonstrations"]))
        return cls(
            question=Question(query, shown, Call(key=key, **values)),
            profile=RequestProfile.from_body(body["profile"]),
            prompt_key=body["prompt_key"],
            form=OutputForm(body["form"]),
            bundle_digest=body["bundle_digest"],
            sets=tuple(body["sets"]),
            prompt_version=body["prompt_version"],
        )

    def decoding(self, own: Decoding) -> Decoding:
        """How its answer is to be read. own: of the job by now."""
        constraint = self.question.call.constraint
        return replace(own, form=self.form, constraint=constraint)
