"""Fill every topic's quota by batches: pack open slots, send, look now and then, collect, pack what is left again."""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from datagen.batch.book import BatchRecord, Book, Packed, Request
from datagen.batch.collection import Collected, Collector, OpenBatch
from datagen.batch.endpoint import KEEP_ON, PATH, BatchEndpoint, UnmadeError
from datagen.batch.replies import Sight
from datagen.batch.request_file import Limits, RequestFile
from datagen.budget import Budget, Spending
from datagen.clock import Clock, read_clock
from datagen.console import err
from datagen.endpoints import Lane
from datagen.errors import BudgetSpentError, InterruptedRunError, ProviderError, UsageError
from datagen.outcome import Outcomes
from datagen.prices import PriceList
from datagen.prompt import PromptWriter
from datagen.provider import StoppingError
from datagen.quota import SlotQueue
from datagen.retry import stop_error
from datagen.seal import seal_alone
from datagen.spec import LoadedSpec
from datagen.till import prepare_call

FRUITLESS = 5
"""Batches in a row without a single reply until the run stops."""
QUEUE_FULL = "token_limit_exceeded"
"""Code of a batch that was turned away: too many tokens wait at the endpoint already. OpenAI limits them by model and
tier, and tells the limit nowhere but on the account's page."""
WRITTEN_AT_ONCE = 200
"""Prompts written before the loop may do something else."""


@dataclass(slots=True)
class BatchGeneration:
    """One run under way, by batches."""

    folder: Path
    loaded: LoadedSpec
    book: Book
    endpoint: BatchEndpoint
    budget: Budget
    prices: PriceList
    outcomes: Outcomes
    limits: Limits
    is_offline: bool = False
    """The endpoint is a simulator of this command's own."""
    clock: Clock = read_clock
    open: list[OpenBatch] = field(default_factory=list)
    looks: int = 0
    """Looks at the open batches so far."""
    next_look_at: float | None = None
    """By the loop's clock; None while something else is done."""
    step: str = ""
    """What is done between two looks, in words."""
    _collector: Collector = field(init=False)
    _writer: PromptWriter = field(init=False)
    _fruitless: int = 0
    _idle_looks: int = 0
    _is_queue_full: bool = False

    def __post_init__(self) -> None:
        self._writer = PromptWriter(self.loaded)
        self._collector = Collector(
            self.book,
            self.endpoint,
            self.loaded.spec,
            self.prices.discount_batches(),
            self.budget,
            self.outcomes,
            self.clock,
            self.folder / ".batch-results.jsonl",
        )

    @property
    def queue(self) -> SlotQueue:
        return self.outcomes.queue

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """None: a batch is asked of one endpoint, and its latency says nothing."""
        return ()

    async def run(self) -> None:
        """Work until every quota is met or the run must stop; what was accepted is sealed either way.

        Raises the error that stopped the run, or QuotaOutOfReachError once the other topics are finished.
        """
        try:
            await self._work()
        except StoppingError:
            raise self._describe_interruption() from None
        finally:
            try:
                await self._seal()
            finally:
                await self.endpoint.provider.aclose()
        self.outcomes.check_reach(self.folder)

    def interrupt(self) -> None:
        """Stop at the next step; `run` then raises InterruptedRunError. What was created goes on at the endpoint."""
        self.endpoint.provider.stopping.set()

    def _describe_interruption(self) -> InterruptedRunError:
        tally, waiting = self.outcomes.tally, len(self.open)
        batches = f"; {waiting} {'batch goes' if waiting == 1 else 'batches go'} on at the endpoint" if waiting else ""
        message = f"stopped at {tally.accepted} of {tally.quota}{batches}"
        return InterruptedRunError(message, "run the same command again to go on")

    async def _work(self) -> None:
        left = self.book.list_open()
        if self.queue.is_done and not left:
            return
        await self.endpoint.check()
        for record in left:
            await self._resume(record)
        while True:
            await self._send()
            if not self.open:
                return
            await self._wait()
            for batch in list(self.open):
                await self._look(batch)
                await self.endpoint.pause(0)

    async def _resume(self, record: BatchRecord) -> None:
        """Go on with a batch that an earlier call left, from where it was left."""
        batch = self._open_record(record)
        if record.endpoint != self.endpoint.base_url:
            if not self.is_offline:
                message = f"batch {record.number} of {self.folder}, {record.open} requests, is at {record.endpoint}"
                hint = f"go on there with --base-url {record.endpoint}, or pay a second time: --abandon-batches"
                raise UsageError(message, hint)
            await self._end(batch, Sight("vanished"))  # with the simulator of that call
        elif not batch.requests:  # killed when all was stored
            self.book.close(record.number, record.status or "completed", self.clock())
        elif (batch_id := record.batch_id or await self._find_or_create(record)) is not None:
            batch.batch_id = batch_id
            self.open.append(batch)
        else:
            await self._end(batch, Sight("never created"))

    def _open_record(self, record: BatchRecord) -> OpenBatch:
        requests = {request.line: request for request in self.book.open_requests(record.number)}
        share = self.prices.batch_share
        estimates = {line: self.budget.estimate(request.characters, share) for line, request in requests.items()}
        for estimate in estimates.values():
            self.budget.reserve(estimate)
        packed_at = datetime.fromisoformat(record.packed_at)
        return OpenBatch(record.number, record.name, packed_at, requests, estimates)

    async def _find_or_create(self, record: BatchRecord) -> str | None:
        """The id of a batch that may have been created, and otherwise is; None where its file is not there."""
        batch_id = await self.endpoint.find_batch(record.name) if record.file_id else None
        if batch_id is None:
            file_id = await self.endpoint.find_file(record.name, record.size)
            if file_id is None:
                return None  # it was never uploaded, or 30 days ago
            self.book.note_file(record.number, file_id)
            with self._closing_unmade(record.number):
                batch_id = await self.endpoint.create(record.name, file_id)
        self.book.note_batch(record.number, batch_id)
        return batch_id

    async def _send(self) -> None:
        """Pack all that may be asked now into batches, and create them."""
        while not self._is_queue_full:
            number = self.book.next_number()
            name = f"damhwa-{self.book.ledger.read_setting('run_id')}-{number}-{secrets.token_hex(3)}"
            file = RequestFile(name, self.limits)
            batch = OpenBatch(number, name, self.clock(), {}, {})
            refused = await self._fill(file, batch)
            if not batch.requests:
                if refused is not None and not self.open:
                    raise self._explain_budget(refused)
                return
            await self._submit(file, batch)

    async def _fill(self, file: RequestFile, batch: OpenBatch) -> Spending | None:
        """Take slots while they fit; what the next one could cost, if it is the budget that ends it."""
        settings = self.loaded.spec.provider
        while (slot := self.queue.take()) is not None:
            prompt = self._writer.write(slot.scenario, slot.number, slot.tries)
            estimate = self.budget.estimate(prompt.characters, self.prices.batch_share)
            line, is_affordable = len(file), self.budget.fits(estimate)
            if not is_affordable or not file.add(PATH, prepare_call(prompt).build_body(settings)):
                self.queue.topics[slot.topic].give_back(slot)
                return None if is_affordable else estimate
            self.budget.reserve(estimate)
            batch.estimates[line] = estimate
            batch.requests[line] = Request(line, slot, prompt.sha256, prompt.characters)
            if not len(file) % WRITTEN_AT_ONCE:
                await self.endpoint.pause(0)
        return None

    async def _submit(self, file: RequestFile, batch: OpenBatch) -> None:
        self.step = f"sending {len(file):,} requests, {file.size / 1e6:.1f} MB"
        packed_at = batch.started_at.isoformat(timespec="milliseconds")
        packed = Packed(batch.number, batch.name, self.endpoint.base_url, file.size, packed_at)
        await asyncio.to_thread(self.book.pack, packed, list(batch.requests.values()))
        with self._closing_unmade(batch.number):
            file_id = await self.endpoint.upload(batch.name, file.content)
            self.book.note_file(batch.number, file_id)
            batch.batch_id = await self.endpoint.create(batch.name, file_id)
        self.book.note_batch(batch.number, batch.batch_id)
        batch.is_seen_alive = True
        self.open.append(batch)
        self._idle_looks, self.step = 0, ""

    @contextmanager
    def _closing_unmade(self, number: int) -> Iterator[None]:
        """A batch that the endpoint would not take is none: its requests may be asked in any other way."""
        try:
            yield
        except UnmadeError:
            self.book.close(number, "refused", self.clock())
            raise

    def _explain_budget(self, refused: Spending) -> BudgetSpentError:
        tally = self.outcomes.tally
        message = f"{self.budget.describe_spent(refused)}; {tally.accepted} of {tally.quota} dialogues are stored"
        return BudgetSpentError(message, "run the same command again with a new budget to go on")

    async def _wait(self) -> None:
        wait_s = self.endpoint.waits.before_look(self._idle_looks)
        self.next_look_at = asyncio.get_running_loop().time() + wait_s
        try:
            await self.endpoint.pause(wait_s)
        finally:
            self.next_look_at = None
        self.looks += 1
        self._idle_looks += 1

    async def _look(self, batch: OpenBatch) -> None:
        sight = await self.endpoint.look(batch.batch_id)
        if sight is None:
            if await self.endpoint.find_batch(batch.name) is not None:
                return  # it is listed: the 404 was somebody else's
            if not batch.is_seen_alive:
                raise self._explain_unknown(batch)
            sight = Sight("vanished")
        batch.sight = sight
        self.book.note_look(batch.number, sight.status, sight.completed, sight.failed)
        if sight.is_over:
            self.open.remove(batch)
            await self._end(batch, sight)
        else:
            batch.is_seen_alive |= sight.status != "cancelling"

    def _explain_unknown(self, batch: OpenBatch) -> ProviderError:
        """The error where a batch of an earlier call is not there: with another account's key it would not be."""
        message = f"{self.endpoint.base_url} does not know batch {batch.batch_id}, made by an earlier call"
        hint = "use the key of the account that made it; if it is gone for good, pay a second time: --abandon-batches"
        return ProviderError(message, hint)

    async def _end(self, batch: OpenBatch, sight: Sight) -> None:
        """Collect a batch that is over, tell of it, and raise what follows for the run."""
        batch.sight = sight
        size = len(batch.requests)
        self.step = f"reading the results of batch {batch.number}"
        collected = await self._collector.collect(batch)
        await self._seal()
        self.step = ""
        self._idle_looks, self._is_queue_full = 0, False
        err.print(describe_end(batch, collected), markup=False)
        self._fruitless = 0 if collected.replies or collected.rejected else self._fruitless + 1
        if collected.stop is not None:
            raise stop_error(collected.stop, self.endpoint.base_url)
        if batch.sight.status == "failed":
            self._react_to_failure(batch, size)
        elif batch.sight.status == "cancelled" and batch.is_seen_alive:
            message = f"batch {batch.batch_id} was cancelled at the endpoint; what it had done is stored"
            raise ProviderError(message, "run the same command again to ask for the rest")
        if self._fruitless >= FRUITLESS:
            message = f"the last {FRUITLESS} batches at {self.endpoint.base_url} brought no reply"
            raise ProviderError(message, f"see what is said of them above; {KEEP_ON}")

    def _react_to_failure(self, batch: OpenBatch, size: int) -> None:
        """A batch that was not accepted: send less at a time where that can help."""
        if any(code == QUEUE_FULL for code, _ in batch.sight.problems) and (size > 1 or self.open):
            self.limits = replace(self.limits, requests=max(1, size // 2))
            self._is_queue_full, self._fruitless = bool(self.open), 0
            return
        told = "; ".join(f"{code}: {message}" for code, message in batch.sight.problems[:3]) or "without a reason"
        raise ProviderError(
            f"{self.endpoint.base_url} did not accept batch {batch.batch_id}: {told}", "what is stored stays"
        )

    async def _seal(self) -> None:
        await asyncio.to_thread(seal_alone, self.book.ledger, self.folder / "dialogues", self.loaded.categories)


def describe_end(batch: OpenBatch, collected: Collected) -> str:
    """In one line: what came of a batch."""
    parts = [f"{collected.replies:,} replies"]
    for count, what in (
        (collected.rejected, "rejected"),
        (collected.failed, "failed"),
        (collected.returned, "not run, asked again"),
    ):
        if count:
            parts.append(f"{count:,} {what}")
    odd = [f"{count:,} {kind}" for kind, count in sorted(collected.odd.items()) if count]
    lines = f" · lines: {', '.join(odd)}" if odd else ""
    told = "".join(f" · {code}: {message}" for code, message in batch.sight.problems[:3])
    return f"batch {batch.number} {batch.batch_id} {batch.sight.status}: {', '.join(parts)}{lines}{told}"
