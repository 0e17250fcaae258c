"""The network between two processes of a test: a TCP proxy that delays, stalls, cuts and refuses.

    with TcpProxy(("127.0.0.1", 5432)) as network:
        network.delay(0.050)   # one round trip takes 50 ms more
        network.stall()        # bytes are accepted and go nowhere, those under way included
        network.heal()

Each change is in force when the call returns. Time is that of an event loop in a thread of its own,
so a test may do what it likes meanwhile.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from support.waiting import PATIENCE_S

Address = tuple[str, int] | Path
"""Of a server: host and port, or its socket."""
_PART = 65_536
_PARTS = 64
"""In one direction of a connection as many bytes may be under way as `_PARTS` reads bring: a long
delay costs no throughput, and a stall fills no memory."""


@dataclass
class Traffic:
    """What passed, or tried to. round_trips: how often a client spoke after it had listened."""

    connections: int = 0
    round_trips: int = 0
    forth: int = 0
    """Bytes that clients sent; `back`: those that the server sent."""
    back: int = 0


class TcpProxy:
    """A running proxy in front of one server; a context manager. Clients connect to
    `host`:`port`."""

    def __init__(self, server: Address, host: str = "127.0.0.1") -> None:
        self.traffic = Traffic()
        self.host, self.port = host, 0
        self._server = server
        self._round_trip_s = 0.0
        self._vanished = False
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    @property
    def connections(self) -> int:
        """Connections that clients hold open now."""
        return sum(not link.left for link in list(self._links))

    def delay(self, round_trip_s: float) -> None:
        """One half of it for each direction. To connect takes a round trip as well."""
        self._do(lambda: setattr(self, "_round_trip_s", round_trip_s))

    def stall(self) -> None:
        """Nothing passes any more, and no connection ends; `heal` lets everything go on."""
        self._do(lambda: self._passing.clear())

    def vanish(self) -> None:
        """The server is gone without a word: from the connections that are open, and from those
        that are opened meanwhile, nothing comes ever again, not even their end. The server keeps
        its side of them."""
        self._do(self._vanish)

    def cut(self, *, reset: bool = True) -> None:
        """End every connection, by RST or else FIN; others can be opened at once."""

        def end_all() -> None:
            for link in self._links:
                link.cut(reset)

        self._do(end_all)

    def refuse(self) -> None:
        """Refuse new connections; those that are open stay."""
        self._do(self._refuse)

    def heal(self) -> None:
        """As at the beginning, without delay. What vanished does not come back."""
        self._do(self._heal)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._ended.set)
        self._thread.join(PATIENCE_S)

    def _do(self, change: Callable[[], object]) -> None:
        """Run it on the proxy's loop, and wait for it."""

        async def run() -> None:
            change()

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(PATIENCE_S)

    def _vanish(self) -> None:
        self._vanished = True
        for link in self._links:
            link.vanished = True

    def _heal(self) -> None:
        self._round_trip_s, self._vanished = 0.0, False
        self._passing.set()
        if self._listener.fileno() < 0:
            self._listen()

    async def _serve(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        self._passing = asyncio.Event()
        self._passing.set()
        # Bound and never listening: it keeps the port while connections are refused.
        with _bound(self.host, 0) as keeper:
            self.port = int(keeper.getsockname()[1])
            self._listen()
            self._started.set()
            await self._ended.wait()
            self._refuse()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _listen(self) -> None:
        self._listener = _bound(self.host, self.port)
        self._listener.setblocking(False)
        self._listener.listen(128)
        self._loop.add_reader(self._listener, self._accept)

    def _refuse(self) -> None:
        if self._listener.fileno() >= 0:
            self._loop.remove_reader(self._listener)
            self._listener.close()

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:  # it is gone already
            return
        task = asyncio.ensure_future(self._connect(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, connection: socket.socket) -> None:
        client = _End(*await asyncio.open_connection(sock=connection))
        self.traffic.connections += 1
        link = _Link(client, self._vanished)
        self._links.add(link)
        try:
            async with asyncio.TaskGroup() as tasks:
                shaken_hands = self._loop.time() + self._round_trip_s
                forth = _Direction(self, link, client.reader, self._sent, shaken_hands)
                tasks.create_task(forth.take())
                await asyncio.sleep(self._round_trip_s)
                await self.passing(link)
                if isinstance(self._server, Path):
                    server = _End(*await asyncio.open_unix_connection(self._server))
                else:
                    server = _End(*await asyncio.open_connection(*self._server))
                link.ends.append(server)
                back = _Direction(self, link, server.reader, self._answered)
                tasks.create_task(forth.pass_on(server.writer))
                tasks.create_task(back.take())
                tasks.create_task(back.pass_on(client.writer))
        except* OSError:  # no server, or an end that was cut
            link.cut(reset=True)
        finally:
            self._links.discard(link)
            for end in link.ends:
                end.writer.close()

    def _sent(self, link: _Link, size: int) -> None:
        link.left = not size
        if link.left:
            return
        self.traffic.forth += size
        if link.listened:
            self.traffic.round_trips += 1
        link.listened = False

    def _answered(self, link: _Link, size: int) -> None:
        self.traffic.back += size
        link.listened = link.listened or size > 0

    @property
    def one_way_s(self) -> float:
        """The delay of each direction."""
        return self._round_trip_s / 2

    async def passing(self, link: _Link) -> None:
        """Return when a part of this connection may pass: at once, after a stall, or never."""
        await self._passing.wait()
        if link.vanished:
            await asyncio.Event().wait()


@dataclass(eq=False)
class _End:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class _Link:
    """One client's connection, with the one to the server once there is one."""

    def __init__(self, client: _End, vanished: bool) -> None:
        self.ends = [client]
        self.vanished = vanished
        self.left = False
        self.listened = True

    def cut(self, reset: bool) -> None:
        for end in self.ends:
            connection: Any = end.writer.get_extra_info("socket")
            if not reset:
                end.writer.close()
            elif connection is not None and connection.fileno() >= 0:
                # To close without lingering is what sends RST.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.writer.transport.abort()


class _Direction:
    """A delay line: whatever comes in goes out in order, each part so long after it came."""

    def __init__(
        self,
        proxy: TcpProxy,
        link: _Link,
        source: asyncio.StreamReader,
        count: Callable[[_Link, int], None],
        shaken_hands: float = 0.0,
    ) -> None:
        """shaken_hands: when the client could have begun to speak, by the loop's clock."""
        self._proxy, self._link, self._source = proxy, link, source
        self._count = count
        self._shaken_hands = shaken_hands
        self._line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_PARTS)

    async def take(self) -> None:
        loop = asyncio.get_running_loop()
        part = b"-"
        while part:
            try:
                part = await self._source.read(_PART)
            except ConnectionError:
                part = b""  # the other side is told of the end like of any other
            self._count(self._link, len(part))
            sent = max(loop.time(), self._shaken_hands)
            await self._line.put((sent + self._proxy.one_way_s, part))

    async def pass_on(self, target: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, part = await self._line.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            await self._proxy.passing(self._link)
            if not part:
                if not target.is_closing():
                    target.write_eof()
                return
            target.write(part)
            await target.drain()


def _bound(host: str, port: int) -> socket.socket:
    """A socket at this port, which it shares with others of this process."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind((host, port))
    return bound
