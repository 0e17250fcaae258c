"""What the settings of an endpoint may hold. Each function raises a `ValueError` that says what to
write instead."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from ruie.lengths import LONGEST_MODEL_BYTES, LONGEST_URL_BYTES, is_too_long, size_of
from ruie.request_parameters import refusal
from ruie.secrets import bare_url

Auth = Literal["auto", "bearer", "api-key", "x-api-key", "none"]
Form = Literal["auto", "chat", "messages"]
Batches = Literal["auto", "openai", "anthropic", "mistral", "inline", "file"]

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token, RFC 9110, 5.6.2
_OF_THE_CONNECTION = frozenset({"content-length", "content-type", "host", "transfer-encoding"})


def checked_base_url(url: str) -> str:
    """The URL without white space around it. "" is allowed."""
    url = url.strip()
    if not url:
        return url
    shown = bare_url(url)
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", url)
    if scheme is None:
        start = "http://" if re.match(r"localhost\b|[\d.]+[:/]|[^/.]+:\d", shown) else "https://"
        raise ValueError(f"'{shown}' does not begin with http:// or https://: write {start}{shown}")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        said = "user and password must be percent-encoded" if "@" in url else str(error)
        raise ValueError(f"'{shown}' is not a URL: {said}") from None
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"'{shown}' does not begin with http:// or https://")
    if not host:
        raise ValueError(f"'{shown}' names no host: write {parts.scheme}://HOST/v1")
    for page in ("/chat/completions", "/messages"):
        if parts.path.rstrip("/").endswith(page):
            raise ValueError(f"leave {page} out: it is added to the URL")
    return _bounded(url, LONGEST_URL_BYTES)


def checked_model(model: str) -> str:
    """The model's name. "" is allowed."""
    return _bounded(model, LONGEST_MODEL_BYTES)


def _bounded(text: str, limit: int) -> str:
    if is_too_long(text, limit):
        raise ValueError(f"it has {size_of(text):,} bytes, more than {limit:,}")
    return text


def checked_secret(value: str) -> str:
    """A secret that is sent in a header, without the white space around it."""
    value = value.strip()
    if not value.isascii() or not value.isprintable():
        raise ValueError("it holds a line break or a character that HTTP headers cannot carry")
    return value


def checked_command(command: str) -> str:
    """A command that can be divided into words as a shell does."""
    try:
        shlex.split(command)
    except ValueError as error:
        raise ValueError(f"it is no command: {str(error).lower()}") from None
    return command.strip()


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers by name, their values without the white space around them."""
    checked = {}
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"'{name}' is not the name of a header")
        if name.lower() in _OF_THE_CONNECTION:
            raise ValueError(f"the header {name} is set by ruie")
        try:
            checked[name] = checked_secret(value)
        except ValueError as error:
            raise ValueError(f"the value of {name}: {error}") from None
    return checked


def checked_parameters(parameters: dict[str, Any]) -> dict[str, Any]:
    """Parameters that may be added to each request."""
    if reason := refusal(parameters):
        raise ValueError(reason)
    return parameters
