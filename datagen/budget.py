"""Money and tokens: a request is reserved before it starts, at the most it can cost, and settled when it is over.

So what is spent and what is in flight never pass the budget together. Pure bookkeeping; `generate` does the waiting.
"""

from dataclasses import dataclass, field

from datagen.prices import Price, Tokens

TOKENS_PER_CHARACTER = 0.8
"""Korean under o200k_base: OpenAI's "Hello GPT-4o" (2024-05-13) gives 45 tokens for a sentence of 57 characters."""

UNSEEN_DENSITY = 1.2
"""Tokens a character assumed for reservations until the first reply: above any that o200k_base or cl100k_base needs."""

MARGIN = 1.1
"""By how much the prompts to come may be denser in tokens than the densest seen."""


@dataclass(frozen=True, slots=True)
class Spending:
    """An amount of both."""

    usd: float = 0.0
    tokens: int = 0


@dataclass(slots=True)
class Budget:
    """What may be spent, what was, and what is reserved. Limits of None do not bind."""

    limit_usd: float | None
    limit_tokens: int | None
    price: Price | None
    max_completion_tokens: int
    spent: Spending = field(default_factory=Spending)
    reserved: Spending = field(default_factory=Spending)
    in_flight: int = 0
    _densest: float | None = None
    _dearest_usd: float = 0.0

    def estimate(self, prompt_characters: int, price_share: float = 1.0) -> Spending:
        """The most that a request can cost: its prompt by the densest text seen, and the longest reply allowed.

        `price_share`: how much of the price is to be paid for it, in 0..1.
        """
        prompt = int(prompt_characters * MARGIN * (self._densest or UNSEEN_DENSITY)) + 64
        most = Tokens(prompt, self.max_completion_tokens)
        usd = price_share * self.price.cost(most, prompt_characters) if self.price else 0.0
        return Spending(max(usd, self._dearest_usd), prompt + self.max_completion_tokens)

    def fits(self, estimate: Spending) -> bool:
        usd = self.spent.usd + self.reserved.usd + estimate.usd
        tokens = self.spent.tokens + self.reserved.tokens + estimate.tokens
        return (self.limit_usd is None or usd <= self.limit_usd) and (
            self.limit_tokens is None or tokens <= self.limit_tokens
        )

    def reserve(self, estimate: Spending) -> None:
        self.reserved = _add(self.reserved, estimate)
        self.in_flight += 1

    def release(self, estimate: Spending) -> None:
        """The request is over, whatever became of it."""
        self.reserved = _add(self.reserved, Spending(-estimate.usd, -estimate.tokens))
        self.in_flight -= 1

    def settle(self, prompt_characters: int, tokens: Tokens | None, usd: float | None, estimate: Spending) -> None:
        """Book a reply as billed; where the endpoint does not say, at the most that it can have cost."""
        billed = Spending(estimate.usd if usd is None else usd, estimate.tokens if tokens is None else tokens.total)
        self.spent = _add(self.spent, billed)
        self._dearest_usd = max(self._dearest_usd, usd or 0.0)
        if prompt_characters and tokens and tokens.prompt:
            self._densest = max(self._densest or 0.0, tokens.prompt / prompt_characters)

    def describe_spent(self, next_one: Spending) -> str:
        """In words: the limit, what was used, and what the request that did not fit could have taken."""
        in_usd = self.limit_usd is not None
        limit = f"${self.limit_usd:,.2f}" if in_usd else f"{self.limit_tokens:,} tokens"
        used = f"${self.spent.usd:,.4f}" if in_usd else f"{self.spent.tokens:,} tokens"
        cost = f"${next_one.usd:,.4f}" if in_usd else f"{next_one.tokens:,} tokens"
        return f"the budget of {limit} is spent: {used} used in this call, the next request could take {cost}"


def _add(left: Spending, right: Spending) -> Spending:
    return Spending(left.usd + right.usd, left.tokens + right.tokens)
