"""Run a measured command with all its processes: seconds, memory, a limit of time, and `kill -9` when told.

The command gets a process group of its own, so that what it leaves behind ends with it and a kill hits all of it, as a
machine that goes down would.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.watch import measure_memory

ROOT = Path(__file__).parent.parent.parent
_MEMORY_EVERY_S = 0.2
_LOOK_EVERY_S = 0.02


@dataclass(frozen=True, slots=True)
class Usage:
    """A finished command, all its processes together.

    `cpu_s`: user and system of the process and the children it awaited, or of all that was seen where it awaited some
    not. `peak_mb`: the sum of PSS, sampled five times a second. `is_killed`: by us, as told. `is_late`: at the limit.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    code: int
    is_killed: bool = False
    is_late: bool = False


def run(
    command: Sequence[str],
    log: Path,
    timeout_s: float,
    switches: Mapping[str, str] | None = None,
    is_to_die: Callable[[], bool] | None = None,
) -> Usage:
    """`is_to_die`: asked all the time; once it says so, everything is killed."""
    with log.open("wb") as file:
        started = time.monotonic()
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env={**os.environ, **(switches or {})},
            start_new_session=True,
        )
        guard = _Guard(process.pid, started + timeout_s, is_to_die or (lambda: False))
        guard.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        guard.end()
    cpu_s = max(usage.ru_utime + usage.ru_stime, sum(guard.cpu_s.values()))
    return Usage(wall_s, cpu_s, guard.peak_mb, process.returncode, guard.is_killed, guard.is_late)


class _Guard(threading.Thread):
    """Samples memory, and kills the group at the limit or when it is told to."""

    def __init__(self, group: int, until: float, is_to_die: Callable[[], bool]) -> None:
        super().__init__()
        self.peak_mb = 0.0
        self.cpu_s: dict[int, float] = {}
        self.is_killed = False
        self.is_late = False
        self._group, self._until, self._is_to_die = group, until, is_to_die
        self._done = threading.Event()

    def run(self) -> None:
        next_sample = time.monotonic()
        while not self._done.wait(_LOOK_EVERY_S):
            if time.monotonic() >= next_sample:
                self.peak_mb = max(self.peak_mb, measure_memory(self._group)[0])
                self.cpu_s |= read_cpu(self._group)
                next_sample = time.monotonic() + _MEMORY_EVERY_S
            self.is_late = time.monotonic() > self._until
            self.is_killed = self._is_to_die()
            if self.is_late or self.is_killed:
                kill_group(self._group)
                return

    def end(self) -> None:
        self._done.set()
        self.join()
        kill_group(self._group)


def read_cpu(pid: int) -> dict[int, float]:
    """Seconds so far of a process and of each of its descendants; one that has ended in between is left out."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        children = [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text(encoding="ascii").split()
        ]
    except OSError:
        return {}
    seen = {pid: (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")}
    for child in children:
        seen |= read_cpu(child)
    return seen


def kill_group(group: int) -> None:
    """`kill -9` for a command of ours and what it has started."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return
