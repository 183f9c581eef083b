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

from datagen.console import err
from datagen.errors import DamhwaError, DataError
from review_ui.authoring.open_specs import OpenSpec, is_curated
from review_ui.authoring.workshop import Workshop
from review_ui.build_job import BuildJob
from review_ui.cards.recheck import warm_up
from review_ui.reviewed_run import ReviewedRun, ReviewOptions
from review_ui.statistics.acceptance import bound_defects

if TYPE_CHECKING:
    from review_ui.access.accounts import Accounts

Result = TypeVar("Result")
Job = Callable[[sa.Connection], Result]
READERS = 4
WRITERS = 8
"""Connections that write at once, where the database (PostgreSQL) can."""


class Service:
    """What all handlers share. `clock` gives seconds since 1970; `accounts`: None where nobody logs in.

    `options`: how a run is reviewed that is curated only after the start.
    """

    def __init__(
        self,
        runs: Mapping[str, ReviewedRun],
        clock: Callable[[], float] = time.time,
        accounts: "Accounts | None" = None,
        workshop: Workshop | None = None,
        options: ReviewOptions | None = None,
    ) -> None:
        self.runs = dict(runs)
        self.clock = clock
        self.accounts = accounts
        self.workshop = workshop or Workshop()
        self._options = options or ReviewOptions()
        self._builds: set[asyncio.Task[None]] = set()
        is_sqlite = all(run.database.is_sqlite for run in runs.values())
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="read")
        self._writers = ThreadPoolExecutor(1 if is_sqlite else WRITERS, thread_name_prefix="write")

    async def read(self, run: ReviewedRun, job: Callable[[sa.Connection], Result]) -> Result:
        """Run `job` on one consistent state of the run's database."""
        return await self._wait(self._readers, run.database.read, job)

    async def write(self, run: ReviewedRun, job: Callable[[sa.Connection], Result]) -> Result:
        """Run `job` in a transaction; what it wrote is on the disk when this returns. It may be run again."""
        return await self._wait(self._writers, run.database.write, job)

    async def _wait(self, pool: ThreadPoolExecutor, call: Callable[[Job[Result]], Result], job: Job[Result]) -> Result:
        """Nobody waits for ever for a database that is silent, and what waits for a thread then is not begun."""
        try:
            async with asyncio.timeout(self._options.patience_s):
                return await asyncio.get_running_loop().run_in_executor(pool, call, job)
        except TimeoutError as exc:
            told = f"the review database did not answer within {self._options.patience_s:g} s"
            raise DataError(told, "send it again: what is stored already is stored once") from exc

    async def call(self, function: Callable[..., Result], *arguments: object) -> Result:
        """Run a function that reads files or thinks for long in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, function, *arguments)

    def warm_up(self) -> None:
        """Have done in the background what the first request of a kind would wait for."""
        self._readers.submit(bound_defects, 1, 10)
        for run in self.runs.values():
            self._readers.submit(warm_up, run.look().recheck)

    async def start_build(self, spec: OpenSpec, budget_usd: float | None) -> None:
        """Start a build; a run that it makes is under review when it is done. Raises UsageError, DataError."""
        task = asyncio.create_task(self._wait_for(spec, await self.workshop.start(spec, budget_usd)))
        self._builds.add(task)
        task.add_done_callback(self._builds.discard)

    async def _wait_for(self, spec: OpenSpec, job: BuildJob) -> None:
        await job.wait()
        await self.take_in(spec)

    async def take_in(self, spec: OpenSpec) -> None:
        """Bring a run under review that was curated for the first time since the start."""
        if spec.run_name in self.runs or not is_curated(spec.run):
            return
        try:
            run = await self.call(ReviewedRun.open, spec.run, self._options)
        except DamhwaError as error:  # the next look tries again
            err.print(f"warning: {error.message}", style="yellow", markup=False)
            return
        if self.runs.setdefault(run.name, run) is not run:  # two looked at once
            run.close()

    async def stop_builds(self) -> None:
        """Stop the builds that were started here, and wait for their end."""
        await self.workshop.close()
        await asyncio.gather(*self._builds, return_exceptions=True)

    def close(self) -> None:
        """Wait for what is being written, and close the databases."""
        self._writers.shutdown(wait=True)
        self._readers.shutdown(wait=True, cancel_futures=True)
        for run in self.runs.values():
            run.close()
