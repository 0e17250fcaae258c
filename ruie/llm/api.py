"""In which form an endpoint is spoken to: OpenAI's chat completions, or Anthropic's Messages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from urllib.parse import urlsplit


class Api(StrEnum):
    """A form of requests and answers."""

    CHAT = "chat"
    MESSAGES = "messages"


AUTO = "auto"
"""The form that the URL says."""
VERSION = {"anthropic-version": "2023-06-01"}
"""The header without which no request of the form Messages is taken: platform.claude.com/docs/en/
api/versioning."""
_ANTHROPIC = re.compile(r"(^|/)anthropic(/|$)", re.IGNORECASE)
_VERSIONED = re.compile(r"/v\d+\w*$")


def api_of(base_url: str, setting: str = AUTO) -> Api:
    """The form of an endpoint. setting: `RUIE_LLM_API`.

    By itself it is Messages at Anthropic and under a path that is named for it, as Azure
    (`/anthropic`), DeepSeek, Moonshot and gateways have one; everywhere else it is chat.
    """
    if setting != AUTO:
        return Api(setting)
    parts = urlsplit(base_url)
    own = parts.hostname == "api.anthropic.com"
    return Api.MESSAGES if own or _ANTHROPIC.search(parts.path) else Api.CHAT


def page_of(api: Api, base_url: str) -> str:
    """Where calls are posted, below the base URL."""
    if api is Api.CHAT:
        return "/chat/completions"
    return f"{_version(base_url)}/messages"


def models_page(api: Api, base_url: str) -> str:
    """Where the models are listed, below the base URL."""
    return f"{_version(base_url)}/models" if api is Api.MESSAGES else "/models"


def headers_of(api: Api) -> Mapping[str, str]:
    """The headers that each request of this form has."""
    return VERSION if api is Api.MESSAGES else {}


def _version(base_url: str) -> str:
    """`/v1` where the URL ends before it, as Anthropic's own clients are given it; "" elsewhere."""
    return "" if _VERSIONED.search(urlsplit(base_url).path.rstrip("/")) else "/v1"
