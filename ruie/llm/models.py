"""The models that an endpoint lists."""

from __future__ import annotations

import asyncio
import difflib
import json
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ruie.errors import AccountError, ModelError, UnavailableError
from ruie.llm.api import Api
from ruie.llm.transport import Transport
from ruie.llm.unreachable import unanswered_error
from ruie.secrets import bare_url

if TYPE_CHECKING:
    import openai
    from openai._types import RequestOptions

NO_LIST = frozenset({403, 404, 405, 500, 501})
"""How an endpoint says that it lists no models, at all or with this key. 500: transformers, for a
model from a folder."""
MAX_PAGES = 50
"""Of one list; no endpoint has more."""
MOVED = frozenset({301, 302, 303})
"""Redirections that turn a POST into a GET: a list of models follows them, a call cannot."""
_DATE = re.compile(r"-(\d{8}|\d{4}-\d\d-\d\d)$")


async def list_models(client: openai.AsyncOpenAI, transport: Transport) -> list[str]:
    """The names of the endpoint's models, possibly none. Raises `UnavailableError`; `AccountError`
    if the key is refused; `ModelError` if the endpoint's API is at another URL."""
    import aiohttp
    import openai

    url = transport.shown_url
    try:
        async with asyncio.timeout(min(10.0, transport.timeout_s)):
            version = transport.key.version
            try:
                names = await _ask(client, transport.models_page)
            except openai.AuthenticationError:
                if not await transport.refresh(version):
                    raise
                names = await _ask(client, transport.models_page)
            by_version = transport.api is Api.CHAT  # in the other form /v1 is added where it lacks
            if names is None and by_version and (better := await _better_url(client, url)):
                raise ModelError(
                    f"{url} lists no models, and {better} does.",
                    f"Set RUIE_LLM_BASE_URL to {better}.",
                )
    except openai.AuthenticationError:
        raise AccountError(f"{url} refuses the key.", "Set RUIE_LLM_API_KEY.") from None
    except (openai.APIConnectionError, aiohttp.ClientError) as error:
        failed = unanswered_error(error, url, transport.timeout_s)
        raise UnavailableError(failed.message, failed.hint) from None
    except (openai.OpenAIError, TimeoutError, ValueError, TypeError, RecursionError) as error:
        reason = str(error.__cause__ or error) or "too slow"
        raise UnavailableError(
            f"The LLM at {url} does not answer ({reason}).",
            "Check RUIE_LLM_BASE_URL and that the server runs.",
        ) from None
    # Azure lists what could be deployed, and takes the names of deployments
    return [] if transport.is_azure else names or []


async def _ask(client: openai.AsyncOpenAI, page: str) -> list[str] | None:
    """The names of the list at this page or URL; None where there is no list. Raises what the
    library does, `TypeError` and `ValueError` for a list that cannot be read, `ModelError` if it
    has moved."""
    names: list[str] = []
    last = ""
    for _ in range(MAX_PAGES):
        listed = await _page(client, page, last)
        if listed is None:
            return None
        found = _names(listed)
        names += found
        # Anthropic lists twenty at a time: platform.claude.com/docs/en/api/models-list
        more = isinstance(listed, dict) and listed.get("has_more") is True
        last = str(listed.get("last_id") or "") if more else ""
        if not last or not found:
            break
    return names


async def _page(client: openai.AsyncOpenAI, page: str, after: str) -> Any:
    """The answer with the models after that one; None where there is no list."""
    import openai
    from httpx2 import Response

    query: RequestOptions = {"params": {"after_id": after}} if after else {}
    try:
        response = await client.get(page, cast_to=Response, options=query)
    except openai.APIStatusError as error:
        if error.status_code in NO_LIST:
            return None
        raise
    moved = any(earlier.status_code in MOVED for earlier in response.history)
    if moved and response.url.path.endswith("/models"):
        better = bare_url(str(response.url)).removesuffix(page).removesuffix("/models")
        raise ModelError(
            "The endpoint has moved, and what is posted to its old URL is lost.",
            f"Set RUIE_LLM_BASE_URL to {better}.",
        )
    return json.loads(response.content)


def _names(listed: Any) -> list[str]:
    """The names in an answer of any of the known forms."""
    if isinstance(listed, dict):
        listed = listed["data"] if "data" in listed else listed.get("models")
    if not isinstance(listed, list):
        raise TypeError("its list of models cannot be read")
    names = [entry.get("id") for entry in listed if isinstance(entry, dict)]
    if listed and not any(isinstance(name, str) for name in names):
        raise TypeError("its list of models cannot be read")
    return [name for name in names if isinstance(name, str)]


async def _better_url(client: openai.AsyncOpenAI, url: str) -> str | None:
    """The base URL that was probably meant: where a list of models is."""
    import openai

    parts = urlsplit(url)
    for better in dict.fromkeys((f"{url}/v1", f"{parts.scheme}://{parts.netloc}/v1")):
        if better == url:
            continue
        try:
            if await _ask(client, f"{better}/models") is not None:
                return better
        except (openai.OpenAIError, ValueError, TypeError, RecursionError):
            continue
    return None


def check_model(url: str, model: str, names: Sequence[str]) -> None:
    """Raises `ModelError` if an endpoint lists models and not this one."""
    if not names or any(_means(model, listed) for listed in names):
        return
    near = difflib.get_close_matches(model, names, n=1)
    guess = f"Did you mean {near[0]}? " if near else ""
    first = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    raise ModelError(
        f"{url} has no model '{model}'.",
        f"{guess}Set RUIE_LLM_MODEL, or the job's --model, to one of: {first}.",
    )


def _means(model: str, listed: str) -> bool:
    """Whether an endpoint that lists this name takes the other: an alias of it."""
    model, listed = model.removeprefix("models/"), listed.removeprefix("models/")  # Gemini
    return (
        model == listed
        or f"{model}:latest" == listed  # Ollama
        or model.rpartition(":")[0] == listed  # OpenRouter's variants: `vendor/model:nitro`
        or model.removesuffix("-latest") == _DATE.sub("", listed)  # Anthropic
        or ("*" in listed and fnmatchcase(model, listed))  # LiteLLM
    )
