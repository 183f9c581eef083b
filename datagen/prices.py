"""What a request costs: `prices.yaml`, US dollars per million tokens, or per million characters of speech."""

import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from datagen.errors import Problem, SpecError
from datagen.packaged import find_packaged

_DATED = re.compile(r"^-(?:\d{4}-\d{2}-\d{2}|\d{4,8}|latest)$")


class Price(BaseModel):
    """US dollars per 1,000,000 tokens, or characters where these are what is billed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: float = Field(ge=0)
    completion: float = Field(ge=0)
    characters: float | None = Field(None, ge=0)
    """Of the text that is to be spoken; with it there is no price for tokens."""
    cached_prompt: float | None = Field(None, ge=0)
    """None: as dear as any prompt token."""

    @model_validator(mode="before")
    @classmethod
    def _has_one_measure(cls, data: object) -> object:
        if not isinstance(data, dict) or "characters" not in data:
            return data
        if others := sorted(data.keys() & {"prompt", "completion", "cached_prompt"}):
            raise ValueError(f"characters and {', '.join(others)}: a model is billed by the one or the other")
        return {**data, "prompt": 0, "completion": 0}

    def discount(self, share: float) -> "Price":
        """The price where `share` of it, in 0..1, is to be paid."""
        cached = None if self.cached_prompt is None else share * self.cached_prompt
        characters = None if self.characters is None else share * self.characters
        less = {"prompt": share * self.prompt, "completion": share * self.completion}
        return self.model_copy(update={**less, "cached_prompt": cached, "characters": characters})

    def cost(self, tokens: "Tokens", characters: int = 0) -> float:
        """US dollars for a request with so many characters of text."""
        if self.characters is not None:
            return characters * self.characters / 1e6
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

    def price(self, tokens: Tokens | None, *models: str, characters: int = 0) -> float | None:
        """US dollars for a request to the first of these models whose price is known; None if none is."""
        price = next((found for model in models if (found := self.find(model)) is not None), None)
        if price is not None and price.characters is not None:
            return price.cost(Tokens(), characters)
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
