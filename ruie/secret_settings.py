"""Settings that hold secrets, and the files from which they may come: `RUIE_…_FILE`, as Compose
and Kubernetes mount secrets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic_core import ErrorDetails

from ruie import endpoint_settings, secrets
from ruie.named_files import opened

URLS = ("database_url", "query_database_url", "redis_url", "llm_base_url")
FROM_FILES = (*URLS, "llm_headers", "web_token")
"""Read when the settings are. The key's file is read by `ruie.llm.keys`: again whenever the key is
refused."""
LONGEST = 65_536
"""Bytes of a file that holds a secret."""


def checked(value: SecretStr) -> SecretStr:
    """A secret that can be sent in a header. Raises `ValueError`."""
    return SecretStr(endpoint_settings.checked_secret(value.get_secret_value()))


def checked_headers(headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
    """Headers that can be sent. Raises `ValueError`."""
    sent = endpoint_settings.checked_headers(plain(headers))
    return {name: SecretStr(value) for name, value in sent.items()}


def plain(value: Any) -> Any:
    """A setting with its secrets."""
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def read(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that were given, those from files as if they had been given themselves.

    Raises `ValueError`, which says what is wrong with which file.
    """
    settings = dict(given)
    for name in FROM_FILES:
        path = settings.get(f"{name}_file")
        if not path:
            continue
        variable = f"RUIE_{name.upper()}"
        if settings.get(name):
            raise ValueError(f"{variable} and {variable}_FILE are set: leave one of them")
        text = _text(f"{variable}_FILE", str(path))
        settings[name] = _object(f"{variable}_FILE", text) if name == "llm_headers" else text
        settings[f"{name}_file"] = ""
    return settings


def remember(given: Mapping[str, Any]) -> None:
    """From here on the secrets of these settings are masked wherever something is written."""
    for name in URLS:
        if isinstance(url := given.get(name), str):
            secrets.remember_url(url)
    if isinstance(key := plain(given.get("llm_api_key")), str):
        secrets.remember(key)
    if isinstance(token := plain(given.get("web_token")), str):
        secrets.remember(token)
    headers = given.get("llm_headers")
    for name, value in headers.items() if isinstance(headers, dict) else ():
        if isinstance(shown := plain(value), str):
            secrets.remember_header(str(name), shown)


def replaced_by(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The overrides, which also come before a file that the environment names."""
    files = {f"{name}_file": "" for name in FROM_FILES if name in overrides}
    return {**files, **overrides}


def _text(variable: str, name: str) -> str:
    try:
        with opened(Path(name).expanduser()) as file:
            content = file.read(LONGEST + 1)
        if len(content) > LONGEST:
            raise ValueError(f"{variable}: {name} is longer than {LONGEST:,} bytes")
        text = content.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError(f"{variable}: {name} is no text in UTF-8") from None
    except OSError as error:
        raise ValueError(f"{variable}: {name} cannot be read: {error.strerror or error}") from None
    if not text:
        raise ValueError(f"{variable}: {name} is empty")
    return text


def _object(variable: str, text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ValueError(f"{variable}: the file holds no JSON object of headers")
    return value


def problem(details: ErrorDetails) -> str:
    """What is wrong with a setting. Never its value, which may be a secret."""
    if details["type"] == "value_error":
        said = str(details["ctx"]["error"])
    else:
        said = details["msg"].lower()
    return f"RUIE_{str(details['loc'][0]).upper()}: {said}" if details["loc"] else said


def variables(settings: BaseModel) -> dict[str, str]:
    """All settings, secrets included, as `RUIE_*` variables."""
    values: dict[str, str] = {}
    for name, value in settings.model_dump(mode="json").items():
        if name in ("llm_api_key", "llm_headers", "web_token"):
            value = plain(getattr(settings, name))
        if isinstance(value, list | dict):
            value = json.dumps(value)
        values[f"RUIE_{name.upper()}"] = "" if value is None else str(value)
    return values
