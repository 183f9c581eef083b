"""Fill every topic's quota: workers take slots, ask, judge the reply, and store it before it counts."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from datagen.budget import Budget
from datagen.clock import Clock, read_clock
from datagen.drafter import Drafter, TranscriptDrafter
from datagen.duet_drafter import DuetDrafter
from datagen.endpoints import Lane
from datagen.errors import DamhwaError, DataError, InterruptedRunError
from datagen.group_commit import GroupCommit
from datagen.ledger import Ledger
from datagen.ledger_duets import Utterance
from datagen.outcome import Outcomes
from datagen.prices import PriceList
from datagen.prompt import PromptWriter
from datagen.provider import Provider, StoppingError
from datagen.quota import Slot, SlotQueue
from datagen.seal import seal_dialogues
from datagen.spec import LoadedSpec
from datagen.tally import Tally
from datagen.till import Till

DRAIN_S = 30.0
"""Seconds that requests in flight, which are paid for, are waited for when a run stops."""
SEAL_EVERY_ROWS = 1_000
SEAL_EVERY_S = 300.0
SEAL_LOOK_S = 1.0
"""Seconds between looks at whether it is time to seal."""


@dataclass(slots=True)
class Generation:
    """One run under way. Everything it works with is given; `run` does the work."""

    folder: Path
    loaded: LoadedSpec
    ledger: Ledger
    provider: Provider
    budget: Budget
    prices: PriceList
    outcomes: Outcomes
    clock: Clock = read_clock
    error: BaseException | None = None
    """Why the run stopped early."""
    _drafter: Drafter = field(init=False)
    _commits: GroupCommit = field(init=False)
    _seq: int = field(init=False)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _finished: asyncio.Event = field(default_factory=asyncio.Event)
    _idle: int = 0
    _unsealed: int = 0

    def __post_init__(self) -> None:
        till = Till(self.provider, self.budget, self.prices, self._wait_for_change, self._describe_stored)
        self._commits = GroupCommit(self.ledger)
        self._drafter = self._choose_drafter(till)
        self._seq = self.ledger.last_seq()

    @property
    def queue(self) -> SlotQueue:
        return self.outcomes.queue

    @property
    def lanes(self) -> tuple[Lane, ...]:
        return self.provider.lanes

    @property
    def tally(self) -> Tally:
        return self.outcomes.tally

    def _choose_drafter(self, till: Till) -> Drafter:
        if self.loaded.spec.mode == "duet":
            return DuetDrafter(self.loaded, self.ledger, till, self._commits, self.clock, self._note_utterance)
        return TranscriptDrafter(self.loaded, PromptWriter(self.loaded), till, self.clock)

    async def run(self) -> None:
        """Work until every quota is met or the run must stop; what was accepted is sealed either way.

        Raises the error that stopped the run, or QuotaOutOfReachError once the other topics are finished.
        """
        keeper = asyncio.create_task(self._seal_now_and_then())
        try:
            await self._run_workers()
        finally:
            self._finished.set()
            await keeper  # not cancelled: its thread would go on sealing beside the last seal
            await self._finish()
        if self.error is not None:
            raise self.error
        self.outcomes.check_reach(self.folder)

    def interrupt(self) -> None:
        """Stop asking; `run` waits for what is in flight, then raises InterruptedRunError."""
        hint = "run the same command again to go on"
        self._stop(InterruptedRunError(f"stopped at {self.tally.accepted} of {self.tally.quota}", hint))

    def _stop(self, error: BaseException) -> None:
        if self.error is None:
            self.error = error
        self.provider.stopping.set()
        self._wake_all()

    async def _run_workers(self) -> None:
        count = min(self.loaded.spec.provider.concurrency, max(1, self.tally.quota - self.tally.accepted))
        workers = [asyncio.create_task(self._work()) for _ in range(count)]
        stopping = asyncio.create_task(self.provider.stopping.wait())
        everyone = asyncio.gather(*workers, return_exceptions=True)
        watched: list[asyncio.Future[Any]] = [everyone, stopping]
        await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if self.error is not None:
            # what cannot be stored is not waited for
            await asyncio.wait(workers, timeout=0 if isinstance(self.error, DataError) else DRAIN_S)
            for worker in workers:
                worker.cancel()
        await everyone

    async def _work(self) -> None:
        while (slot := await self._next_slot()) is not None:
            try:
                await self._draft(slot)
            except StoppingError:
                self.queue.topics[slot.topic].give_back(slot)
            except Exception as exc:
                self.queue.topics[slot.topic].give_back(slot)
                self._stop(exc)
            self._wake_all()

    def _describe_stored(self) -> str:
        return f"{self.tally.accepted} of {self.tally.quota} dialogues are stored"

    def _wake_all(self) -> None:
        """Let the workers that found nothing to do look again. Replaced, not cleared: no wake-up is ever missed."""
        if self._idle:
            self._wake.set()
            self._wake = asyncio.Event()

    async def _wait_for_change(self) -> None:
        self._idle += 1
        try:
            await self._wake.wait()
        finally:
            self._idle -= 1

    async def _next_slot(self) -> Slot | None:
        while not self.provider.stopping.is_set():
            if (slot := self.queue.take()) is not None:
                return slot
            if self.queue.is_done:
                return None
            await self._wait_for_change()
        return None

    async def _draft(self, slot: Slot) -> None:
        draft = await self._drafter.draft(slot)
        self._seq += 1
        entry = draft.to_entry(self._seq, slot)
        await self._commits.add(entry)
        self._unsealed += entry.messages is not None
        self.outcomes.count(slot, entry)

    def _note_utterance(self, utterance: Utterance) -> None:
        self.tally.spend(utterance)
        self._wake_all()  # what it had set aside of the budget is free again

    async def _seal_now_and_then(self) -> None:
        await self._sleep_unless_finished(0.05)
        # pyarrow takes 0.3 s to import: now, while the first replies are awaited, not when the last has come
        await asyncio.to_thread(import_module, "datagen.store")
        loop = asyncio.get_running_loop()
        last = loop.time()
        while not await self._sleep_unless_finished(SEAL_LOOK_S):
            if self._unsealed >= SEAL_EVERY_ROWS or (self._unsealed and loop.time() - last > SEAL_EVERY_S):
                last, self._unsealed = loop.time(), 0
                try:
                    await self._seal()
                except Exception as exc:
                    self._stop(exc)

    async def _sleep_unless_finished(self, seconds: float) -> bool:
        """Whether the workers are finished, known after so many seconds at the latest."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._finished.wait(), seconds)
        return self._finished.is_set()

    async def _seal(self) -> None:
        loop = asyncio.get_running_loop()

        def write(method: Callable[..., None], *arguments: object) -> None:
            asyncio.run_coroutine_threadsafe(self._commits.call(method, self.ledger, *arguments), loop).result()

        folder, categories = self.folder / "dialogues", self.loaded.categories
        await asyncio.to_thread(seal_dialogues, self.ledger.path, folder, categories, write)

    async def _finish(self) -> None:
        try:
            await self._seal()
        except DamhwaError as exc:
            self.error = self.error or exc
        finally:
            await self._commits.aclose()
            await self.provider.aclose()
