"""What limits are made of."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from ruie.db.jobs import Priority

MARKER = "ruie:coordinator:marker"
"""The Redis key that says: nothing was forgotten."""


WEIGHTS = {Priority.LIVE: 16, Priority.NORMAL: 4, Priority.BACKFILL: 1}
"""Shares of a quota while several classes wait for it; who waits alone has all of it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """For each endpoint and model; 0 means no limit, or what the provider's headers tell.

    Tokens are input and output together, or apart, as the provider counts. burst_s: how much may
    go out at once, in seconds' worth of a limit (one request always may). In any second goes out
    one second's worth and the burst: 0 is for a provider that counts seconds strictly, and costs a
    little of the quota where processes are busy.
    """

    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    input_tokens_per_minute: int = 0
    output_tokens_per_minute: int = 0
    calls_in_flight: int = 0
    burst_s: float = 0.25

    @property
    def per_minute(self) -> tuple[int, int, int, int]:
        """In the order of the script: requests, input, output, total."""
        return (
            self.requests_per_minute,
            self.input_tokens_per_minute,
            self.output_tokens_per_minute,
            self.tokens_per_minute,
        )


UNLIMITED = Limits()


@dataclass(frozen=True, slots=True)
class Permit:
    """An admission: what was reserved, and where in the window it stands."""

    id: str
    slot: int
    prompt_tokens: int
    completion_tokens: int


FREE = Permit("", 0, 0, 0)
"""The permit where nothing binds: there is nothing to settle."""


def keys(endpoint: str, model: str) -> tuple[str, str, str]:
    """The Redis keys of an endpoint and model: state, window, flight."""
    name = hashlib.sha256(f"{endpoint.rstrip('/')}\n{model}".encode()).hexdigest()[:24]
    return f"ruie:limit:{name}:state", f"ruie:limit:{name}:window", f"ruie:limit:{name}:flight"
