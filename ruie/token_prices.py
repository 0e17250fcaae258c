"""What a model's tokens cost, as the setting `llm_prices` states it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

UsdPerMillion = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class TokenPrices(BaseModel):
    """What a model's tokens cost, USD per million; what is left out costs what other input does."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: UsdPerMillion
    output: UsdPerMillion
    cached: UsdPerMillion | None = None
    """Of input read from the provider's cache."""
    cache_write: UsdPerMillion | None = None
    """Of input written to the provider's cache."""
    cache_write_1h: UsdPerMillion | None = None
    """Of that, where it is to last an hour (Anthropic); by default as other that is written."""
    flex: ModelPrices | None = None
    """In the service tier "flex"."""
    batch: ModelPrices | None = None
    """In a batch."""


def _form(prices: object) -> str:
    return "by name" if isinstance(prices, dict | TokenPrices) else "in and out"


ModelPrices = Annotated[
    Annotated[tuple[UsdPerMillion, UsdPerMillion], Tag("in and out")]
    | Annotated[TokenPrices, Tag("by name")],
    Discriminator(_form),
]
