"""Secrets, and the one place that masks them: whatever is printed, logged or stored passes here.

A secret is known (a key, a password or a header's value that a setting or the environment holds) or
is recognised by where it stands: in a URL, after `password=`, after `Bearer`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote

MASK = "***"
SHORTEST = 4
"""Characters. A shorter secret is masked in a URL alone: elsewhere it could be any word."""
ANYWHERE = 8
"""Characters from which on a secret is masked also inside a word, unless it is itself a word."""

# Parameters that grant access and do not identify the object: those of signed URLs of S3, Google
# Cloud Storage, CloudFront and Azure, and others of such names.
_ACCESS = re.compile(
    r"x-(amz|goog)-.*|awsaccesskeyid|googleaccessid|signature|sig"
    r"|.*(token|secret|passw(or)?d|pwd|auth|credential|api[-_]?key|access[-_]?key|session|jwt).*",
    re.IGNORECASE,
)
_BESIDE_A_SIGNATURE = re.compile(
    r"expires|policy|key-pair-id|s(e|p|v|r|s|t|rt|pr|ip|kt|ke|ks|kv|koid|ktid|dd)", re.IGNORECASE
)
# Some services name an object so, others a secret.
_AMBIGUOUS = re.compile(r"key|code", re.IGNORECASE)
_KEY = re.compile(r".*[-_]key", re.IGNORECASE)
# Of libpq: they say how, not with what.
_HARMLESS = frozenset({"target_session_attrs", "require_auth"})
# With HTTP a user without a password is a credential too; elsewhere it may be a container.
_USER = re.compile(r"(?<=://)[^/\s?#@:]*:[^/\s?#]*@|((?<=http://)|(?<=https://))[^/\s?#]*@")
_QUERY = re.compile(r"\?([^\s'\"<>?]+)")
_DIGEST = re.compile(r"~[0-9a-f]{8}")

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s'\"<>]+")
# As a path that was made of a URL has it.
_COLLAPSED = re.compile(
    r"\b(https?|s3a?|gs|gcs|az|abfss?|ftp|rediss?|postgresql):/(?!/)([^\s'\"<>]+)", re.IGNORECASE
)
# A password whose "/", "?" or "#" was not percent-encoded: what follows is no port.
_UNENCODED = re.compile(r"(?<=://)([^\s/?#@:\[]{0,200}):(?!\d{1,5}(?:[/?#]|$))([^\s'\"]{0,300})@")
_OTHER_KEY = re.compile(r"([?&][\w.-]{0,60}[-_]key)=[^&]*", re.IGNORECASE)
_TEMPLATE = re.compile(r"://USER:PASSWORD@")
_NAMED = re.compile(
    r"(?i)(?<![A-Za-z0-9])(passw(?:or)?d|pwd|secret|api[-_]?key|access[-_]?key|account[-_]?key"
    r"|access[-_]?token|sig|signature)=([^\s&'\",;)]+)"
)
_BEARER = re.compile(r"\b(Bearer|Basic) [A-Za-z0-9._~+/=-]{12,}")
_NAMES_A_SECRET = re.compile(r"(?i).*(passw(or)?d|secret|token|api_?key|access_?key)")

# Of OpenTelemetry: where it sends, and with which headers, as `name=value,…`.
_OTLP_URL = re.compile(r"OTEL_EXPORTER_OTLP_([A-Z]+_)?ENDPOINT")
_OTLP_HEADERS = re.compile(r"OTEL_EXPORTER_OTLP_([A-Z]+_)?HEADERS")

_WORD = re.compile(r"[A-Za-z]{1,15}")
_PLACEHOLDERS = frozenset(
    {"none", "null", "true", "false", "empty", "dummy", "unused", "ollama", "lm-studio", "no-key"}
)
"""What is written as a key where a server wants none: masked, they would be missing everywhere."""

_lock = threading.Lock()
_known: set[str] = set()
_found: re.Pattern[str] | None = None


def masked(text: str) -> str:
    """The text without any known secret, and without the credentials of any URL in it."""
    text = without_known(text)
    if ":/" in text:
        text = _COLLAPSED.sub(_restored, text)
        text = _URL.sub(lambda url: _shown(url[0]), text)
    if "=" in text:
        text = _NAMED.sub(rf"\1={MASK}", text)
    return _BEARER.sub(rf"\1 {MASK}", text)


def without_known(text: str) -> str:
    """The text with `***` for each known secret."""
    pattern = _found
    return text if pattern is None else pattern.sub(MASK, text)


def without_known_in(value: Any) -> Any:
    """A JSON document with `***` for each known secret in its texts."""
    if isinstance(value, str):
        return without_known(value)
    if isinstance(value, Mapping):
        return {name: without_known_in(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [without_known_in(part) for part in value]
    return value


def remember(*values: str) -> None:
    """From here on each of these is a known secret."""
    global _found
    long_enough = {value.strip() for value in values if len(value.strip()) >= SHORTEST}
    new = {value for value in long_enough if value.lower() not in _PLACEHOLDERS} - _known
    if not new:
        return
    with _lock:
        _known.update(new)
        spellings = {spelling for value in _known for spelling in _spellings(value)}
        ordered = sorted(spellings, key=len, reverse=True)
        _found = re.compile("|".join(_searched(spelling) for spelling in ordered))


def remember_header(name: str, value: str) -> None:
    """From here on this header's value is a known secret, unless it is a word, such as the name of
    a team, in a header that is not named after secrets."""
    if _ACCESS.fullmatch(name) or "key" in name.lower() or not _WORD.fullmatch(value.strip()):
        remember(value, value.rpartition(" ")[2])  # without "Bearer"


def remember_url(url: str) -> None:
    """From here on the credentials of this URL are known secrets."""
    authority = re.split(r"[/?#]", url.partition("://")[2], maxsplit=1)[0]
    if "@" in authority:
        user, _, password = authority.rpartition("@")[0].partition(":")
    elif odd := _UNENCODED.search(url):
        user, password = odd.groups()
        remember(*re.split(r"[/?#@:]", password))  # a library repeats parts of it
    else:
        user = password = ""
    if password and unquote(password) not in (unquote(user), url.rpartition("/")[2]):
        remember(password, unquote(password))
    if password or (user and url.startswith("http")):
        pair = f"{unquote(user)}:{unquote(password)}"
        remember(base64.b64encode(pair.encode()).decode(), *([] if password else [user]))
    for name, value in parse_qsl(url.partition("?")[2].partition("#")[0]):
        if _grants(name):
            remember(value)


def remember_environment(environment: Mapping[str, str], proxies: Iterable[str] = ()) -> None:
    """The values of variables such as PGPASSWORD and AWS_SECRET_ACCESS_KEY, proxies' users, and
    what OpenTelemetry's exporters are told of where to send."""
    for name, value in environment.items():
        if _NAMES_A_SECRET.fullmatch(name):
            remember(value)
        elif _OTLP_URL.fullmatch(name):
            remember_url(value)
        elif _OTLP_HEADERS.fullmatch(name):
            for header in value.split(","):
                header_name, _, secret = header.partition("=")
                remember_header(header_name.strip(), unquote(secret.strip()))
    for proxy in proxies:
        remember_url(proxy if "://" in proxy else f"http://{proxy}")


def without_credentials(text: str) -> str:
    """A URL, or a text with URLs in it, without users, passwords and signatures. A source is named
    so: two objects have two names, and one object has the same name with another signature."""
    return _QUERY.sub(_unsigned, _USER.sub("", text))


def bare_url(url: str) -> str:
    """A URL without user, password, query and fragment: what is learned of an endpoint is stored
    under it, whatever the key."""
    return re.sub(r"^([^/?#]*//)?[^/?#@]*@", r"\1", re.split(r"[?#]", url, maxsplit=1)[0])


def _unsigned(query: re.Match[str]) -> str:
    parts = [(unquote(part.partition("=")[0]), part) for part in query[1].split("&")]
    signed = any(name.lower() in ("sig", "signature") for name, _ in parts)
    kept = []
    for name, part in parts:
        if _ACCESS.fullmatch(name) or (signed and _BESIDE_A_SIGNATURE.fullmatch(name)):
            continue
        if _AMBIGUOUS.fullmatch(name) and not _DIGEST.fullmatch(part.partition("=")[2]):
            part = f"{name}=~{digest(part)}"
        kept.append(part)
    return f"?{'&'.join(kept)}" if kept else ""


def digest(text: str) -> str:
    """Eight characters that tell one text from another."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _shown(url: str) -> str:
    if _TEMPLATE.search(url):
        return url
    return _OTHER_KEY.sub(rf"\1={MASK}", without_credentials(_UNENCODED.sub("", url)))


def _restored(collapsed: re.Match[str]) -> str:
    """The URL, if it has something to hide; else what stands there."""
    url = f"{collapsed[1]}://{collapsed[2]}"
    return collapsed[0] if _shown(url) == url else url


def _grants(name: str) -> bool:
    rules = (_ACCESS, _AMBIGUOUS, _KEY)
    return name not in _HARMLESS and any(rule.fullmatch(name) for rule in rules)


def _spellings(value: str) -> set[str]:
    """The secret as it is, in a URL, in JSON and in Python's `repr`."""
    return {value, quote(value, safe=""), quote(value), quote_plus(value),
            json.dumps(value)[1:-1], repr(value)[1:-1]}  # fmt: skip  # a set


def _searched(spelling: str) -> str:
    exact = re.escape(spelling)
    if len(spelling) >= ANYWHERE and not _WORD.fullmatch(spelling):
        return exact
    return rf"(?<![A-Za-z0-9]){exact}(?![A-Za-z0-9])"
