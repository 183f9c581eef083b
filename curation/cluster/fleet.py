"""The workers: tasks go out as rows of a Daft plan, to processes of this machine or to actors of a Ray cluster.

A task is a frozen object with `run`; it goes out and its result comes back as bytes, in a few hundred of them. What it
makes it writes to files, whole or not at all, and finds them there when it runs again. So a worker that dies costs its
task, and where the plan dies with it, the plan is made again from what is not done.
"""

import gc
import pickle
import resource
import socket
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Protocol, TypeVar

import daft

from curation.duplicates.index_files import VERSION as INDEX_VERSION
from curation.measure import FORMAT
from datagen.errors import DamhwaError, DataError, UsageError

_VERSION = f"{version('damhwa')}, index {INDEX_VERSION}, measured {FORMAT}".encode()
_END = b"\0"
_MOST_FAILURES = 3
"""In a row, without a task done in between: then it is no accident."""


Result = TypeVar("Result")
Made = TypeVar("Made", covariant=True)


class Task(Protocol[Made]):
    def run(self) -> Made: ...


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a task, or what went wrong with it."""

    result: Any
    cpu_s: float
    peak_mb: float
    """The most memory that the process has held so far, mapped files among it."""
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """What a stage took."""

    name: str
    tasks: int
    total: int
    """Of what the tasks counted: rows, entries or pairs."""
    wall_s: float
    cpu_s: float
    """Of the tasks, without the start of the workers."""
    bytes_sent: int
    """Of tasks and results, between driver and workers."""
    peak_mb: float
    """Of the largest worker."""


class Worker:
    """One process; what filters load, Kiwi above all, they load once in it."""

    def do(self, task: bytes) -> bytes:
        """`task`: pickled, behind the driver's version."""
        started = time.process_time()
        gc.set_threshold(50_000)  # as in the one-machine engine's workers
        try:
            driver, _, packed = task.partition(_END)
            _check_version(driver)
            done = _finish(pickle.loads(packed).run(), started)
        except Exception as exc:
            if not isinstance(exc, DamhwaError):
                exc.add_note(traceback.format_exc())
            done = _finish(None, started, exc)
        return pickle.dumps(done)


def _check_version(driver: bytes) -> None:
    """Raises UsageError where this worker would do the task in another way."""
    if driver != _VERSION:
        what = f"{socket.gethostname()} has damhwa {_VERSION.decode()}, the driver {driver.decode()}"
        raise UsageError(what, "install the same version on all nodes")


def _finish(result: object, started: float, error: Exception | None = None) -> Done:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Done(result, time.process_time() - started, peak, error)


@dataclass(slots=True)
class Fleet:
    """`workers`: processes at once. `is_cluster`: Daft runs on Ray."""

    workers: int
    is_cluster: bool
    tell: Callable[[str, int, int], None] = lambda *_: None
    """Called with a stage's name, its tasks done, and all its tasks."""
    stages: list[Stage] = field(default_factory=list)

    def run(
        self, name: str, tasks: Sequence[Task[Result]], tell: Callable[[Result], None] | None = None
    ) -> list[Result]:
        """Run all tasks, in any order; returns what came of each. `tell`: is told each as it comes; None: `self.tell`.

        Raises what a task raised, and DataError where workers keep dying.
        """
        started, sent, cpu_s, peak_mb = time.monotonic(), 0, 0.0, 0.0
        results: dict[int, Result] = {}
        waiting = {number: _VERSION + _END + pickle.dumps(task) for number, task in enumerate(tasks)}
        for number, answer in self._insist(name, waiting):
            done: Done = pickle.loads(answer)
            if done.error is not None:
                raise done.error
            results[number] = done.result
            cpu_s, peak_mb = cpu_s + done.cpu_s, max(peak_mb, done.peak_mb)
            sent += len(waiting.pop(number)) + len(answer)
            if tell is None:
                self.tell(name, len(tasks) - len(waiting), len(tasks))
            else:
                tell(done.result)
        total = sum(each for each in results.values() if isinstance(each, int))
        wall_s = time.monotonic() - started
        self.stages.append(Stage(name, len(tasks), total, wall_s, cpu_s, sent, peak_mb))
        return [results[number] for number in range(len(tasks))]

    def _insist(self, name: str, waiting: dict[int, bytes]) -> Iterator[tuple[int, bytes]]:
        """Results of all that waits; the caller takes out what it got, and a plan that died is made again."""
        failures = 0
        while waiting:
            left = len(waiting)
            try:
                yield from self._stream(waiting)
            except Exception as exc:  # what a lost worker is called depends on where and when it was lost
                failures = failures + 1 if len(waiting) == left else 1
                if isinstance(exc, DamhwaError) or failures >= _MOST_FAILURES:
                    reason = " ".join(str(exc).split())[:300]
                    hint = "give the workers more memory and run the same command again: what is done stays done"
                    raise DataError(f"{name}: the workers ended {failures} times in a row: {reason}", hint) from exc

    def _stream(self, waiting: dict[int, bytes]) -> Iterator[tuple[int, bytes]]:
        if len(waiting) == 1:  # nothing to share out: not worth the start of a process
            yield from [(number, Worker().do(task)) for number, task in waiting.items()]
            return
        worker: Any = daft.cls(
            type("Worker", (Worker,), {"do": daft.method(return_dtype=daft.DataType.binary())(Worker.do)}),
            use_process=True,
            max_concurrency=min(self.workers, len(waiting)),
        )()
        plan = daft.from_pydict({"number": list(waiting), "task": list(waiting.values())})
        plan = plan.into_partitions(len(waiting)) if self.is_cluster else plan.into_batches(1)
        plan = plan.select(plan["number"], worker.do(plan["task"]).alias("done"))
        for row in plan.iter_rows(results_buffer_size=None):
            yield row["number"], row["done"]
