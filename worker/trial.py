"""One real call to a model: whether it works, what was learned, what it costs."""

from __future__ import annotations

from dataclasses import dataclass

from ruie.decoding import Decoding
from ruie.errors import OutputError
from ruie.extractor import Extractor
from ruie.llm import LLMClient, Usage
from ruie.llm.profile import RequestProfile
from ruie.schema import Schema
from ruie.worker.limits.headers import ProviderLimit, provider_limits

TEXT = "Ada Lovelace met Charles Babbage in London in 1833."
SCHEMA = Schema.from_body(
    {"name": "trial", "entities": {"person": "a person's name", "place": "a town or country"}}
)


@dataclass(frozen=True, slots=True)
class Trial:
    """How a call went. estimated_tokens: of the prompt; usage: as the provider counted. readable:
    whether the answer has the form that is asked for. decoding: with that form."""

    model: str
    answer: str
    latency_s: float
    estimated_tokens: int
    usage: Usage
    profile: RequestProfile
    limits: list[ProviderLimit]
    readable: bool
    decoding: Decoding


async def try_model(client: LLMClient, model: str, decoding: Decoding) -> Trial:
    """Ask about one sentence, without demonstrations. Raises `CallError`."""
    extractor = Extractor(None, client, model, decoding)
    await extractor.resolve()
    (question,) = extractor.prepare([SCHEMA.query(SCHEMA.tasks[0], TEXT)])
    completion = await client.complete(question.call)
    if not completion.text.strip():  # what this answer taught may give the next one its room
        completion = await client.complete(question.call)
    try:
        readable = bool(extractor.read(question, completion))
    except OutputError:
        readable = False
    return Trial(
        model,
        completion.text,
        completion.latency_s,
        question.call.prompt_tokens,
        completion.usage,
        client.profile(question.call),
        provider_limits(completion.headers),
        readable,
        extractor.decoding,
    )
