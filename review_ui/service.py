"""The service: the runs under review, and threads in which the database is asked.

The event loop never waits for a disk. SQLite has one writer at a time anyway, so all writes of its database go through
one thread and never find it locked.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import sqlalchemy as sa

from review_ui.cards.recheck import warm_up
from review_ui.reviewed_run import ReviewedRun
from review_ui.statistics.acceptance import bound_defects

if TYPE_CHECKING:
    from review_ui.access.accounts import Accounts

Result = TypeVar("Result")
READERS = 4
WRITERS = 8
"""Connections that write at once, where the database (PostgreSQL) can."""


class Service:
    """What all handlers share. `clock` gives seconds since 1970; `accounts`: None where nobody logs in."""

    def __init__(
        self,
        runs: Mapping[str, ReviewedRun],
        clock: Callable[[], float] = time.time,
        accounts: "Accounts | None" = None,
    ) -> None:
        self.runs = runs
        self.clock = clock
        self.accounts = accounts
        is_sqlite = all(run.database.is_sqlite for run in runs.values())
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="read")
        self._writers = ThreadPoolExecutor(1 if is_sqlite else WRITERS, thread_name_prefix="write")

    async def read(self, run: ReviewedRun, job: Callable[[sa.Connection], Result]) -> Result:
        """Run `job` on one consistent state of the run's database."""
        return await self.call(run.database.read, job)

    async def write(self, run: ReviewedRun, job: Callable[[sa.Connection], Result]) -> Result:
        """Run `job` in a transaction; what it wrote is on the disk when this returns. It may be run again."""
        return await asyncio.get_running_loop().run_in_executor(self._writers, run.database.write, job)

    async def call(self, function: Callable[..., Result], *arguments: object) -> Result:
        """Run a function that reads files or thinks for long in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, function, *arguments)

    def warm_up(self) -> None:
        """Have done in the background what the first request of a kind would wait for."""
        self._readers.submit(bound_defects, 1, 10)
        for run in self.runs.values():
            self._readers.submit(warm_up, run.look().recheck)

    def close(self) -> None:
        """Wait for what is being written, and close the databases."""
        self._writers.shutdown(wait=True)
        self._readers.shutdown(wait=True, cancel_futures=True)
        for run in self.runs.values():
            run.close()
