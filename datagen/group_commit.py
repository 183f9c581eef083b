"""What is on its way into the ledger: whatever waits while one transaction is flushed goes into the next.

So the loop never waits for the disk, and at 1,000 replies a second there are some hundred flushes, not a thousand.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from datagen.ledger import Entry, Ledger
from datagen.ledger_duets import SaidEntry

Result = TypeVar("Result")


class GroupCommit:
    """Owns the ledger's only writing thread. Close it with `aclose`, which writes what still waits."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")
        self._waiting: list[tuple[Entry | SaidEntry, asyncio.Future[None]]] = []
        self._draining: asyncio.Task[None] | None = None

    async def add(self, entry: Entry | SaidEntry) -> None:
        """Return once the entry is on the disk. Raises DataError where it could not be written."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, done))
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain())
        await done

    async def call(self, function: Callable[..., Result], *arguments: object) -> Result:
        """Run another write of the ledger on its thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    async def aclose(self) -> None:
        if self._draining is not None:
            await self._draining
        self._thread.shutdown()

    async def _drain(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                await self._write(batch)
        finally:
            self._draining = None

    async def _write(self, batch: list[tuple[Entry | SaidEntry, "asyncio.Future[None]"]]) -> None:
        try:
            await self.call(self._ledger.commit, [entry for entry, _ in batch])
        except Exception as exc:
            for _, done in batch:
                if not done.done():
                    done.set_exception(exc)
        else:
            for _, done in batch:
                if not done.done():
                    done.set_result(None)
