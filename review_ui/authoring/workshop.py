"""The authors' workshop: the specs that may be edited here, and the builds of their runs, whoever started them."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from datagen.errors import UsageError
from datagen.run_folder import find_holder
from review_ui.authoring.open_specs import OpenSpec
from review_ui.build_job import (
    LOG_NAME,
    POLL_S,
    BuildJob,
    BuildJobs,
    BuildRequest,
    Progress,
    State,
    read_figures,
    read_tail,
)

BuildState = Literal["none", "elsewhere"] | State
SPEED_AFTER_S = 5.0
"""Seconds of a build before its speed is told: starting takes as long."""


@dataclass(frozen=True, slots=True)
class Build:
    """The build of a run at one moment. `figures.state` counts only where `state` is the same.

    `state`: `none` where this service started none, `elsewhere` where another process (`pid`) builds. `per_minute`:
    dialogues that became valid in this call, a minute.
    """

    spec: OpenSpec
    state: BuildState
    figures: Progress
    pid: int | None = None
    per_minute: float | None = None
    lines: str = ""

    @property
    def is_under_way(self) -> bool:
        return self.state in ("running", "stopping", "elsewhere")


class Workshop:
    """`is_offline`: builds ask the simulator."""

    def __init__(self, specs: Sequence[OpenSpec] = (), is_offline: bool = False) -> None:
        self.specs = {spec.name: spec for spec in specs}
        self.builds = {spec.run_name: spec for spec in specs}
        self.is_offline = is_offline
        self._jobs = BuildJobs()
        self._before: dict[Path, int] = {}
        self._stops: set[asyncio.Task[Progress]] = set()
        self._is_closing = False

    async def start(self, spec: OpenSpec, budget_usd: float | None) -> BuildJob:
        """Start a build. Raises UsageError where one is under way, here or elsewhere; DataError as BuildJobs does."""
        before = await asyncio.to_thread(read_figures, spec.run)
        job = await self._jobs.start(BuildRequest(spec.path, spec.run, self.is_offline, budget_usd))
        self._before[spec.run] = int(before["accepted"]) if before else 0
        return job

    async def stop(self, spec: OpenSpec) -> None:
        """Begin to stop a build; how that ends, those who follow see. Nothing where none is under way.

        Raises UsageError where another process builds: that is not ours to stop.
        """
        job = self._jobs.find(spec.run)
        if job is None or job.progress.is_over:
            holder = await asyncio.to_thread(find_holder, spec.run)
            if holder is not None:
                told = f"{spec.run_name} is built by another process (pid {holder or 'unknown'})"
                raise UsageError(told, "stop it where it was started")
            return
        task = asyncio.create_task(job.stop())
        self._stops.add(task)
        task.add_done_callback(self._stops.discard)
        await asyncio.sleep(0)  # it says that it stops

    async def look(self, spec: OpenSpec) -> Build:
        """The build as it is now."""
        job = self._jobs.find(spec.run)
        if job is not None and not job.progress.is_over:
            return await self._describe(spec, job, job.progress)
        holder = await asyncio.to_thread(find_holder, spec.run)
        if holder is None and job is not None:
            return await self._describe(spec, job, job.progress)
        figures = await asyncio.to_thread(read_figures, spec.run) or {}
        lines = await asyncio.to_thread(read_tail, spec.run / LOG_NAME)
        state: BuildState = "none" if holder is None else "elsewhere"
        return Build(spec, state, replace(Progress("done", 0.0), **figures), holder, lines=lines)

    async def follow(self, spec: OpenSpec) -> AsyncGenerator[Build, None]:
        """The build now and whenever it was looked at, until it is over; of one elsewhere too."""
        build = await self.look(spec)
        while build.state == "elsewhere" and not self._is_closing:
            yield build
            await asyncio.sleep(POLL_S)
            build = await self.look(spec)
        job = self._jobs.find(spec.run)
        if not build.is_under_way or job is None:
            yield build
            return
        async for progress in job.follow():
            yield await self._describe(spec, job, progress)

    async def _describe(self, spec: OpenSpec, job: BuildJob, progress: Progress) -> Build:
        made = progress.accepted - self._before.get(spec.run, 0)
        speed = made / progress.seconds * 60 if made > 0 and progress.seconds >= SPEED_AFTER_S else None
        lines = await asyncio.to_thread(read_tail, spec.run / LOG_NAME)
        return Build(spec, progress.state, progress, job.pid, speed, lines)

    async def close(self) -> None:
        """Stop all builds, in order, and take no more."""
        self._is_closing = True
        await self._jobs.close()
