"""HTTP to public addresses alone, so that no URL reads what only this machine can reach: its own
servers, those of its network, a cloud's metadata.

Checked is the address of each connection, also after a redirect, as it is about to be made: a name
that is looked up twice may have another answer the second time.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from ruie.hosts import allows

if TYPE_CHECKING:
    import aiohttp


class PrivateAddressError(OSError):
    """A URL leads to an address that is not public."""

    def __init__(self, host: str, address: str) -> None:
        where = f"{host} ({address})" if host != address else host
        super().__init__(f"it leads to {where}, which is not a public address")


def public_client(
    hosts: Sequence[str],
) -> Callable[..., Coroutine[Any, Any, aiohttp.ClientSession]]:
    """fsspec's `get_client`: a session that refuses such addresses, unless `hosts` allows them."""
    import aiohttp
    from aiohttp.abc import AbstractResolver, ResolveResult
    from aiohttp.resolver import ThreadedResolver

    class Resolver(AbstractResolver):
        """Gives only addresses that may be connected to: aiohttp connects to what it gets."""

        def __init__(self) -> None:
            self._resolver = ThreadedResolver()

        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            found = await self._resolver.resolve(host, port, family)
            for one in found:
                if not allows(hosts, host, one["host"]):
                    raise PrivateAddressError(host, one["host"])
            return found

        async def close(self) -> None:
            await self._resolver.close()

    async def check(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        # each request passes here, also that of a redirect; an address is not looked up
        host = request.url.host or ""
        if _is_address(host) and not allows(hosts, host, host):
            raise PrivateAddressError(host, host)
        return await handler(request)

    async def client(**options: Any) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(resolver=Resolver())
        return aiohttp.ClientSession(connector=connector, middlewares=(check,), **options)

    return client


def _is_address(host: str) -> bool:
    try:
        allows((), "", host)
    except ValueError:
        return False
    return True


def private_address(error: BaseException | None) -> PrivateAddressError | None:
    """The refusal behind an error of aiohttp or fsspec, if there is one."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if isinstance(one, PrivateAddressError):
            return one
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            waiting += [one.__cause__, one.__context__, getattr(one, "os_error", None)]
    return None
