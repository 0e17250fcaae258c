"""The models that an endpoint lists."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ruie.errors import FatalCallError, UnavailableError
from ruie.llm.transport import Transport

if TYPE_CHECKING:
    import openai


async def list_models(client: openai.AsyncOpenAI, transport: Transport, model: str) -> list[str]:
    """The names of the endpoint's models, possibly none. Raises `UnavailableError`;
    `FatalCallError` if the key is refused, or if there are names and not that of `model`."""
    import openai

    url = transport.base_url
    try:
        async with asyncio.timeout(min(10.0, transport.timeout_s)):
            page = await client.models.list()
        models = [entry.id for entry in page.data if isinstance(entry.id, str)]
    except openai.AuthenticationError:
        raise FatalCallError(f"{url} refuses the key.", "Set RUIE_LLM_API_KEY.") from None
    except (openai.OpenAIError, TimeoutError, ValueError, TypeError, AttributeError) as error:
        reason = str(error.__cause__ or error) or "too slow"
        raise UnavailableError(
            f"The LLM at {url} does not answer ({reason}).",
            "Check RUIE_LLM_BASE_URL and that the server runs.",
        ) from None
    if not models and not model:
        raise UnavailableError(f"The LLM at {url} lists no model.", "Set RUIE_LLM_MODEL.")
    if models and model and model not in models:
        raise FatalCallError(
            f"{url} has no model '{model}'.",
            f"Set RUIE_LLM_MODEL to one of: {', '.join(models[:8])}.",
        )
    return models
