"""Open connections to an endpoint: for calls, and for whatever else is asked of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from ruie.llm.transport import Transport

if TYPE_CHECKING:
    import httpx2


class Connections:
    """Those of one client, on one event loop. Raises `AccountError`, `UnreachableError`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._http = transport.connect()
        self.library = transport.library(self._http)
        """The openai library, over the same connections."""

    async def post(self, body: Mapping[str, Any], timeout_s: float) -> httpx2.Response:
        """The response to a call, whatever its status. Raises what httpx2, aiohttp and json do.

        Not through the library: its `post` copies and checks every request before it builds it,
        which takes as much CPU time as sending it (benchmarks/overhead.md).
        """
        from httpx2 import Timeout

        request = self._http.build_request(
            "POST",
            self._url,
            headers=self._headers,
            content=json.dumps(
                body, ensure_ascii=False, separators=(",", ":"), allow_nan=False
            ).encode(),
            timeout=Timeout(timeout_s, connect=min(10.0, timeout_s)),
        )
        return await self._http.send(request)

    async def close(self) -> None:
        """Close them all."""
        await self.library.close()

    @cached_property
    def _url(self) -> httpx2.URL:
        import httpx2

        query = parse_qsl(urlsplit(self._transport.base_url).query, keep_blank_values=True)
        url = self._transport.shown_url + self._transport.page
        return httpx2.URL(url, params=dict(query)) if query else httpx2.URL(url)

    @cached_property
    def _headers(self) -> dict[str, str]:
        """Those that the library sends; who calls is added by the transport."""
        named = self.library.default_headers
        return {name: value for name, value in named.items() if isinstance(value, str)}
