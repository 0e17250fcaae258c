"""How requests reach an endpoint: who calls, which query and headers, through which proxy, and whom
they trust."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support.certificates import make_certificate
from support.clients import CALL
from support.http_server import ForwardProxy, HttpServer, Received
from support.replies import Reply, answer, failure

from ruie.errors import CallError, UnreachableError
from ruie.llm import Completion, LLMClient, Transport, connect
from ruie.llm.keys import Key
from ruie.llm.proxies import proxy_for
from ruie.settings import load

CHAT = "/v1/chat/completions"
SAID = answer("None")
ADA = f"Basic {base64.b64encode(b'ada:pw').decode()}"
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXY_VARIABLES, "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def complete(endpoint: str | Transport | LLMClient) -> Completion:
    async def call() -> Completion:
        client = endpoint if isinstance(endpoint, LLMClient) else LLMClient(endpoint, timeout_s=5)
        try:
            return await client.complete(CALL)
        finally:
            await client.close()

    return asyncio.run(call())


def received(path: str = "/v1", query: str = "", **how: Any) -> Received:
    """What an endpoint gets of a call to it."""
    with HttpServer({f"{path}/chat/completions": SAID}) as server:
        complete(Transport(server.url + path + query, **how))
        (request,) = server.received
        return request


def sent(**how: Any) -> Mapping[str, str]:
    """The headers that say who calls."""
    names = ("authorization", "api-key", "x-api-key")
    headers = received(**how).headers
    return {name: headers[name] for name in names if name in headers}


@pytest.mark.parametrize(
    ("auth", "headers"),
    [
        ("auto", {"authorization": "Bearer sk-1"}),
        ("bearer", {"authorization": "Bearer sk-1"}),
        ("api-key", {"api-key": "sk-1"}),
        ("x-api-key", {"x-api-key": "sk-1"}),
        ("none", {}),
    ],
)
def test_how_the_key_is_sent(auth: str, headers: dict[str, str]) -> None:
    assert sent(key=Key(" sk-1\n"), auth=auth) == headers


def test_without_a_key_nobody_says_who_calls() -> None:
    assert sent() == sent(auth="api-key") == {}


def test_a_header_of_the_settings_comes_before_the_key() -> None:
    assert sent(key=Key("sk-1"), headers={"authorization": "Token t"}) == {
        "authorization": "Token t"
    }
    assert received(headers={"X-Team": "ada"}).headers["x-team"] == "ada"


def test_user_and_password_of_the_url() -> None:
    with HttpServer({CHAT: SAID}) as server:
        complete(f"http://ada:p%40ss@127.0.0.1:{server.port}/v1")
    told = base64.b64encode(b"ada:p@ss").decode()
    assert server.received[0].headers["authorization"] == f"Basic {told}"


@pytest.mark.parametrize(
    ("host", "azure"),
    [
        ("x.openai.azure.com", True),
        ("x.services.ai.azure.com", True),
        ("gateway.azure-api.net", True),
        ("x.inference.ml.azure.com", False),
        ("api.openai.com", False),
        ("127.0.0.1:8000", False),
    ],
)
def test_azure_takes_the_key_in_a_header_of_its_own(
    monkeypatch: pytest.MonkeyPatch, host: str, azure: bool
) -> None:
    with (
        HttpServer({CHAT: SAID}) as server,
        ForwardProxy({host.partition(":")[0]: server}) as proxy,
    ):
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        direct = host.startswith("127.")
        url = server.url if direct else f"http://{host}"
        complete(Transport(f"{url}/v1", Key("sk-1")))
        headers = server.received[0].headers
    assert ("api-key" in headers) is azure
    assert ("authorization" in headers) is not azure


def test_the_query_of_the_base_url_is_sent_with_each_request() -> None:
    deployment = "/openai/deployments/d"
    request = received(deployment, "?api-version=2024-10-21&x=", key=Key("k"), auth="api-key")
    assert request.target == f"{deployment}/chat/completions?api-version=2024-10-21&x="
    assert LLMClient("https://u:p@llm.test/v1/?key=k").base_url == "https://llm.test/v1"


def test_secrets_leave_for_the_endpoint_alone() -> None:
    """A redirection within the server keeps them, one to another does not."""
    secrets: dict[str, Any] = {"key": Key("sk-1"), "auth": "api-key", "headers": {"X-Team": "ada"}}
    with HttpServer({"/else": SAID}) as other, HttpServer({"/new": SAID}) as server:
        for location in ("/new", f"{other.url}/else"):
            server.answers[CHAT] = Reply(status=307, headers={"Location": location})
            complete(Transport(f"{server.url}/v1", **secrets))
        inside, outside = server.received[1].headers, other.received[0].headers
    assert (inside["api-key"], inside["x-team"]) == ("sk-1", "ada")
    assert not {"api-key", "x-team", "authorization"} & set(outside)


def test_a_refusal_after_a_redirection_names_where_it_came_from() -> None:
    with HttpServer({}) as other, HttpServer({}) as server:
        location = {"Location": f"{other.url}/login?token=SECRET"}
        server.answers[CHAT] = Reply(status=302, headers=location)
        with pytest.raises(CallError) as caught:
            complete(f"{server.url}/v1")
    assert f"{server.url}/v1 (which redirects to {other.url}/login)" in caught.value.message


def test_redirections_without_end_reach_nothing() -> None:
    with HttpServer({}) as server:
        server.answers[CHAT] = Reply(status=307, headers={"Location": CHAT})
        with pytest.raises(UnreachableError, match="redirects again and again"):
            complete(f"{server.url}/v1")
        assert len(server.received) == 4


def test_nothing_of_them_is_shown() -> None:
    transport = Transport(
        "https://u:SECRET@llm.test/v1?key=SECRET", Key("SECRET"), headers={"a": "SECRET"}
    )
    assert "SECRET" not in repr(transport) + transport.shown_url


def test_every_setting_reaches_the_endpoint() -> None:
    with HttpServer({CHAT: SAID}) as server:
        config = load(
            llm_base_url=f"{server.url}/v1?v=1",
            llm_api_key="sk-1",
            llm_auth="x-api-key",
            llm_headers={"X-Team": "ada"},
        )
        complete(connect(config))
    (request,) = server.received
    assert request.target == f"{CHAT}?v=1"
    assert (request.headers["x-api-key"], request.headers["x-team"]) == ("sk-1", "ada")


def test_an_http_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with HttpServer({CHAT: SAID}) as server, ForwardProxy({"llm.test": server}, ADA) as proxy:
        monkeypatch.setenv("http_proxy", f"http://ada:pw@127.0.0.1:{proxy.port}")
        assert complete("http://llm.test/v1").text == "None"
        assert [r.target for r in proxy.received] == [f"http://llm.test{CHAT}"]
        monkeypatch.setenv("NO_PROXY", "127.0.0.1,llm.test")
        with pytest.raises(CallError):
            complete("http://llm.test/v1")
        assert len(proxy.received) == 1, "it was asked in spite of NO_PROXY"


@pytest.mark.parametrize("trusted_by", ["RUIE_LLM_CA_FILE", "SSL_CERT_FILE", "nobody"])
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "all_proxy", ""])
def test_tls_with_a_certificate_of_one_s_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, trusted_by: str
) -> None:
    made = make_certificate(tmp_path, "llm.test")
    with HttpServer({CHAT: SAID}, made) as server, ForwardProxy({"llm.test": server}, ADA) as proxy:
        url = f"{server.url}/v1"
        if variable:
            monkeypatch.setenv(variable, f"http://ada:pw@127.0.0.1:{proxy.port}")
            url = "https://llm.test/v1"
        if trusted_by == "SSL_CERT_FILE":
            monkeypatch.setenv(trusted_by, str(made))
        own = str(made) if trusted_by == "RUIE_LLM_CA_FILE" else ""
        client = connect(load(llm_base_url=url, llm_ca_file=own, llm_api_key="sk-1"), timeout_s=5)
        if trusted_by == "nobody":
            with pytest.raises(UnreachableError, match="certificate"):
                complete(client)
            assert server.received == []
        else:
            assert complete(client).text == "None"
            assert server.received[0].headers["authorization"] == "Bearer sk-1"
        tunnels = [f"{r.method} {r.target}" for r in proxy.received]
    assert tunnels == (["CONNECT llm.test:443"] if variable else [])
    assert all("authorization" not in r.headers for r in proxy.received)


@pytest.mark.parametrize(
    ("url", "environment", "proxy"),
    [
        ("http://llm.test/v1", {"HTTP_PROXY": "http://p:1"}, "http://p:1"),
        ("http://llm.test/v1", {"HTTP_PROXY": "p:1"}, "http://p:1"),
        ("https://llm.test/v1", {"HTTP_PROXY": "http://p:1"}, None),
        ("https://llm.test/v1", {"ALL_PROXY": "http://p:1"}, "http://p:1"),
        ("https://llm.test/v1", {"ALL_PROXY": "http://a:1", "HTTPS_PROXY": "http://p:1"},
         "http://p:1"),
        ("http://127.0.0.1:9/v1", {"HTTP_PROXY": "http://p:1"}, None),
        ("http://localhost:9/v1", {"HTTP_PROXY": "http://p:1"}, None),
        ("http://[::1]:9/v1", {"HTTP_PROXY": "http://p:1"}, None),
        ("http://10.1.2.3/v1", {"HTTP_PROXY": "http://p:1", "NO_PROXY": "10.0.0.0/8"}, None),
        ("http://11.1.2.3/v1", {"HTTP_PROXY": "http://p:1", "NO_PROXY": "10.0.0.0/8"}, "http://p:1"),
        ("http://a.llm.test/v1", {"HTTP_PROXY": "http://p:1", "NO_PROXY": ".llm.test"}, None),
        ("http://a.llm.test/v1", {"HTTP_PROXY": "http://p:1", "NO_PROXY": "*.llm.test"}, None),
        ("http://a.llm.test/v1", {"HTTP_PROXY": "http://p:1", "NO_PROXY": "x, llm.test"}, None),
        ("http://allm.test/v1", {"HTTP_PROXY": "http://p:1", "NO_PROXY": "llm.test"}, "http://p:1"),
        ("http://llm.test:8/v1", {"HTTP_PROXY": "http://p:1", "NO_PROXY": "llm.test:8"}, None),
        ("http://llm.test/v1", {"HTTP_PROXY": "http://p:1", "NO_PROXY": "*"}, None),
    ],
)  # fmt: skip  # a table
def test_which_proxy_a_url_has(
    monkeypatch: pytest.MonkeyPatch, url: str, environment: dict[str, str], proxy: str | None
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(url) == proxy


@pytest.mark.parametrize("proxy", ["socks5://u:SECRET@p:1", "nonsense://p:1"])
def test_a_proxy_of_another_kind_is_named(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(UnreachableError, match=r"ALL_PROXY is (socks5|nonsense)://p:1") as caught:
        complete("https://llm.test/v1")
    assert "SECRET" not in str(caught.value)


def test_a_proxy_that_is_no_url_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://u:SECRET@p:x")
    with pytest.raises(UnreachableError, match="The proxy http://p:x of the environment") as caught:
        complete("https://llm.test/v1")
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_a_file_of_certificates_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnreachableError, match=r"RUIE_LLM_CA_FILE \(.*ca.pem\) cannot be read"):
        complete(Transport("https://127.0.0.1:9/v1", ca_file=str(path)))


def test_a_refusal_does_not_repeat_the_key() -> None:
    with HttpServer({CHAT: failure(401)}) as server, pytest.raises(CallError) as caught:
        complete(Transport(f"{server.url}/v1", Key("SECRET")))
    assert "SECRET" not in str(caught.value)
