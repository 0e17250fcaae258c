"""What the limiter is configured with, and what it shares with script.lua."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from ruie.db.jobs import Priority
from ruie.settings import Settings

MARKER = "ruie:coordinator:marker"
"""The Redis key that is there as long as Redis has forgotten nothing."""

SLOTS_PER_S = 4
"""What is admitted in one slot leaves the window together."""
WINDOW_S = 61
"""A minute, and a second for the way to the endpoint."""
EXPIRE_S = 7200
"""How long Redis keeps the state of an endpoint and model that is no longer called."""

WEIGHTS = {Priority.LIVE: 16, Priority.NORMAL: 4, Priority.BACKFILL: 1}
"""Shares of a quota while several classes wait for it; one that waits alone has all of it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """For each endpoint and model; 0: the limit in the provider's headers, if any.

    Tokens are input and output together, or apart, as the provider counts. burst_s: how much may
    go out at once, in seconds' worth of a limit (one request always may). In any second at most
    one second's worth and the burst go out: 0 is for a provider that counts seconds strictly, and
    costs a little of the quota where processes are busy.
    """

    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    input_tokens_per_minute: int = 0
    output_tokens_per_minute: int = 0
    calls_in_flight: int = 0
    burst_s: float = 0.25

    @classmethod
    def of(cls, config: Settings) -> Limits:
        """As they are configured."""
        return cls(
            requests_per_minute=config.llm_requests_per_minute,
            tokens_per_minute=config.llm_tokens_per_minute,
            input_tokens_per_minute=config.llm_input_tokens_per_minute,
            output_tokens_per_minute=config.llm_output_tokens_per_minute,
            calls_in_flight=config.llm_calls_in_flight,
            burst_s=config.llm_burst_s,
        )

    @property
    def per_minute(self) -> tuple[int, int, int, int]:
        """In the order of script.lua: requests, input, output, total."""
        return (
            self.requests_per_minute,
            self.input_tokens_per_minute,
            self.output_tokens_per_minute,
            self.tokens_per_minute,
        )


UNLIMITED = Limits()


@dataclass(frozen=True, slots=True)
class Permit:
    """An admission: what was reserved, and in which slot of the window."""

    id: str
    slot: int
    prompt_tokens: int
    completion_tokens: int


FREE = Permit("", 0, 0, 0)
"""The permit where no limit applies: there is nothing to settle."""


def keys(endpoint: str, model: str) -> tuple[str, str, str]:
    """The Redis keys of an endpoint and model: state, window, flight."""
    name = hashlib.sha256(f"{endpoint.rstrip('/')}\n{model}".encode()).hexdigest()[:24]
    return f"ruie:limit:{name}:state", f"ruie:limit:{name}:window", f"ruie:limit:{name}:flight"
