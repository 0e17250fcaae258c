"""A job's settings, as the column `jobs.settings` stores them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from ruie.chunking import Chunker
from ruie.decoding import Decoding
from ruie.request_parameters import ordered


@dataclass(frozen=True, slots=True)
class JobSettings:
    """decoding: what shapes an answer, apart from the model. chunking: how documents are divided;
    None for a job of a version that did not divide them. context: the metadata key whose value is
    added to each chunk's prompt, or "". falls_back: what a batch at the provider has not answered
    in time is asked one by one. traceparent: where the job was enqueued, as W3C's header of that
    name; "" where that was not traced."""

    decoding: Decoding
    chunking: Chunker | None = None
    context: str = ""
    falls_back: bool = False
    traceparent: str = ""

    def body(self) -> dict[str, Any]:
        """As plain JSON values, to be stored."""
        parameters = ordered(self.decoding.parameters)
        return {
            **self.question(),
            **({"parameters": parameters} if parameters else {}),
            **({"fallback": "standard"} if self.falls_back else {}),
            **({"traceparent": self.traceparent} if self.traceparent else {}),
        }

    def question(self) -> dict[str, Any]:
        """Likewise, what shapes an answer. Any change of a byte would give every job another
        question, and so process its corpus again (`ruie.db.jobs.NewJob.question`)."""
        return {
            **self.decoding.body(),
            **({"chunks": self.chunking.body()} if self.chunking else {}),
            **({"context": self.context} if self.context else {}),
        }

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """The inverse of `body`."""
        chunks = body.get("chunks")
        return cls(
            Decoding.from_body(body),
            Chunker.from_body(chunks) if chunks else None,
            body.get("context", ""),
            body.get("fallback") == "standard",
            body.get("traceparent", ""),
        )
