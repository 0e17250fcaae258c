"""What a metered endpoint counts, charges and refuses, and how it fails; pure, with the time passed
in.

Tokens are counted by a rule of its own, which no client shares: in a prompt one for every 5
characters of a message, rounded up, and 3 more for each message; in an answer one for every 4
characters, rounded up.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

MINUTE_S = 60.0
FAULTS = (
    "429 seconds",
    "429 date",
    "429 bare",
    "500",
    "503",
    "hang",
    "cut",
    "garbage",
    "half",
    "empty",
    "type",
    "length",
)
MIXED = (*FAULTS, *(2 * [kind for kind in FAULTS if not kind.startswith("429")]))
"""Each 429 a third as often as the others: it slows the whole fleet down for seconds."""
BILLED_FAULTS = ("hang", "cut", "garbage", "half", "empty", "type", "length")
"""The model did its work, which is charged for, whatever became of the answer."""


def prompt_tokens(messages: Sequence[Mapping[str, str]]) -> int:
    return sum(-(-len(message["content"]) // 5) + 3 for message in messages)


def answer_tokens(text: str) -> int:
    return -(-len(text) // 4)


@dataclass(frozen=True)
class Quota:
    """Enforced in every sliding minute, and every sliding second. 0: no limit."""

    requests: int = 0
    tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    requests_per_second: int = 0
    in_flight: int = 0


@dataclass(frozen=True)
class Used:
    """What one request used, by the endpoint's count, and what it is charged. cached, written: of
    the prompt's tokens; reasoning: of the completion's."""

    completion: int
    cached: int = 0
    written: int = 0
    reasoning: int = 0
    tier: str = ""
    nusd: int = 0


@dataclass(frozen=True)
class Plan:
    """How the endpoint behaves. Times in seconds, prices in billionths of a dollar a token.

    faults: the share of requests that get one of `kinds`; the same prompt at most `most` times,
    so that no item is given up by bad luck (0: always). retry_after: what a scripted 429 asks for.
    caches: whether a part of each prompt is read from a cache and another written to it, and the
    model thinks in what an answer leaves of its limit. flex: the share of requests for that tier
    that are served in it, at half the price.
    """

    quota: Quota = Quota()
    delay_s: tuple[float, float] = (0.05, 0.25)
    seed: int = 1
    faults: float = 0.0
    kinds: Sequence[str] = FAULTS
    most: int = 2
    retry_after: int = 1
    tell_limits: bool = False
    input_nusd: int = 0
    output_nusd: int = 0
    caches: bool = False
    cached_nusd: int = 0
    cache_write_nusd: int = 0
    flex: float = 0.0

    def fault(self, prompt: str, nth: int) -> str:
        """The fault of the `nth` request (from 0) for a prompt, or "": a function of the seed."""
        draw = random.Random(f"{self.seed}:{prompt}:{nth}")
        if nth >= self.most > 0 or draw.random() >= self.faults:
            return ""
        return draw.choice(list(self.kinds))

    def delay(self, prompt: str, nth: int) -> float:
        return random.Random(f"delay:{self.seed}:{prompt}:{nth}").uniform(*self.delay_s)

    def used(self, request: str, prompt: int, completion: int, most: int, tier: str) -> Used:
        """What a request used that got an answer of `completion` tokens where `most` were allowed,
        and the charge: a function of the seed and the request."""
        draw = random.Random(f"used:{self.seed}:{request}")
        cached = draw.randint(0, prompt // 2) if self.caches else 0
        written = draw.randint(0, prompt // 2) if self.caches else 0
        reasoning = draw.randint(0, most - completion) if self.caches and most > completion else 0
        if tier:
            tier = "flex" if tier == "flex" and draw.random() < self.flex else "default"
        nusd = (
            (prompt - cached - written) * self.input_nusd
            + cached * self.cached_nusd
            + written * self.cache_write_nusd
            + (completion + reasoning) * self.output_nusd
        )
        charge = nusd // 2 if tier == "flex" else nusd
        return Used(completion + reasoning, cached, written, reasoning, tier, charge)


@dataclass
class Charge:
    """What one admitted request holds of the quota: its answer's part is settled at its end."""

    at: float
    input_tokens: int
    output_tokens: int


@dataclass
class Meter:
    """The quota's state. A request is admitted whole, or refused at no cost."""

    quota: Quota
    in_flight: int = 0
    _minute: deque[Charge] = field(default_factory=deque)
    _second: deque[float] = field(default_factory=deque)
    _input: int = 0
    _output: int = 0

    def admit(self, now: float, prompt: int, most: int) -> Charge | str:
        """Reserve for `prompt` tokens and an answer of at most `most`; or what is exhausted."""
        while self._minute and self._minute[0].at <= now - MINUTE_S:
            gone = self._minute.popleft()
            self._input -= gone.input_tokens
            self._output -= gone.output_tokens
        while self._second and self._second[0] <= now - 1.0:
            self._second.popleft()
        quota = self.quota
        held = {
            "requests": (len(self._minute) + 1, quota.requests),
            "input tokens": (self._input + prompt, quota.input_tokens),
            "output tokens": (self._output + most, quota.output_tokens),
            "tokens": (self._input + self._output + prompt + most, quota.tokens),
            "requests a second": (len(self._second) + 1, quota.requests_per_second),
            "in flight": (self.in_flight + 1, quota.in_flight),
        }
        for name, (amount, limit) in held.items():
            if limit and amount > limit:
                return name
        charge = Charge(now, prompt, most)
        self._minute.append(charge)
        self._second.append(now)
        self._input += prompt
        self._output += most
        self.in_flight += 1
        return charge

    def settle(self, charge: Charge, completion: int) -> None:
        """The request has ended: only what was answered counts from here on."""
        self.in_flight -= 1
        if self._minute and charge.at >= self._minute[0].at:
            self._output += completion - charge.output_tokens
        charge.output_tokens = completion

    def headers(self, now: float) -> dict[str, str]:
        """`x-ratelimit-*` in OpenAI's format."""
        left = self._minute[0].at + MINUTE_S - now if self._minute else 0.0
        limits = {
            "requests": (self.quota.requests, len(self._minute)),
            "tokens": (self.quota.tokens, self._input + self._output),
        }
        headers: dict[str, str] = {}
        for name, (limit, used) in limits.items():
            if limit:
                headers[f"x-ratelimit-limit-{name}"] = str(limit)
                headers[f"x-ratelimit-remaining-{name}"] = str(max(0, limit - used))
                headers[f"x-ratelimit-reset-{name}"] = f"{left:.3f}s"
        return headers
