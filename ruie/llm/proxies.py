"""The proxy of the environment through which an endpoint is reached."""

from __future__ import annotations

import ipaddress
import urllib.request
from urllib.parse import urlsplit

from ruie.errors import UnreachableError
from ruie.secrets import bare_url


def proxy_for(url: str) -> str | None:
    """The proxy that HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY name for a URL, or None.

    A loopback address is never reached through a proxy: there the local model answers. Raises
    `UnreachableError` for a proxy of another kind than HTTP.
    """
    parts = urlsplit(url)
    host, proxies = parts.hostname or "", urllib.request.getproxies()
    named = next((name for name in (parts.scheme, "all") if proxies.get(name)), None)
    if named is None or _is_direct(host, parts.port, proxies.get("no", "")):
        return None
    proxy = proxies[named] if "://" in proxies[named] else f"http://{proxies[named]}"
    if not proxy.startswith(("http://", "https://")):
        variable = f"{named.upper()}_PROXY"
        raise UnreachableError(
            f"{variable} is {bare_url(proxy)}, and only HTTP proxies can be used.",
            f"Set {variable} to one (http://HOST:PORT), or name {host} in NO_PROXY.",
        )
    return proxy


def _is_direct(host: str, port: int | None, no_proxy: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if address is not None and address.is_loopback:
        return True
    for entry in no_proxy.split(","):
        name = entry.strip().lower().removeprefix("*").removeprefix(".")
        if entry.strip() == "*":
            return True
        if not name:
            continue
        if name in (host, f"{host}:{port}") or host.endswith(f".{name}"):
            return True
        if address is not None and _holds(name.strip("[]"), address):
            return True
    return False


def _holds(network: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
