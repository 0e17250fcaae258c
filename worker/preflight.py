"""Checks of the servers the fleet needs, each with what to do where it fails."""

from __future__ import annotations

import logging

from redis import Redis
from redis.exceptions import AuthenticationError, RedisError, ResponseError

from ruie.errors import SettingsError, UnavailableError
from ruie.secrets import masked

log = logging.getLogger("ruie.servers")


def check_redis(url: str) -> str:
    """Reach Redis and check its eviction policy: "noeviction", or "" where it may not be read.

    Raises `UnavailableError` if it does not answer, `SettingsError` if the URL is wrong or the
    policy would drop messages.
    """
    try:
        client = Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5)
    except ValueError as error:
        raise SettingsError(
            f"RUIE_REDIS_URL is wrong: {error}.", "It looks like redis://host:6379/0."
        ) from None
    server = masked(url).partition("://")[2]
    try:
        client.ping()
    except AuthenticationError:
        raise UnavailableError(
            f"Redis at {server} refuses the password.", "Correct RUIE_REDIS_URL."
        ) from None
    except (RedisError, OSError, ValueError) as error:
        raise UnavailableError(
            f"Redis at {server} does not answer ({str(error).rstrip('.')}).", _hint(str(error))
        ) from None
    try:
        policy = str(client.config_get("maxmemory-policy").get("maxmemory-policy", ""))
    except (ResponseError, RedisError):
        # hosted servers forbid CONFIG
        log.warning("Redis does not show its eviction policy; it must be noeviction")
        return ""
    finally:
        client.close()
    if policy != "noeviction":
        raise SettingsError(
            f"Redis at {server} evicts keys when its memory is full (maxmemory-policy {policy}).",
            "Set it: redis-cli CONFIG SET maxmemory-policy noeviction",
        )
    return policy


def _hint(said: str) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return (
            "Name the host as its certificate does, and the authority that signed it:"
            " RUIE_REDIS_URL=rediss://HOST:PORT/0?ssl_ca_certs=FILE."
        )
    return "Start it, or correct RUIE_REDIS_URL."
