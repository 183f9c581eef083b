"""Start, watch and stop `damhwa build` as a child process: a build is the same command here as in a terminal.

The child has a session of its own and writes to a file, so nothing of it depends on the service: if the service is
killed, the build goes on, and holds its run until it is done. How far it is stands in the run's ledger, which is read
about once a second. Those who follow a build get the latest state, and miss what they were too slow for.
"""

import asyncio
import os
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from datagen.errors import DamhwaError, DataError, UsageError
from datagen.run_folder import explain_holder, find_holder
from datagen.status import read_status

State = Literal["running", "stopping", "done", "stopped", "failed"]

LOG_NAME = ".build.log"
"""In the run: all that the command printed, of the last build alone."""
POLL_S = 1.0
"""Seconds between two looks into the ledger; longer where a look takes long (a quarter of the time at most)."""
GRACE_S = (60.0, 10.0)
"""Seconds that a build has after SIGINT for the requests in flight, then after SIGTERM, until it is killed."""
TAIL_LINES = 20
TAIL_BYTES = 8_192
INTERRUPTED = 130
"""Exit code of a build that was stopped and can be resumed."""
ROOT = Path(__file__).parent.parent
"""Where the packages and the front door lie, in a checkout as in an installation."""


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What to build. `budget_usd`: stop before this call spends more; None: no limit beyond the spec's."""

    spec: Path
    run: Path
    offline: bool = False
    budget_usd: float | None = None

    def to_command(self) -> list[str]:
        """The command, the same from any folder. `-P`: no module is taken from the folder that the service is in."""
        command = [sys.executable, "-P", "-m", "damhwa", "build", str(self.spec.absolute())]
        command += ["-o", str(self.run.absolute())]
        command += ["--offline"] if self.offline else []
        return command + ([] if self.budget_usd is None else ["--budget-usd", repr(self.budget_usd)])


@dataclass(frozen=True, slots=True)
class TopicProgress:
    """`accepted`: valid dialogues; `curated`: those that curation accepted, None before the first curation."""

    name: str
    quota: int
    accepted: int
    rejected: int
    curated: int | None
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class Progress:
    """A build at one moment. Figures are the whole run's, earlier calls included; `seconds` are of this call.

    `cost_usd`: None where the price is unknown. `message`: the last lines printed, where the build failed.
    """

    state: State
    seconds: float
    quota: int = 0
    accepted: int = 0
    rejected: int = 0
    curated: int | None = None
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = 0.0
    topics: tuple[TopicProgress, ...] = ()
    exit_code: int | None = None
    message: str = ""

    @property
    def is_over(self) -> bool:
        return self.state in ("done", "stopped", "failed")


class BuildJob:
    """One call of `damhwa build`. Made by `BuildJobs.start`."""

    def __init__(self, request: BuildRequest, process: asyncio.subprocess.Process) -> None:
        self.request = request
        self.progress = Progress("running", 0.0)
        self._process = process
        self._started = time.monotonic()
        self._followers: set[asyncio.Queue[Progress]] = set()
        self._is_stopping = False
        self._end = asyncio.create_task(self._watch())

    @property
    def pid(self) -> int:
        return self._process.pid

    async def follow(self) -> AsyncGenerator[Progress, None]:
        """The state now and whenever it was looked at, the last one included; then it ends."""
        queue: asyncio.Queue[Progress] = asyncio.Queue(1)
        queue.put_nowait(self.progress)
        self._followers.add(queue)
        try:
            while True:
                progress = await queue.get()
                yield progress
                if progress.is_over:
                    return
        finally:
            self._followers.discard(queue)

    async def wait(self) -> Progress:
        """The state at the end."""
        await asyncio.shield(self._end)
        return self.progress

    async def stop(self, grace_s: tuple[float, float] = GRACE_S) -> Progress:
        """Stop in order, so that the same command resumes; whoever does not answer is made to. The state at the end."""
        if not self._is_stopping and not self._end.done():
            self._is_stopping = True
            self._publish(replace(self.progress, state="stopping"))
            await self._signal_until_it_ends(grace_s)
        return await self.wait()

    async def _signal_until_it_ends(self, grace_s: tuple[float, float]) -> None:
        for number, seconds in zip((signal.SIGINT, signal.SIGTERM), grace_s, strict=True):
            with suppress(ProcessLookupError):
                self._process.send_signal(number)
            done, _ = await asyncio.wait({self._end}, timeout=seconds)
            if done:
                return
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # its workers too: the session is its own

    async def _watch(self) -> None:
        exit_ = asyncio.create_task(self._process.wait())
        pause_s = POLL_S
        try:
            while not (await asyncio.wait({exit_}, timeout=pause_s))[0]:
                before = time.monotonic()
                await self._look("stopping" if self._is_stopping else "running")
                pause_s = max(POLL_S, 3 * (time.monotonic() - before))
            await self._look(self._judge(exit_.result()), exit_.result())
        finally:
            if not exit_.done():  # the loop is being closed with the build under way
                exit_.cancel()
                with suppress(ProcessLookupError):
                    self._process.send_signal(signal.SIGINT)
            if not self.progress.is_over:  # those who follow must not wait for ever
                self._publish(replace(self.progress, state="failed", message="the service no longer watches the build"))

    def _judge(self, code: int) -> State:
        if code == 0:
            return "done"
        was_stopped = code in (INTERRUPTED, -signal.SIGINT) or (self._is_stopping and code < 0)
        return "stopped" if was_stopped else "failed"

    async def _look(self, state: State, code: int | None = None) -> None:
        seconds = time.monotonic() - self._started
        figures = await asyncio.to_thread(read_figures, self.request.run)
        message = ""
        if state == "failed":
            message = await asyncio.to_thread(read_tail, self.request.run / LOG_NAME)
        known = self.progress if figures is None else replace(self.progress, **figures)
        if state == "running" and self._is_stopping:  # asked while the ledger was read
            state = "stopping"
        self._publish(replace(known, state=state, seconds=seconds, exit_code=code, message=message))

    def _publish(self, progress: Progress) -> None:
        self.progress = progress
        for queue in self._followers:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(progress)


class BuildJobs:
    """The builds of this service, one a run."""

    def __init__(self) -> None:
        self._jobs: dict[Path, BuildJob] = {}
        self._lock = asyncio.Lock()
        self._is_closed = False

    async def start(self, request: BuildRequest) -> BuildJob:
        """Start a build; what is wrong with it otherwise, the command tells: the job fails with its message.

        Raises UsageError where the run is being built already, here or by another process; DataError where its folder
        cannot be written.
        """
        async with self._lock:
            if self._is_closed:
                raise UsageError("the service is stopping", "start the build again when it is back")
            known = self.find(request.run)
            if known is not None and not known.progress.is_over:
                hint = "watch it, or stop it first"
                raise UsageError(f"{request.run} is being built already (pid {known.pid})", hint)
            if (holder := await asyncio.to_thread(find_holder, request.run)) is not None:
                raise explain_holder(request.run, holder)
            job = BuildJob(request, await _spawn(request))
            self._jobs[request.run.resolve()] = job
            return job

    def find(self, run: Path) -> BuildJob | None:
        """The last build of a run that this service started. Others: `datagen.run_folder.find_holder`."""
        return self._jobs.get(run.resolve())

    async def close(self, grace_s: tuple[float, float] = GRACE_S) -> None:
        """Stop every build and take no more: for when the service stops."""
        async with self._lock:
            self._is_closed = True
        await asyncio.gather(*(job.stop(grace_s) for job in self._jobs.values()))


async def _spawn(request: BuildRequest) -> asyncio.subprocess.Process:
    log = request.run / LOG_NAME
    try:
        request.run.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)  # not emptied: an earlier build that is still ending writes to its own
        output = await asyncio.to_thread(log.open, "xb")
    except OSError as exc:
        raise DataError(f"{log} could not be written: {exc.strerror}", "check free space and permissions") from exc
    with output:
        return await asyncio.create_subprocess_exec(
            *request.to_command(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=_choose_environment(),
            start_new_session=True,
        )


def _choose_environment() -> dict[str, str]:
    """The service's own, with the packages to be found, and plain text in UTF-8 for the log."""
    environment = {name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "TTY_COMPATIBLE")}
    paths = [each for each in (environment.get("PYTHONPATH"), str(ROOT)) if each]
    return {**environment, "PYTHONPATH": os.pathsep.join(paths), "PYTHONIOENCODING": "utf-8"}


def read_tail(log: Path) -> str:
    """The last lines of a log, TAIL_LINES or TAIL_BYTES of them; empty where there is none."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL_BYTES))
            lines = file.read().decode("utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join((lines[1:] if size > TAIL_BYTES else lines)[-TAIL_LINES:])


def read_figures(run: Path) -> dict[str, Any] | None:
    """The figures of `Progress`; None while there are none, or a writer is in the way."""
    try:
        status = read_status(run)
    except (DamhwaError, sqlite3.Error, OSError):  # no ledger yet, or one just being made: the next look tells
        return None
    names = ("quota", "accepted", "rejected", "curated", "requests", "prompt_tokens", "completion_tokens", "cost_usd")
    return {**{name: status[name] for name in names}, "topics": tuple(map(_read_topic, status["topics"]))}


def _read_topic(topic: dict[str, Any]) -> TopicProgress:
    return TopicProgress(
        name=topic["name"],
        quota=topic["quota"],
        accepted=topic["accepted"],
        rejected=sum(topic["rejected"].values()),
        curated=None if topic["curated"] is None else topic["curated"].get("accepted", 0),
        cost_usd=topic["cost_usd"],
    )
