"""What a model's tokens cost: the rates of a call, and what they depend on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens. Where they depend on the hour, the dearest."""

    input: float
    output: float
    stated: str = field(default="RUIE_LLM_PRICES", compare=False)
    """Where the price is from."""
    cached: float | None = None
    """Of input read from the provider's cache; None: as other input."""
    cache_write: float | None = None
    """Of input written to the provider's cache; None: as other input."""
    cache_write_1h: float | None = None
    """Of that, where it is to last an hour; None: as other that is written."""
    call: float = 0.0
    """US dollars for each call, beside its tokens."""
    above: tuple[tuple[int, Price], ...] = ()
    """What a prompt of more than so many tokens costs, shortest first."""
    hours: tuple[Hours, ...] = ()
    """What is charged when, if that is not the same all day; the last that holds is meant."""
    tiers: Mapping[str, Price] = field(default_factory=dict)
    """Of each service tier that has prices of its own."""

    @property
    def cached_rate(self) -> float:
        return self.input if self.cached is None else self.cached

    @property
    def cache_write_rate(self) -> float:
        return self.input if self.cache_write is None else self.cache_write

    @property
    def cache_write_1h_rate(self) -> float:
        return self.cache_write_rate if self.cache_write_1h is None else self.cache_write_1h

    @property
    def free(self) -> bool:
        """Whether nothing that can be charged costs anything."""
        cache = (self.cached, self.cache_write, self.cache_write_1h)
        own = (self.input, self.output, *cache, self.call)
        return not any(own) and all(price.free for price in self._others())

    def said_by(self, stated: str) -> Price:
        """The same, stated by somebody else."""
        return replace(
            self,
            stated=stated,
            above=tuple((tokens, price.said_by(stated)) for tokens, price in self.above),
            hours=tuple(replace(h, price=h.price.said_by(stated)) for h in self.hours),
            tiers={tier: price.said_by(stated) for tier, price in self.tiers.items()},
        )

    def during(self, began: datetime, ended: datetime) -> Price:
        """What is charged for a call that began and ended then: which of the two counts is not
        known, so it is the dearer."""
        if not self.hours:
            return self
        held = [self._at(began), self._at(ended)]
        return replace(dearest(held), tiers=self.tiers)

    def charged(self, prompt_tokens: int, tier: str = "") -> Price:
        """What a prompt of this length costs in a service tier; one without a price of its own
        costs what the others do."""
        price = self.tiers.get(tier, self)
        for tokens, longer in price.above:
            if prompt_tokens > tokens:
                price = longer
        return price

    def possible(self, prompt_tokens: int, tier: str = "") -> Iterator[Price]:
        """Every price that a prompt of at most so many tokens may have, if that tier is asked
        for."""
        batch = self.tiers.get(tier) if tier == "batch" else None
        # a call in the tier flex may be charged as any other
        for price in (batch,) if batch else (self, self.tiers.get(tier)):
            if price is not None:
                yield price
                yield from (longer for tokens, longer in price.above if prompt_tokens > tokens)

    def _at(self, moment: datetime) -> Price:
        held = [h.price for h in self.hours if h.holds(moment.time())]
        return held[-1] if held else self

    def _others(self) -> Iterator[Price]:
        yield from (price for _, price in self.above)
        yield from (hours.price for hours in self.hours)
        yield from self.tiers.values()


@dataclass(frozen=True, slots=True)
class Hours:
    """A price for a part of each day, in UTC; from `start` to `start`, the whole day."""

    start: time
    end: time
    price: Price

    def holds(self, moment: time) -> bool:
        if self.start < self.end:
            return self.start <= moment < self.end
        return moment >= self.start or moment < self.end


def dearest(prices: Sequence[Price]) -> Price:
    """Of each kind of token the dearest of some prices. What else the first says is kept."""
    return replace(
        prices[0],
        input=max(p.input for p in prices),
        output=max(p.output for p in prices),
        cached=max(p.cached_rate for p in prices),
        cache_write=max(p.cache_write_rate for p in prices),
        cache_write_1h=max(p.cache_write_1h_rate for p in prices),
        call=max(p.call for p in prices),
    )
