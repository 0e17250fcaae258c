"""How requests reach an endpoint: connections, authentication, time-outs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import openai


@dataclass(frozen=True, slots=True)
class Transport:
    """An endpoint and how to reach it. timeout_s bounds a whole call, connecting included."""

    base_url: str
    api_key: str = ""
    timeout_s: float = 120.0
    max_connections: int = 20

    def open(self) -> openai.AsyncOpenAI:
        """A client for one event loop; to be closed by the caller."""
        import openai
        from httpx2 import Limits, Timeout

        # aiohttp underneath: 2.8 ms of CPU a call where the default transport takes 4.5 ms
        # (benchmarks/overhead.md), and 2 cores must carry 200 calls a second.
        transport = openai.DefaultAioHttpClient(
            timeout=Timeout(self.timeout_s, connect=min(10.0, self.timeout_s)),
            limits=Limits(
                max_connections=self.max_connections,
                max_keepalive_connections=self.max_connections,
            ),
        )
        return openai.AsyncOpenAI(
            base_url=self.base_url,
            api_key=self.api_key or "none",
            max_retries=0,
            timeout=self.timeout_s,
            http_client=transport,
        )
