"""Secrets are masked by one function, whatever they stand in."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TextIO, cast

import pytest
from support.linear_time import assert_linear, repeated

from ruie import secrets
from ruie.errors import RuieError, SettingsError, UnavailableError
from ruie.secrets import masked, remember, remember_environment, remember_url, without_known_in
from ruie.settings import load
from ruie.shown import ShownStream

SECRET = "do-not-tell-4711"


@pytest.fixture(autouse=True)
def nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "_known", set())
    monkeypatch.setattr(secrets, "_found", None)


RECOGNISED = [
    f"redis://:{SECRET}@host:6379/0",
    f"redis://host:6379/0?password={SECRET}",
    f"rediss://ada:{SECRET}@host/0",
    f"postgresql://ada:{SECRET}@host/db?sslpassword={SECRET}",
    f"postgresql+psycopg://host/db?user=ada&password={SECRET}",
    f"https://{SECRET}@llm.org/v1",
    f"https://ada:{SECRET}@llm.org/v1?api-key={SECRET}&api-version=1",
    f"https://llm.org/v1?subscription-key={SECRET}",
    f"https://llm.org/v1?key={SECRET}",
    f"https://box.blob.core.windows.net/a?sv=2026&sp=r&sig={SECRET}",
    f"http://ada:{SECRET}@proxy:3128",
    f"https:/ada:{SECRET}@llm.org/v1.yaml",
    f"HTTPS:/llm.org/v1.yaml?X-Amz-Security-Token={SECRET}",
    f"redis://:a/b#{SECRET}@host:6379/0",
    f"postgresql://ada:x?{SECRET}@host/db",
    f"host=db password={SECRET} user=ada",
    f"AccountName=a;AccountKey={SECRET};",
    f"Authorization: Bearer {SECRET}",
    f"{{'Authorization': 'Basic {SECRET}'}}",
    f"GET https://llm.org/v1/models?api-key={SECRET} 401",
]


@pytest.mark.parametrize("text", RECOGNISED)
@pytest.mark.parametrize("around", ["{}", "cannot reach {}: refused", "a=<{}>", '{{"url": "{}"}}'])
def test_a_secret_is_recognised_by_where_it_stands(text: str, around: str) -> None:
    shown = masked(around.format(text))
    assert SECRET not in shown
    assert masked(shown) == shown


KEPT = [
    "https://llm.org/v1/chat?api-version=2024-10-21 says no (401): try again in 3s?",
    "http://[::1]:8000/v1/@me",
    "https://llm.org:8443/@ada/a@b",
    "s3://box/a@b:c.jsonl",
    "abfss://box@account.dfs/a.jsonl",
    "sqlite:////tmp/ruie.db",
    "mail ada@example.org, or ask: is it so?token",
    "Set RUIE_DATABASE_URL to sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME.",
    "prompt_tokens=12 max_tokens=256 key=ab12",
]


@pytest.mark.parametrize("text", KEPT)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert masked(text) == text


@pytest.mark.parametrize("spelt", [str, repr, json.dumps, lambda text: f"x{text}y"])
def test_a_known_secret_is_masked_in_any_text(spelt: object) -> None:
    secret = 'p"w\\x/123'
    remember(secret)
    assert callable(spelt)
    assert secret not in masked(f"refused: {spelt(secret)}")
    assert masked(str(spelt(secret))) != spelt(secret)
    assert without_known_in({"a": [secret, 1]}) == {"a": ["***", 1]}


def test_a_short_secret_or_a_word_is_masked_where_it_stands_alone() -> None:
    remember("swordfish", "k3y", "abcd")
    assert masked("swordfish? no swordfishes, abcd, abcde, k3y") == (
        "***? no swordfishes, ***, abcde, k3y"
    )


def test_the_credentials_of_a_url_are_known_from_then_on() -> None:
    remember_url("postgresql://ada:p%40ss-word1@host/db")
    remember_url("https://llm.org/v1?api-key=key-in-a-query")
    remember_url("https://user-as-token@llm.org")
    remember_url("redis://:odd/pass#word9@host")
    text = "p@ss-word1 p%40ss-word1 key-in-a-query user-as-token odd/pass#word9 word9"
    assert masked(text) == "*** *** *** *** *** ***"
    assert masked("Basic YWRhOnBAc3Mtd29yZDE=") == "Basic ***"
    assert masked("ada at host in db") == "ada at host in db"


def test_a_password_that_its_url_shows_anyway_is_no_secret() -> None:
    remember_url("postgresql://postgres:postgres@localhost/postgres")
    assert masked("the postgres server") == "the postgres server"


def test_what_is_no_secret_is_not_masked_everywhere() -> None:
    load(llm_api_key="none", llm_headers={"X-Title": "ruie", "X-Team": "research", "X-Log": "true"})
    assert masked("ruie: none of the research is true") == "ruie: none of the research is true"
    load(llm_headers={"X-Api-Key": "swordfish", "Authorization": "Bearer trout", "X-Id": "a1b2c3"})
    assert masked("swordfish, trout, a1b2c3") == "***, ***, ***"


def test_variables_that_are_named_after_secrets_are_known() -> None:
    variables = {"PGPASSWORD": "pg-pass-1", "AWS_SECRET_ACCESS_KEY": "aws-2-key", "HOME": "/home/a"}
    remember_environment(variables, ["http://ada:proxy-pw-3@proxy:3128", "bob:proxy-pw-4@proxy"])
    assert masked("pg-pass-1 aws-2-key proxy-pw-3 proxy-pw-4 /home/a") == "*** *** *** *** /home/a"


def test_what_an_exporter_of_traces_is_told_is_known() -> None:
    variables = {
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Basic%20b3RsLXBsYW50LTE=, x-team=news",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "api-key=otlp-plant-2",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://eve:otlp-plant-3@h/v1?token=otlp-plant-4",
        "OTEL_SERVICE_NAME": "service-name-5",
    }
    remember_environment(variables)
    told = "b3RsLXBsYW50LTE= otlp-plant-2 otlp-plant-3 otlp-plant-4 news service-name-5"
    assert masked(told) == "*** *** *** *** news service-name-5"


def test_what_a_setting_holds_is_known_even_if_it_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        load(
            llm_base_url=f"ftp://ada:{SECRET}@llm.org",
            redis_url="redis://:redis-pw-1@host",
            llm_api_key="api-key-1",
            llm_headers={"X-Key": "Bearer header-key-1"},
        )
    assert SECRET not in str(error.value)
    assert masked(f"{SECRET} redis-pw-1 api-key-1 header-key-1") == "*** *** *** ***"


def test_a_wrong_port_that_is_half_a_password_is_not_repeated() -> None:
    with pytest.raises(SettingsError) as error:
        load(llm_base_url="https://ada:secret-half/other@llm.org/v1")
    assert "secret-half" not in str(error.value)
    assert "percent-encoded" in str(error.value)


def test_errors_and_streams_hold_no_secret() -> None:
    remember(SECRET)
    error: RuieError = UnavailableError(f"refused {SECRET}", f"Correct redis://:{SECRET}@host.")
    assert SECRET not in f"{error} {error!r} {error.args}"
    out = io.StringIO()
    print(f"Traceback … KeyError: '{SECRET}'", file=cast(TextIO, ShownStream(out)))
    assert out.getvalue() == "Traceback … KeyError: '***'\n"


def test_settings_show_no_password_in_their_repr() -> None:
    config = load(redis_url=f"redis://:{SECRET}@host", llm_base_url=f"https://a:{SECRET}@llm.org")
    assert SECRET not in f"{config!r} {config}"


WORST = [
    "://a:", "x://a:b", "http://u:p@h/", "http://a?b&", "http://h/?x_key=", "?a=b&", "?token",
    "password=", "a-key=b&", "Bearer aaaaaaaaaaa ", "a.b+c-", "a", "do-not-tell-471", "swordfis",
]  # fmt: skip  # a list


@pytest.mark.slow
@pytest.mark.parametrize("piece", WORST)
def test_masking_takes_time_in_proportion_to_the_text(piece: str) -> None:
    remember(SECRET, "swordfish", "k3y")
    assert_linear(masked, repeated(piece), 50_000)
    assert_linear(masked, lambda size: f"http://h?{repeated(piece)(size)}", 50_000)
