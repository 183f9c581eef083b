"""Ask a model about dialogues: judges, moderation, embeddings, with the pace, retries and budget of generation.

Whatever is answered is in the ledger before it counts, by a key of all that was asked; what was answered before is not
asked again.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from datagen.budget import TOKENS_PER_CHARACTER, Budget, Spending
from datagen.errors import BudgetSpentError
from datagen.generate import read_clock
from datagen.ledger import Ledger, StoredAnswer
from datagen.prices import PriceList
from datagen.provider import Answer, Call, GaveUpError, Post, Provider, RejectedRequestError, StoppingError

REPLY_TOKENS = 500
"""Tokens assumed of a reply for the pace, before it came."""


@dataclass(frozen=True, slots=True)
class Question:
    """One request. `key`: sha256 of all that decides the answer, the model among it."""

    key: str
    call: Call | Post
    characters: int
    """Of the request's text."""


@dataclass(slots=True)
class Asker:
    """Asks many questions of one kind. `read` makes an answer of a reply's body and the endpoint's host."""

    kind: str
    provider: Provider
    ledger: Ledger
    budget: Budget
    prices: PriceList
    read: Callable[[bytes, str], Answer]
    unanswered: dict[str, str] = field(default_factory=dict)
    """Key → reason, of questions that the endpoint refuses or never answered."""
    _error: BaseException | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def ask(self, questions: Sequence[Question], tell: Callable[[int], None] = lambda _: None) -> dict[str, str]:
        """Key → reply of all questions that could be answered; `tell` is called with the number of new answers.

        Raises BudgetSpentError, ProviderError, DataError; what was answered until then is stored.
        """
        replies = self.ledger.find_answers([question.key for question in questions])
        waiting = {question.key: question for question in questions if question.key not in replies}
        queue = list(waiting.values())[::-1]
        count = min(self.provider.settings.concurrency, len(queue))
        await asyncio.gather(*(self._work(queue, replies, tell) for _ in range(count)))
        if self._error is not None:
            raise self._error
        return replies

    async def _work(self, queue: list[Question], replies: dict[str, str], tell: Callable[[int], None]) -> None:
        while queue and self._error is None:
            question = queue.pop()
            try:
                replies[question.key] = await self._ask(question)
                tell(1)
            except (RejectedRequestError, GaveUpError) as exc:
                self.unanswered[question.key] = f"{exc.failure.reason}: {exc.failure.detail}"
            except StoppingError:
                return
            except Exception as exc:
                self._error = self._error or exc
                self.provider.stopping.set()
            self._changed.set()

    async def _ask(self, question: Question) -> str:
        estimate = await self._reserve(question.characters)
        answer: Answer | None = None
        cost: float | None = None
        try:
            answer = await self.provider.post(question.call, self.read)
            cost = self._price(answer)
        finally:
            if answer is not None:
                self.budget.settle(question.characters, answer.tokens, cost, estimate)
            self.budget.release(estimate)
        tokens = answer.tokens
        stored = StoredAnswer(
            key=question.key,
            kind=self.kind,
            model=answer.model or self.provider.settings.model,
            reply=answer.text,
            prompt_tokens=tokens.prompt if tokens else None,
            completion_tokens=tokens.completion if tokens else None,
            cost_usd=cost,
            asked_at=read_clock().isoformat(timespec="milliseconds"),
        )
        async with self._writing:
            await asyncio.to_thread(self.ledger.store_answers, [stored])
        return answer.text

    def _price(self, answer: Answer) -> float | None:
        if answer.cost_usd is not None:
            return answer.cost_usd
        return self.prices.price(answer.tokens, answer.model, self.provider.settings.model)

    async def _reserve(self, characters: int) -> Spending:
        while True:
            estimate = self.budget.estimate(characters)
            if self.budget.fits(estimate):
                self.budget.reserve(estimate)
                return estimate
            if self.budget.in_flight == 0:
                hint = "run the same command again with a new budget to go on"
                raise BudgetSpentError(self.budget.describe_spent(estimate), hint)
            self._changed.clear()
            await self._changed.wait()


def estimate_tokens(characters: int) -> int:
    """Tokens of a request and its reply, for the pace."""
    return int(characters * TOKENS_PER_CHARACTER) + REPLY_TOKENS
