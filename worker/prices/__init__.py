"""What a model's tokens cost: by the setting `llm_prices`, else as `genai-prices` lists it."""

from ruie.worker.prices.cost import cost_nusd, most_nusd, usage_nusd
from ruie.worker.prices.lookup import price_of
from ruie.worker.prices.price import Hours, Price

__all__ = ["Hours", "Price", "cost_nusd", "most_nusd", "price_of", "usage_nusd"]
