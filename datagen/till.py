"""Ask within the budget: the most that a request can cost is set aside before it starts, then settled."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from datagen.answer import Answer
from datagen.budget import TOKENS_PER_CHARACTER, Budget, Spending
from datagen.errors import BudgetSpentError
from datagen.prices import PriceList
from datagen.prompt import Prompt
from datagen.provider import Call, Provider, StoppingError

REPLY_TOKENS = 500
"""What a reply is taken to have, for the pace alone."""


@dataclass(frozen=True, slots=True)
class Till:
    """A provider and the budget of its calls."""

    provider: Provider
    budget: Budget
    prices: PriceList
    wait_for_change: Callable[[], Awaitable[None]]
    """Returns when another request is over."""
    describe_stored: Callable[[], str]
    """What the run holds, for the message of a spent budget."""

    async def ask(self, call: Call) -> tuple[Answer, float | None]:
        """The answer, and what it cost in US dollars (None: unknown); `call` then tells what it took.

        Raises BudgetSpentError where it will never fit into the budget, and what `Provider.post` raises.
        """
        characters = call.prompt.characters
        estimate = await self._reserve(characters)
        try:
            answer = await self.provider.ask(call)
            cost = price_answer(self.prices, answer, self.provider.settings.model)
            self.budget.settle(characters, answer.tokens, cost, estimate)
        finally:
            self.budget.release(estimate)
        return answer, cost

    async def _reserve(self, characters: int) -> Spending:
        while True:
            estimate = self.budget.estimate(characters)
            if self.provider.stopping.is_set():
                raise StoppingError
            if self.budget.fits(estimate):
                self.budget.reserve(estimate)
                return estimate
            if self.budget.in_flight == 0:
                message = f"{self.budget.describe_spent(estimate)}; {self.describe_stored()}"
                raise BudgetSpentError(message, "run the same command again with a new budget to go on")
            await self.wait_for_change()


def price_answer(prices: PriceList, answer: Answer, model: str) -> float | None:
    """US dollars as the endpoint reported them, else by the price list, else None. `model`: as it was asked for."""
    if answer.cost_usd is not None:
        return answer.cost_usd
    return prices.price(answer.tokens, answer.model, model)


def prepare_call(prompt: Prompt) -> Call:
    """A call that has not been made yet."""
    return Call(prompt, int(prompt.characters * TOKENS_PER_CHARACTER) + REPLY_TOKENS)
