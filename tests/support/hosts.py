"""A fleet each of whose processes is on a host of its own: whatever it says to PostgreSQL, to Redis
or to the endpoint goes through a proxy, one for each pair, so that a test can break any of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Literal
from urllib.parse import urlsplit

from sqlalchemy import make_url
from support.fleet import Fleet, Process
from support.namespace import Namespace
from support.tcp_proxy import TcpProxy

To = Literal["postgresql", "redis", "endpoint"]
"""A server, as what a link leads to."""
SERVERS: tuple[To, ...] = ("postgresql", "redis", "endpoint")

PAIRS: list[tuple[str, To]] = [
    ("worker", "postgresql"),
    ("worker", "redis"),
    ("worker", "endpoint"),
    ("coordinator", "postgresql"),
    ("coordinator", "redis"),
]


class Hosts(Fleet):
    """A fleet; `link` is the network between one of its processes and a server."""

    def __init__(self, folder: Path, database_url: str, bundle: Path, llm: str, **more: object):
        super().__init__(folder, database_url, bundle, llm, **more)
        self.namespace: Namespace | None = None
        """Where the next process starts; None: in that of the test."""
        self._links: dict[tuple[int, To], TcpProxy] = {}

    def start(self, command: str, *arguments: str, **env: str) -> Process:
        there = self.namespace
        host = there.gateway if there else "127.0.0.1"
        links = {server: TcpProxy(self._address(server), host) for server in SERVERS}
        for link in links.values():
            link.__enter__()
        database = make_url(env.get("RUIE_DATABASE_URL", self.settings.database_url))
        database = database.difference_update_query(["host"])
        database = database.set(host=host, port=links["postgresql"].port)
        own = {
            "RUIE_DATABASE_URL": database.render_as_string(hide_password=False),
            "RUIE_REDIS_URL": f"redis://{host}:{links['redis'].port}/0",
            "RUIE_LLM_BASE_URL": f"http://{host}:{links['endpoint'].port}/v1",
        }
        process = self._start(command, {**env, **own}, arguments, there.run if there else ())
        self._links |= {(process.pid, server): link for server, link in links.items()}
        return process

    def link(self, process: Process, server: To) -> TcpProxy:
        return self._links[process.pid, server]

    def links(self, processes: Iterable[Process], server: To) -> list[TcpProxy]:
        return [self.link(process, server) for process in processes]

    def heal(self) -> None:
        """Every process reaches every server again."""
        for link in self._links.values():
            link.heal()

    def _address(self, server: To) -> tuple[str, int] | Path:
        if server == "redis":
            return Path(self.redis.socket)
        if server == "postgresql":
            folder = make_url(self.settings.database_url).query["host"]
            return Path(str(folder)) / ".s.PGSQL.5432"
        url = urlsplit(self.settings.llm_base_url)
        return str(url.hostname), int(url.port or 80)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            super().__exit__(kind, error, trace)
        finally:
            for link in self._links.values():
                link.__exit__(None, None, None)
