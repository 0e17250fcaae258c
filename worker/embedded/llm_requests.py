"""The bodies of OpenAI's requests, as far as the local LLM supports them.

A field that would change the answer and is not supported may only have its neutral value.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ruie.worker.embedded.llm_engine import Sampling

Text = Annotated[str, Field(min_length=1)]


class TextPart(BaseModel):
    type: Literal["text"]
    text: str


class ChatMessage(BaseModel):
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]

    def plain(self) -> dict[str, str]:
        """In the form of the chat template."""
        parts = self.content
        text = parts if isinstance(parts, str) else "".join(part.text for part in parts)
        return {"role": "system" if self.role == "developer" else self.role, "content": text}


class NamedSchema(BaseModel):
    content: dict[str, Any] = Field(alias="schema")


class SchemaFormat(BaseModel):
    type: Literal["json_schema"]
    json_schema: NamedSchema


class PlainFormat(BaseModel):
    type: Literal["text", "json_object"]


class StructuredOutputs(BaseModel):
    """What vLLM has beside `response_format`."""

    model_config = ConfigDict(extra="forbid")

    grammar: Text


class CommonBody(BaseModel):
    """Fields of both kinds of completion. `None` is the API's default."""

    model: str
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    seed: int | None = Field(None, ge=0)
    stop: Text | list[Text] | None = None
    n: Literal[1] | None = None
    stream: Literal[False] | None = None
    tools: Annotated[list[Any], Field(max_length=0)] | None = None
    structured_outputs: StructuredOutputs | None = None

    @property
    def with_log_probs(self) -> bool:
        """Whether the answer is to come with the probability of each token."""
        return False

    def sampling(self, room: int, json_schema: str | None) -> Sampling:
        """How to decode; without a limit in the request the answer may fill `room` (tokens)."""
        return Sampling(
            max_tokens=self.max_completion_tokens or self.max_tokens or max(room, 1),
            temperature=1.0 if self.temperature is None else self.temperature,
            top_p=1.0 if self.top_p is None else self.top_p,
            seed=self.seed or 0,
            stop=(self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ()),
            json_schema=json_schema,
            grammar=self.structured_outputs.grammar if self.structured_outputs else None,
            log_probs=self.with_log_probs,
        )


class ChatBody(CommonBody):
    messages: list[ChatMessage] = Field(min_length=1)
    response_format: SchemaFormat | PlainFormat | None = Field(None, discriminator="type")
    logprobs: bool | None = None
    top_logprobs: Literal[0] | None = None  # those of other tokens are not known

    @property
    def with_log_probs(self) -> bool:
        return bool(self.logprobs)

    def json_schema(self) -> str | None:
        """The schema that the answer must follow, as JSON text."""
        match self.response_format:
            case SchemaFormat(json_schema=named):
                return json.dumps(named.content)
            case PlainFormat(type="json_object"):
                return '{"type": "object"}'
        return None


class TextBody(CommonBody):
    prompt: str = Field(min_length=1)
    logprobs: Literal[False, 0] | None = None  # of another form than those of a chat
