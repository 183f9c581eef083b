"""What a request costs: `prices.yaml`, US dollars per million tokens."""

import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from datagen.errors import Problem, SpecError
from datagen.packaged import find_packaged

_DATED = re.compile(r"^-(?:\d{4}-\d{2}-\d{2}|\d{4,8}|latest)$")


class Price(BaseModel):
    """US dollars per 1,000,000 tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: float = Field(ge=0)
    completion: float = Field(ge=0)
    cached_prompt: float | None = Field(None, ge=0)
    """None: as dear as any prompt token."""

    def discount(self, share: float) -> "Price":
        """The price where `share` of it, in 0..1, is to be paid."""
        cached = None if self.cached_prompt is None else share * self.cached_prompt
        return Price(prompt=share * self.prompt, completion=share * self.completion, cached_prompt=cached)

    def cost(self, tokens: "Tokens") -> float:
        """US dollars for a request."""
        cached = self.prompt if self.cached_prompt is None else self.cached_prompt
        fresh = tokens.prompt - tokens.cached
        return (fresh * self.prompt + tokens.cached * cached + tokens.completion * self.completion) / 1e6


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of a request; `cached` of the `prompt` ones came from the endpoint's cache."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0

    @property
    def total(self) -> int:
        return self.prompt + self.completion


class PriceList(BaseModel):
    """Prices by model name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prices: dict[str, Price]
    batch_share: float = Field(0.5, ge=0, le=1)
    """Of its price, what a request in a batch costs. OpenAI's Batch API FAQ (2026): half, for every model."""

    def discount_batches(self) -> "PriceList":
        """The prices of requests in a batch."""
        return PriceList(prices={name: price.discount(self.batch_share) for name, price in self.prices.items()})

    def find(self, model: str) -> Price | None:
        """The price of a model or of the listed model that it is a dated version of; None if unknown."""
        for name in sorted(self.prices, key=len, reverse=True):
            if model == name or (model.startswith(name) and _DATED.match(model[len(name) :])):
                return self.prices[name]
        return None

    def price(self, tokens: Tokens | None, *models: str) -> float | None:
        """US dollars for a request to the first of these models whose price is known; None if none is."""
        price = next((found for model in models if (found := self.find(model)) is not None), None)
        return price.cost(tokens) if price and tokens else None


def load_prices(spec_file: Path) -> PriceList:
    """The list beside the spec, or the packaged one. Raises SpecError where it is not in form."""
    path = spec_file.parent / "prices.yaml"
    if not path.is_file():
        packaged = find_packaged("prices.yaml")
        if packaged is None:
            return PriceList(prices={})
        path = packaged
    try:
        return PriceList.model_validate(YAML(typ="safe").load(path.read_text(encoding="utf-8")))
    except (ValidationError, YAMLError, UnicodeDecodeError) as exc:
        hint = "one line a model: `gpt-4o: {prompt: 2.50, cached_prompt: 1.25, completion: 10.00}`"
        raise SpecError([Problem(str(path), None, f"not a price list: {exc}", hint)]) from exc
