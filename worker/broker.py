"""The Redis URL in kombu's spelling, which takes a part of what redis-py takes."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from redis.connection import parse_url


def broker_url(redis_url: str) -> str:
    """The server, user, password and database of a Redis URL."""
    parts = urlsplit(redis_url)
    if parts.scheme == "unix":
        db = parse_qs(parts.query).get("db", ["0"])[0]
        return f"redis+socket://{parts.netloc}{parts.path}?virtual_host={db}"
    if not redis_url:
        return ""
    told = parse_url(redis_url)  # type: ignore[no-untyped-call]  # redis-py types a part
    user = quote(str(told.get("username", "")), safe="")
    password = quote(str(told.get("password", "")), safe="")
    login = f"{user}:{password}@" if user or password else ""
    host = str(told.get("host", "localhost"))
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{login}{host}:{told.get('port', 6379)}/{told.get('db', 0)}"


def broker_tls(redis_url: str) -> dict[str, Any] | None:
    """How Celery connects to rediss://, or None: without it kombu would check no certificate."""
    if urlsplit(redis_url).scheme != "rediss":
        return None
    told = parse_url(redis_url)  # type: ignore[no-untyped-call]  # likewise
    given = {name: value for name, value in told.items() if name.startswith("ssl_")}
    return {"ssl_cert_reqs": "required", "ssl_check_hostname": True, **given}
