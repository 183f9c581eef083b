"""Ask a model about dialogues: judges, moderation, embeddings, with the pace, retries and budget of generation.

Whatever is answered is in the ledger before it counts, by a key of all that was asked; what was answered before is not
asked again, and where nothing is left to ask no endpoint is needed.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from datagen.answer import read_answer
from datagen.budget import TOKENS_PER_CHARACTER, Budget, Spending
from datagen.clock import read_clock
from datagen.errors import BudgetSpentError
from datagen.ledger import Ledger, StoredAnswer
from datagen.prices import PriceList, Tokens
from datagen.provider import Call, GaveUpError, Post, Provider, RejectedRequestError, StoppingError
from datagen.retry import BadReplyError
from datagen.spec import ProviderSettings

REPLY_TOKENS = 500
"""Tokens assumed of a chat's reply for the pace, before it came."""
PROBES = 8
"""Texts that are tried one by one, where an endpoint that answered nothing yet refuses batches."""


@dataclass(frozen=True, slots=True)
class Question:
    """One request. `keys`: for each part of the answer, sha256 of all that decides it, the model among it."""

    keys: tuple[str, ...]
    call: Call | Post
    characters: int
    """Of the request's text."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: a text for each key, and the bill (None where the endpoint does not tell)."""

    parts: tuple[str, ...]
    model: str
    tokens: Tokens | None
    cost_usd: float | None = None


def read_chat(body: bytes, host: str) -> Reply:
    """The reply of a chat completion, in one part. Raises BadReplyError where it is none."""
    answer = read_answer(body, host)
    return Reply((answer.text,), answer.model, answer.tokens, answer.cost_usd)


@dataclass(slots=True)
class Asker:
    """Asks many questions of one kind. `read` makes a reply of a body and the endpoint's host, or raises BadReplyError.

    Close it with `aclose`.
    """

    kind: str
    settings: ProviderSettings
    connect: Callable[[], Provider] | None
    """Called once, before the first request; None: only what was answered before is told."""
    ledger: Ledger
    budget: Budget
    prices: PriceList
    read: Callable[[bytes, str], Reply] = read_chat
    tell: Callable[[int], None] = lambda _: None
    """Called with the number of parts that were newly answered."""
    unanswered: dict[str, str] = field(default_factory=dict)
    """Key → reason, of questions that the endpoint refuses or never answered."""
    answered: int = 0
    """Parts that were answered, now or before."""
    _provider: Provider | None = None
    _error: Exception | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _unwritten: list[StoredAnswer] = field(default_factory=list)

    def recall(self, keys: Sequence[str]) -> dict[str, str]:
        """Key → reply, of those that were answered before."""
        found = self.ledger.find_answers(keys)
        self.answered += len(found)
        return found

    async def ask(self, questions: Sequence[Question]) -> dict[str, str]:
        """Key → reply of all questions that could be answered.

        Raises BudgetSpentError, ProviderError, DataError; what was answered until then is stored.
        """
        replies = self.recall(list(dict.fromkeys(key for question in questions for key in question.keys)))
        waiting = {question.keys: question for question in questions if not replies.keys() >= set(question.keys)}
        if not waiting or self.connect is None:
            return replies
        self._provider = self._provider or self.connect()
        queue = list(waiting.values())[::-1]
        await asyncio.gather(*(self._work(queue, replies) for _ in range(min(self.settings.concurrency, len(queue)))))
        if self._error is not None:
            raise self._error
        return replies

    async def aclose(self) -> None:
        if self._provider is not None:
            await self._provider.aclose()

    async def _work(self, queue: list[Question], replies: dict[str, str]) -> None:
        assert self._provider is not None
        while queue and self._error is None:
            question = queue.pop()
            try:
                reply = await self._ask(question, self._provider)
            except (RejectedRequestError, GaveUpError) as exc:
                reason = f"{exc.failure.reason}: {exc.failure.detail}"
                self.unanswered.update(dict.fromkeys(question.keys, reason))
            except StoppingError:
                return
            except Exception as exc:
                self._error = self._error or exc
                self._provider.stopping.set()
            else:
                replies.update(zip(question.keys, reply.parts, strict=True))
                self.answered += len(question.keys)
                for key in question.keys:
                    self.unanswered.pop(key, None)
                self.tell(len(question.keys))
            finally:
                self._changed.set()

    async def _ask(self, question: Question, provider: Provider) -> Reply:
        def read(body: bytes, host: str) -> Reply:
            found = self.read(body, host)
            if len(found.parts) != len(question.keys):
                raise BadReplyError(f"{len(found.parts)} answers came to {len(question.keys)} inputs")
            return found

        estimate = await self._reserve(question.characters)
        reply: Reply | None = None
        cost: float | None = None
        try:
            reply = await provider.post(question.call, read)
            cost = self._price(reply, question.characters)
        finally:
            if reply is not None:
                self.budget.settle(question.characters, reply.tokens, cost, estimate)
            self.budget.release(estimate)
            self._changed.set()
        await self._store(question, reply, cost)
        return reply

    def _price(self, reply: Reply, characters: int) -> float | None:
        if reply.cost_usd is not None:
            return reply.cost_usd
        return self.prices.price(reply.tokens, reply.model, self.settings.model, characters=characters)

    async def _store(self, question: Question, reply: Reply, cost: float | None) -> None:
        """Return once the reply is on the disk; what waits while one transaction is flushed goes into the next."""
        self._unwritten += _to_rows(self.kind, reply.model or self.settings.model, question.keys, reply, cost)
        async with self._writing:
            batch, self._unwritten = self._unwritten, []
            try:
                if batch:
                    await asyncio.to_thread(self.ledger.store_answers, batch)
            except BaseException:
                self._unwritten = batch + self._unwritten  # or others would take theirs for written
                raise

    async def _reserve(self, characters: int) -> Spending:
        while True:
            estimate = self.budget.estimate(characters)
            if self.budget.fits(estimate):
                self.budget.reserve(estimate)
                return estimate
            if self.budget.in_flight == 0:
                hint = "run the same command again with a new budget to go on: what was answered is kept"
                raise BudgetSpentError(f"{self.kind}: {self.budget.describe_spent(estimate)}", hint)
            self._changed.clear()
            await self._changed.wait()


def _to_rows(kind: str, model: str, keys: Sequence[str], reply: Reply, cost: float | None) -> Iterator[StoredAnswer]:
    """An answer for each part; the first carries the bill of them all."""
    tokens, at = reply.tokens, read_clock().isoformat(timespec="milliseconds")
    prompt, completion = (tokens.prompt, tokens.completion) if tokens else (None, None)
    for number, (key, part) in enumerate(zip(keys, reply.parts, strict=True)):
        bill = (0, 0, 0.0) if number else (prompt, completion, cost)
        yield StoredAnswer(key, kind, model, part, bill[0], bill[1], bill[2], at)


def estimate_tokens(characters: int, reply_tokens: int = REPLY_TOKENS) -> int:
    """Tokens of a request and its reply, for the pace."""
    return int(characters * TOKENS_PER_CHARACTER) + reply_tokens


@dataclass(frozen=True, slots=True)
class Batching:
    """How texts go to an endpoint that takes a list of them: where to, and how many of them and their characters."""

    path: str
    texts: int
    characters: int


async def ask_texts(asker: Asker, keys: Mapping[str, str], batching: Batching) -> dict[str, str]:
    """Text → reply, of the texts (with their keys) that could be answered, now or before.

    Where a batch is refused, each of its texts is asked about alone: one of them may have been at fault.
    Raises what `Asker.ask` raises.
    """
    replies = asker.recall(list(keys.values()))
    missing = [text for text, key in keys.items() if key not in replies]
    batches = pack_texts(missing, batching.texts, batching.characters)
    replies |= await asker.ask([_make_question(asker, batch, keys, batching) for batch in batches])
    refused = [text for text in missing if keys[text] not in replies]
    alone = [_make_question(asker, [text], keys, batching) for text in refused]
    replies |= await asker.ask(alone[:PROBES])
    if asker.answered:
        replies |= await asker.ask(alone[PROBES:])
    return {text: replies[key] for text, key in keys.items() if key in replies}


def _make_question(asker: Asker, texts: list[str], keys: Mapping[str, str], batching: Batching) -> Question:
    characters = sum(map(len, texts))
    body = {"model": asker.settings.model, "input": texts}
    post = Post(batching.path, body, estimate_tokens(characters, 0))
    return Question(tuple(keys[text] for text in texts), post, characters)


def pack_texts(texts: Iterable[str], most: int, characters: int) -> Iterator[list[str]]:
    """Texts in their order, in batches of at most this many texts and characters; a longer text goes alone."""
    batch: list[str] = []
    size = 0
    for text in texts:
        if batch and (len(batch) == most or size + len(text) > characters):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text)
    if batch:
        yield batch
