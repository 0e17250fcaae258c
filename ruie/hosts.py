"""Which hosts a URL from outside may lead to: those with public addresses, and those allowed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

_HOST = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_UNICAST = IPv6Network("2000::/3")
"""All of IPv6 that is given out for use on the Internet."""
_NAT64 = IPv6Network("64:ff9b::/96")
_IPV4_COMPATIBLE = IPv6Network("::/96")


def checked_hosts(hosts: Sequence[str]) -> list[str]:
    """Names (`*.` for every host below one), addresses and networks, in lower case. Raises
    `ValueError` for anything else."""
    found = [host.strip().lower().strip("[]").rstrip(".") for host in hosts]
    for host in found:
        if not _network(host) and not (_HOST.fullmatch(host) and re.search("[a-z]", host)):
            raise ValueError(f"{host!r} is no host name, address or network")
    return found


def allows(hosts: Sequence[str], name: str, address: str) -> bool:
    """Whether a connection to `address`, found for the host `name`, may be made.

    hosts: as `checked_hosts` returns them.
    """
    name = name.lower().rstrip(".")
    found = ip_address(address.split("%")[0])
    if all(map(_public, _meant(found))):
        return True
    for host in hosts:
        network = _network(host)
        if network is None:
            if name == host or (host.startswith("*.") and name.endswith(host[1:])):
                return True
        elif any(meant.version == network.version and meant in network for meant in _meant(found)):
            return True
    return False


def _public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and address not in _UNICAST:
        return False
    return address.is_global and not address.is_multicast


def _meant(address: IPv4Address | IPv6Address) -> Iterator[IPv4Address | IPv6Address]:
    """The address, or the one that a packet to it reaches in the end."""
    if isinstance(address, IPv4Address):
        yield address
    elif address.ipv4_mapped:
        yield address.ipv4_mapped
    elif address in _NAT64:
        yield IPv4Address(int(address) & 0xFFFFFFFF)
    else:
        yield address
        if address.sixtofour:
            yield address.sixtofour
        if address.teredo:
            yield from address.teredo
        if address in _IPV4_COMPATIBLE and int(address) > 1:
            yield IPv4Address(int(address))


def _network(host: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(host, strict=False)
    except ValueError:
        return None
