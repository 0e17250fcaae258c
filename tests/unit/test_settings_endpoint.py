"""Settings of the endpoint: what a wrong one says, and that no secret is shown."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ruie.errors import SettingsError
from ruie.secrets import bare_url
from ruie.settings import CONFIG_FILE, load


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No settings from outside, in an empty folder."""
    for name in list(os.environ):
        if name.startswith("RUIE_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> str:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load()
    said = str(caught.value)
    assert name in said or name[5:].lower() in said
    assert "\n" not in said
    assert "SECRET" not in said
    return said


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("localhost:8000/v1", "write http://localhost:8000/v1"),
        ("127.0.0.1:8000/v1", "write http://127.0.0.1:8000/v1"),
        ("vllm:8000/v1", "write http://vllm:8000/v1"),
        ("api.openai.com/v1", "write https://api.openai.com/v1"),
        ("ada:SECRET@llm.org/v1?key=SECRET", "write https://llm.org/v1"),
        ("ftp://llm.org/v1", "'ftp://llm.org/v1' does not begin with http:// or https://"),
        ("https:///v1", "names no host: write https://HOST/v1"),
        ("https://ada:SECRET@llm.org:x/v1", "'https://llm.org:x/v1' is not a URL"),
        ("http://[::1/v1", "is not a URL"),
        ("https://llm.org/v1/chat/completions?a=b", "leave /chat/completions out"),
        ("https://api.anthropic.com/v1/messages", "leave /messages out"),
    ],
)
def test_a_base_url_that_leads_nowhere(
    monkeypatch: pytest.MonkeyPatch, url: str, said: str
) -> None:
    assert said in refused(monkeypatch, "RUIE_LLM_BASE_URL", url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://llm.org/v1", "https://llm.org/v1"),
        ("https://ada:pw@llm.org/v1?key=k#f", "https://llm.org/v1"),
        ("ada@llm.org", "llm.org"),
        ("https://llm.org/v1/@me", "https://llm.org/v1/@me"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert bare_url(url) == shown


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ('{"model": "m"}', "RUIE_LLM_MODEL"),
        ('{"messages": []}', "ruie writes the prompt"),
        ('{"system": "x"}', "ruie writes the prompt"),
        ('{"n": 2}', "one answer"),
        ('{"stream": true}', "one answer"),
        ('{"tools": []}', "no calls of tools"),
        ('{"tool_choice": "auto"}', "no calls of tools"),
        ('{"max_tokens": 9}', "RUIE_LLM_MAX_TOKENS"),
        ('{"max_completion_tokens": 9}', "RUIE_LLM_MAX_TOKENS"),
        ('{"max_output_tokens": 9}', "RUIE_LLM_MAX_TOKENS"),
        ('{"extra_headers": {"a": "SECRET"}}', "RUIE_LLM_HEADERS"),
        ('{"extra_body": {}}', "directly"),
        ('{"temperature": NaN}', "not finite"),
        ('{" ": 1}', "no name"),
        ("[1]", "dictionary"),
        ("{", "llm_parameters"),
    ],
)
def test_parameters_that_cannot_be_added(
    monkeypatch: pytest.MonkeyPatch, parameters: str, said: str
) -> None:
    assert said in refused(monkeypatch, "RUIE_LLM_PARAMETERS", parameters)


def test_a_date_of_toml_is_no_json(alone: Path) -> None:
    (alone / CONFIG_FILE).write_text("[llm_parameters]\nsince = 2026-01-01\n")
    with pytest.raises(SettingsError, match="RUIE_LLM_PARAMETERS"):
        load()


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ('{"a b": "SECRET"}', "'a b' is not the name of a header"),
        ('{"": "SECRET"}', "'' is not the name of a header"),
        ('{"X-Team": "SECRET\\nX-Other: 1"}', "the value of X-Team: it holds a line break"),
        ('{"X-Team": "SECRET \\u4eba"}', "the value of X-Team: it holds a line break or a char"),
        ('{"X-Team": ["SECRET"]}', "valid string"),
        ('{"Host": "SECRET"}', "the header Host is set by ruie"),
        ('{"X-Team": "SECRET"', "llm_headers"),
    ],
)
def test_headers_that_would_break_http(
    monkeypatch: pytest.MonkeyPatch, headers: str, said: str
) -> None:
    assert said in refused(monkeypatch, "RUIE_LLM_HEADERS", headers)


@pytest.mark.parametrize("key", ["SECRET\u2026", "SECRET\nSECRET"])
def test_a_key_that_would_break_http(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    assert "it holds a line break or a character" in refused(monkeypatch, "RUIE_LLM_API_KEY", key)


def test_a_command_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no closing quotation" in refused(monkeypatch, "RUIE_LLM_API_KEY_COMMAND", "cat 'a")


def test_white_space_around_secrets_is_none_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUIE_LLM_API_KEY", " sk-abc\n")
    monkeypatch.setenv("RUIE_LLM_HEADERS", '{"X-Team": " ada\\n"}')
    config = load()
    assert config.llm_api_key.get_secret_value() == "sk-abc"
    assert config.llm_headers["X-Team"].get_secret_value() == "ada"


def test_a_key_comes_from_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUIE_LLM_API_KEY", "SECRET")
    said = refused(monkeypatch, "RUIE_LLM_API_KEY_FILE", "key.txt")
    assert "RUIE_LLM_API_KEY and RUIE_LLM_API_KEY_FILE are set" in said
