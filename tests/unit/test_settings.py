"""Settings: where they come from, and what a wrong one says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ruie.errors import SettingsError
from ruie.packaged import packaged_bundle
from ruie.parsing import OutputForm
from ruie.settings import CONFIG_FILE, Settings, incoming_trace, load


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No settings from outside, in an empty folder."""
    for name in list(os.environ):
        if name.startswith("RUIE_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_defaults() -> None:
    config = load()
    assert config.database_url == "sqlite:///ruie.db"
    assert (config.demonstrations, config.llm_max_tokens) == (8, 256)
    assert config.form is OutputForm.AUTO
    assert config.llm_stop == ["\n\n"]
    assert config.bundle == packaged_bundle()


def test_overrides_then_environment_then_file_then_default(
    monkeypatch: pytest.MonkeyPatch, alone: Path
) -> None:
    (alone / CONFIG_FILE).write_text("window = 1\nbatch_size = 1\nconcurrency = 1\n")
    monkeypatch.setenv("RUIE_WINDOW", "2")
    monkeypatch.setenv("RUIE_BATCH_SIZE", "2")
    config = load(window=3)
    fleet = (config.window, config.batch_size, config.concurrency, config.max_attempts)
    assert fleet == (3, 2, 1, 4)


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("RUIE_LLM_STOP", "[]", "llm_stop", []),
        ("RUIE_LLM_STOP", '["\\n\\n"]', "llm_stop", ["\n\n"]),
        ("RUIE_OUTPUT_FORM", "json", "output_form", OutputForm.JSON),
        ("RUIE_LEASE_S", "0.5", "lease_s", 0.5),
        ("RUIE_BUNDLE", "a b", "bundle", Path("a b")),
        ("RUIE_LLM_REQUESTS_PER_MINUTE", "0", "llm_requests_per_minute", 0),
        ("RUIE_LLM_PRICES", '{"m": [0.15, 0.60]}', "llm_prices", {"m": (0.15, 0.6)}),
        (
            "RUIE_LLM_PARAMETERS",
            '{"a": {"b": [1, null]}}',
            "llm_parameters",
            {"a": {"b": [1, None]}},
        ),
        ("RUIE_LLM_BASE_URL", " http://h/v1\n", "llm_base_url", "http://h/v1"),
        ("RUIE_LLM_AUTH", "x-api-key", "llm_auth", "x-api-key"),
        ("RUIE_TRACES", "content", "traces", "content"),
        ("RUIE_LLM_API", "messages", "llm_api", "messages"),
    ],
)
def test_values(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, field: str, expected: object
) -> None:
    monkeypatch.setenv(name, value)
    assert getattr(load(), field) == expected


WRONG = [
    ("RUIE_WINDOW", "many", "RUIE_WINDOW: "),
    ("RUIE_WINDOW", "", "RUIE_WINDOW: "),
    ("RUIE_WINDOW", "0", "greater than or equal to 1"),
    ("RUIE_LEASE_S", "-1", "RUIE_LEASE_S: "),
    ("RUIE_LLM_MAX_TOKENS", "100000000000000000000", "less than or equal to 1000000"),
    ("RUIE_BUNDLE", "/dev/null", "RUIE_BUNDLE: /dev/null is not a directory, as a bundle is"),
    ("RUIE_OUTPUT_FORM", "xml", "'json' or 'linear'."),
    ("RUIE_LLM_STOP", "abc", "llm_stop"),
    ("RUIE_LLM_PRICES", '{"m": [0.15]}', "RUIE_LLM_PRICES: "),
    ("RUIE_LLM_PRICES", '{"m": [-1, 0]}', "greater than or equal to 0"),
    ("RUIE_LLM_STOP", '"abc"', "RUIE_LLM_STOP: "),
    ("RUIE_TRACES", "yes", "'off', 'on' or 'content'."),
    ("RUIE_NO_SUCH", "1", "There is no setting RUIE_NO_SUCH."),
]


@pytest.mark.parametrize(("name", "value", "message"), WRONG)
def test_a_wrong_value_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load()
    assert message in caught.value.message
    assert "\n" not in str(caught.value)
    assert "docs/settings.md" in caught.value.hint


def test_the_trace_of_whoever_started_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TRACEPARENT", "TRACESTATE"):
        monkeypatch.delenv(name, raising=False)
    assert incoming_trace() == {}
    monkeypatch.setenv("TRACEPARENT", f"00-{1:032x}-{2:016x}-01")
    assert incoming_trace() == {"traceparent": f"00-{1:032x}-{2:016x}-01"}
    monkeypatch.setenv("TRACESTATE", "vendor=1")
    assert incoming_trace()["tracestate"] == "vendor=1"


def test_all_wrong_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUIE_WINDOW", "x")
    monkeypatch.setenv("RUIE_BATCH_SIZE", "y")
    with pytest.raises(SettingsError, match=r"RUIE_BATCH_SIZE.*; RUIE_WINDOW|RUIE_WINDOW.*BATCH"):
        load()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"window = ", "ruie.toml is not valid TOML"),
        (b"windoww = 1", "RUIE_WINDOWW: "),
        (b"window = 'x'", "RUIE_WINDOW: "),
        (b"# Gr\xf6\xdfe", "Wrong settings: 'utf-8' codec"),
    ],
)
def test_a_wrong_file_is_one_sentence(alone: Path, content: bytes, message: str) -> None:
    (alone / CONFIG_FILE).write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        load()
    assert caught.value.message.startswith(message) or message in caught.value.message
    assert "\n" not in str(caught.value)


def test_child_processes_get_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    given = load(
        llm_api_key="sk-1 2",
        llm_stop=["\n", '"'],
        llm_prices={"m": (0.15, 0.6)},
        output_form="json",
        bundle=Path("a b"),
        llm_headers={"X-Team": "a b", "Authorization": "Basic eDp5"},
        llm_parameters={"chat_template_kwargs": {"enable_thinking": False}},
        lease_s=1.5,
        window=7,
    )
    for name, value in given.environment().items():
        monkeypatch.setenv(name, value)
    assert load() == given
    assert load().llm_api_key.get_secret_value() == "sk-1 2"


def test_the_key_is_not_shown() -> None:
    config = load(llm_api_key="sk-secret", llm_headers={"X-Key": "hk-secret"})
    assert "secret" not in repr(config) + str(config.model_dump())
    assert "secret" not in config.model_dump_json()


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().window = 3  # that it is refused is the test


def test_every_setting_is_described() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name


FROM_FILES = ("database_url", "query_database_url", "redis_url", "llm_base_url")


@pytest.mark.parametrize("name", FROM_FILES)
def test_a_secret_comes_from_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    url = "http://ada:from-a-file@llm.test/v1"
    (tmp_path / "mounted").write_text(f"{url}\n")
    monkeypatch.setenv(f"RUIE_{name.upper()}_FILE", str(tmp_path / "mounted"))
    config = load()
    assert getattr(config, name) == url
    # a child process has both variables, and reads the file no more
    for variable, value in config.environment().items():
        monkeypatch.setenv(variable, value)
    assert getattr(load(), name) == url
    assert getattr(load(**{name: "http://other.test"}), name) == "http://other.test"


def test_headers_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mounted").write_text('{"X-Key": "from-a-file"}\n')
    monkeypatch.setenv("RUIE_LLM_HEADERS_FILE", str(tmp_path / "mounted"))
    assert load().llm_headers["X-Key"].get_secret_value() == "from-a-file"


def test_every_setting_that_holds_a_secret_can_come_from_a_file() -> None:
    files = {name for name in Settings.model_fields if name.endswith("_file")}
    secret = {*FROM_FILES, "llm_headers", "llm_api_key", "web_token"}
    assert files == {f"{name}_file" for name in secret} | {"llm_ca_file"}


WRONG_FILES = {
    "no such file": (None, "cannot be read: No such file or directory"),
    "empty": (b"\n", "is empty"),
    "not text": (b"\xff\xfe", "is no text in UTF-8"),
    "too long": (b"x" * 70_000, "is longer than 65,536 bytes"),
}


@pytest.mark.parametrize(("content", "said"), WRONG_FILES.values(), ids=list(WRONG_FILES))
def test_a_file_of_a_secret_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, said: str
) -> None:
    path = tmp_path / "mounted"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("RUIE_REDIS_URL_FILE", str(path))
    with pytest.raises(SettingsError, match=f"RUIE_REDIS_URL_FILE: .*mounted {said}"):
        load()


def test_a_file_without_an_object_of_headers_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mounted").write_text("X-Key: from-a-file")
    monkeypatch.setenv("RUIE_LLM_HEADERS_FILE", str(tmp_path / "mounted"))
    with pytest.raises(SettingsError, match="no JSON object of headers") as error:
        load()
    assert "from-a-file" not in str(error.value)


@pytest.mark.parametrize("name", [*FROM_FILES, "llm_headers"])
def test_a_secret_and_its_file_are_one_too_many(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    variable = f"RUIE_{name.upper()}"
    monkeypatch.setenv(variable, '{"a": "b"}')
    monkeypatch.setenv(f"{variable}_FILE", "mounted")
    with pytest.raises(SettingsError, match=f"{variable} and {variable}_FILE are set"):
        load()
