"""TLS in front of a real server that was built without it, as stunnel or a load balancer has it.

with TlsFront(("127.0.0.1", 6379), issued) as front:
    Redis.from_url(f"rediss://localhost:{front.port}/0?ssl_ca_certs=authority.pem")
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from pathlib import Path
from typing import Self

from support.certificates import Issued
from support.waiting import PATIENCE_S


class TlsFront:
    """A running front; a context manager. `handshakes` counts the connections that came to be.

    upstream: the server's host and port, or its socket. clients: the authority whose certificates
    clients must have. postgresql: TLS begins after PostgreSQL's SSLRequest.
    """

    def __init__(
        self,
        upstream: tuple[str, int] | Path,
        issued: Issued,
        *,
        clients: Path | None = None,
        postgresql: bool = False,
    ) -> None:
        self._upstream = upstream
        self._postgresql = postgresql
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(issued.certificate, issued.key)
        if clients is not None:
            self._context.verify_mode = ssl.CERT_REQUIRED
            self._context.load_verify_locations(clients)
        self.port = 0
        self.handshakes = 0
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(PATIENCE_S)

    async def _serve(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        self._loop.set_exception_handler(lambda *_: None)  # of handshakes that clients refuse
        context = None if self._postgresql else self._context
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=context)
        self.port = int(server.sockets[0].getsockname()[1])
        self._started.set()
        await self._ended.wait()
        server.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._postgresql:
                await reader.readexactly(8)  # SSLRequest
                writer.write(b"S")
                await writer.drain()
                await writer.start_tls(self._context)
            self.handshakes += 1
            if isinstance(self._upstream, Path):
                back, forth = await asyncio.open_unix_connection(self._upstream)
            else:
                back, forth = await asyncio.open_connection(*self._upstream)
        except (OSError, asyncio.IncompleteReadError):
            writer.close()
            return
        await asyncio.gather(_pump(reader, forth), _pump(back, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while part := await reader.read(65_536):
            writer.write(part)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()
