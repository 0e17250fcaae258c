"""What it means that a request got no HTTP answer at all."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

from ruie.errors import AccountError, CallError, ItemError, TransientCallError, UnreachableError

CHECK = "Check RUIE_LLM_BASE_URL and that the server runs."


def unanswered_error(error: BaseException, url: str, timeout_s: float) -> CallError:
    """The error of a request to `url` that raised `error` before there was an answer.

    `UnreachableError`: no request reaches the endpoint, and nothing left this machine.
    `TransientCallError`: it was sent, and may have been charged.
    """
    causes = list(_causes(error))
    if (unsent := _not_sent(error)) is not None:
        return unsent
    if (why := _unreachable(causes, url)) is not None:
        reason, hint = why
        return UnreachableError(f"{url} cannot be reached: {reason}.", hint)
    if any(isinstance(cause, TimeoutError) for cause in causes):
        return TransientCallError(
            f"{url} did not answer within {timeout_s:g} s.",
            "Raise RUIE_LLM_TIMEOUT_S if the model is slow.",
            maybe_charged=True,
        )
    last = " ".join(str(causes[-1]).split())[:200] or type(causes[-1]).__name__
    return TransientCallError(
        f"{url} broke off the connection, or sent what is not HTTP: {last}.",
        "Check whether RUIE_LLM_BASE_URL has the right port, and http:// or https://.",
        maybe_charged=True,
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it comes from, the first cause last."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _not_sent(error: BaseException) -> CallError | None:
    """What of the request cannot be written into an HTTP message."""
    if isinstance(error, UnicodeEncodeError) and error.encoding.startswith("utf"):
        return ItemError("The text has half a surrogate pair, which cannot be sent as UTF-8.")
    if isinstance(error, UnicodeEncodeError) or (
        isinstance(error, ValueError) and "header" in str(error).lower()
    ):
        return AccountError(
            "The API key, or a header, has a character that no header may have.",
            "Set RUIE_LLM_API_KEY to the key alone, without line breaks or other letters.",
        )
    return None


def _unreachable(causes: list[BaseException], url: str) -> tuple[str, str] | None:
    """Why no request reaches the endpoint, and what to do about it; None if one may have."""
    import aiohttp
    import httpx2

    host = url.split("://")[-1].split("/")[0].split("@")[-1]
    for cause in reversed(causes):
        match cause:
            case ssl.SSLCertVerificationError():
                why = cause.verify_message or "certificate verify failed"
                hint = "Set RUIE_LLM_CA_FILE to the certificates of the authority that issued it."
                return f"its TLS certificate is not trusted ({why})", hint
            case aiohttp.ClientConnectorSSLError() | ssl.SSLError() if not _after_connect(causes):
                why = " ".join(str(getattr(cause, "reason", "") or cause).split())[:100]
                return f"no TLS there ({why})", "Is it http:// instead of https://?"
            case socket.gaierror():
                return f"the host {host} is not found", "Check RUIE_LLM_BASE_URL and the DNS."
            case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
                return f"the proxy does not let it through ({cause})", "Check HTTPS_PROXY."
            case ConnectionRefusedError():
                return f"nothing listens at {host}", CHECK
    for cause in causes:
        match cause:
            case httpx2.UnsupportedProtocol() | httpx2.InvalidURL():
                hint = "Write RUIE_LLM_BASE_URL as http://host:port/v1 or https://host/v1."
                return "that is not the address of an HTTP server", hint
            case httpx2.TooManyRedirects():
                return "it redirects again and again", CHECK
            case httpx2.ProxyError():
                return f"the proxy does not let it through ({cause})", "Check HTTPS_PROXY."
            case aiohttp.ClientConnectorError() | httpx2.ConnectError():
                return str(causes[-1]) or "the connection is closed at once", CHECK
            case aiohttp.ConnectionTimeoutError():
                return f"{host} does not accept a connection", CHECK
    return None


def _after_connect(causes: list[BaseException]) -> bool:
    """Whether a connection was made before TLS failed: the request may have been sent."""
    import aiohttp

    connecting = (aiohttp.ClientConnectorError, aiohttp.ClientConnectorSSLError)
    return not any(isinstance(cause, connecting) for cause in causes)
