"""How requests reach an endpoint: connections, authentication, proxies, certificates, time-outs."""

from __future__ import annotations

import base64
import importlib
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from ruie.errors import UnreachableError
from ruie.llm.api import AUTO, Api, api_of, headers_of, models_page, page_of
from ruie.llm.keys import Key
from ruie.llm.proxies import proxy_for
from ruie.llm.response import read_bounded
from ruie.secrets import bare_url, remember_header, remember_url

if TYPE_CHECKING:
    import httpx2
    import openai

MAX_REDIRECTS = 3
"""A chain that is longer leads nowhere."""
AZURE = (
    ".openai.azure.com",
    ".openai.azure.us",
    ".cognitiveservices.azure.com",
    ".services.ai.azure.com",
    ".azure-api.net",
)
"""Hosts that take the key in the header `api-key`."""


@dataclass(frozen=True, slots=True)
class Transport:
    """An endpoint and how to reach it. timeout_s bounds a whole call, connecting included.

    base_url: its query is sent with each request. headers: added to each request. auth: how the
    key is sent: bearer, api-key, x-api-key (the header of that name), none, or auto. ca_file:
    certificates of authorities to trust besides the usual ones. form: chat, messages, or auto, as
    the URL says.
    """

    base_url: str = field(repr=False)
    key: Key = field(default_factory=Key)
    timeout_s: float = 120.0
    max_connections: int = 20
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    auth: str = "auto"
    ca_file: str = ""
    form: str = AUTO

    def __post_init__(self) -> None:
        remember_url(self.base_url)
        for name, value in self.headers.items():
            remember_header(name, value)

    @property
    def shown_url(self) -> str:
        """The base URL as it may be shown and logged."""
        return bare_url(self.base_url).rstrip("/")

    @property
    def api(self) -> Api:
        """In which form the endpoint is spoken to."""
        return api_of(self.base_url, self.form)

    @property
    def page(self) -> str:
        """Where calls are posted, below the base URL."""
        return page_of(self.api, self.base_url)

    @property
    def models_page(self) -> str:
        """Where the models are listed, below the base URL."""
        return models_page(self.api, self.base_url)

    @property
    def is_azure(self) -> bool:
        """Whether models are called by the names of their deployments, which it does not list."""
        return (urlsplit(self.base_url).hostname or "").endswith(AZURE)

    def prepare(self) -> None:
        """Do what takes seconds, before `open`, in any thread: load the library, read the key.
        Raises `AccountError`."""
        importlib.import_module("openai")
        self.key.read()

    async def refresh(self, version: int) -> bool:
        """Read the key again, which the endpoint refused in this `key.version`. Whether there is a
        newer one, with which the call can be repeated. Raises `AccountError`."""
        return await self.key.refresh(version)

    def connect(self, *, bounded: bool = True) -> httpx2.AsyncClient:
        """Connections for one event loop; to be closed by the caller. bounded: a response that is
        too long is refused before it fills the memory. Raises `AccountError`,
        `UnreachableError`."""
        import openai
        from httpx2 import Limits, Timeout

        self.key.read()
        # aiohttp underneath: 2.8 ms of CPU a call where the default transport takes 4.5 ms
        # (benchmarks/overhead.md), and 2 cores must carry 200 calls a second.
        return openai.DefaultAioHttpClient(
            timeout=Timeout(self.timeout_s, connect=min(10.0, self.timeout_s)),
            limits=Limits(
                max_connections=self.max_connections,
                max_keepalive_connections=self.max_connections,
            ),
            verify=self._certificates(),
            proxy=self._proxy(),
            max_redirects=MAX_REDIRECTS,
            trust_env=False,  # the two lines above read the environment
            event_hooks={
                "request": [self._authentication()],
                "response": [read_bounded] if bounded else [],
            },
        )

    def library(self, connections: httpx2.AsyncClient) -> openai.AsyncOpenAI:
        """The openai library over these connections, which it closes when it is closed."""
        import openai

        return openai.AsyncOpenAI(
            base_url=self.shown_url,
            api_key="unused",  # the library refuses to be without one
            default_query=dict(parse_qsl(urlsplit(self.base_url).query, keep_blank_values=True)),
            default_headers=headers_of(self.api),
            max_retries=0,
            timeout=self.timeout_s,
            http_client=connections,
        )

    def _proxy(self) -> httpx2.Proxy | None:
        import httpx2

        if (proxy := proxy_for(self.base_url)) is None:
            return None
        # as a header, which is what aiohttp takes from now on; it sends it with CONNECT
        try:
            user = _basic(proxy)
            headers = {"Proxy-Authorization": user} if user else {}
            return httpx2.Proxy(bare_url(proxy), headers=headers)
        except (ValueError, httpx2.InvalidURL) as error:
            raise UnreachableError(
                f"The proxy {bare_url(proxy)} of the environment is no URL: {error}.",
                "Correct HTTPS_PROXY, HTTP_PROXY or ALL_PROXY.",
            ) from None

    def _certificates(self) -> ssl.SSLContext:
        import httpx2

        named = "SSL_CERT_FILE"
        try:
            trusted = httpx2.create_ssl_context()  # of SSL_CERT_FILE, SSL_CERT_DIR or the system
            if self.ca_file:
                named = f"RUIE_LLM_CA_FILE ({self.ca_file})"
                trusted.load_verify_locations(self.ca_file)
        except OSError as error:
            reason = error.strerror if isinstance(error, FileNotFoundError) else "not PEM"
            raise UnreachableError(
                f"{named} cannot be read: {reason}.", "Name a file of certificates (PEM)."
            ) from None
        return trusted

    def _authentication(self) -> Callable[[httpx2.Request], Awaitable[None]]:
        """What is done to each request, also after a redirection: secrets leave for the endpoint
        alone."""
        own = urlsplit(self.base_url)
        port = None if own.port == {"http": 80, "https": 443}.get(own.scheme) else own.port
        origins = {(own.scheme, own.hostname, port)}
        if port is None:
            origins.add(("https", own.hostname, None))  # a server that wants TLS
        proxy = proxy_for(self.base_url)
        proxy_user = _basic(proxy) if proxy else ""
        version, secrets = self.key.version, self._secrets()

        async def authenticate(request: httpx2.Request) -> None:
            nonlocal version, secrets
            if version != self.key.version:
                version, secrets = self.key.version, self._secrets()
            url, headers = request.url, request.headers
            admitted = (url.scheme, url.host, url.port) in origins
            if not admitted or "authorization" not in secrets:
                headers.pop("authorization", None)  # the library's
            for name, value in secrets.items():
                if admitted:
                    headers[name] = value
                else:
                    headers.pop(name, None)
            if proxy_user and url.scheme == "http":  # without TLS there is no CONNECT
                headers["proxy-authorization"] = proxy_user

        return authenticate

    def _secrets(self) -> dict[str, str]:
        """The headers that say who calls, and those of the settings, by their names in lower case;
        the settings' come first."""
        key = self.key.read() if self.auth != "none" else ""
        auth = self.auth
        if auth == "auto":
            usual = "x-api-key" if self.api is Api.MESSAGES else "bearer"
            auth = "api-key" if self.is_azure else usual
        headers = {}
        if key:
            headers = {"authorization": f"Bearer {key}"} if auth == "bearer" else {auth: key}
        elif user := _basic(self.base_url):
            headers = {"authorization": user}
        return headers | {name.lower(): value for name, value in self.headers.items()}


def _basic(url: str) -> str:
    """User and password of a URL as a header has them, or ""."""
    parts = urlsplit(url)
    if parts.username is None:
        return ""
    user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return f"Basic {base64.b64encode(user.encode()).decode()}"
