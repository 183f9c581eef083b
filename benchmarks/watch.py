"""Run a command and watch it: wall and CPU seconds, the peak memory of all its processes, and when its stages end."""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

INTERVAL_S = 0.2


@dataclass(slots=True)
class Watched:
    """What a finished command took. `peak_mb`: the sum of PSS over the process and its descendants, at its highest."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_mb: float = 0.0
    anonymous_mb: float = 0.0
    """The same without the pages of mapped files, which the system takes back when it needs them."""
    code: int = 0
    marks: dict[str, float] = field(default_factory=dict)
    """Name → seconds after the start at which it was so."""
    peaks: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Name → MB at the peak of the time up to its mark, from the mark before: all, and without mapped files."""


def watch(command: Sequence[str], root: Path, marks: Mapping[str, Callable[[], bool]] | None = None) -> Watched:
    """`marks`: name → whether a stage has ended, in the order in which they do."""
    seen = Watched()
    waiting = list((marks or {}).items())
    done = threading.Event()
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def sample() -> None:
        high = (0.0, 0.0)
        while not done.wait(INTERVAL_S):
            now, anonymous = measure_memory(process.pid)
            high = max(high[0], now), max(high[1], anonymous)
            seen.peak_mb, seen.anonymous_mb = max(seen.peak_mb, now), max(seen.anonymous_mb, anonymous)
            while waiting and waiting[0][1]():
                name, _ = waiting.pop(0)
                seen.marks[name], seen.peaks[name] = time.monotonic() - started, high
                high = now, anonymous
        seen.peaks["end"] = high

    sampler = threading.Thread(target=sample)
    sampler.start()
    _, status, usage = os.wait4(process.pid, 0)
    seen.wall_s = time.monotonic() - started
    done.set()
    sampler.join()
    process.returncode = seen.code = os.waitstatus_to_exitcode(status)
    seen.cpu_s = usage.ru_utime + usage.ru_stime
    return seen


def measure_memory(pid: int) -> tuple[float, float]:
    """MB of a process and its descendants: what is theirs alone and their share of what they share (PSS), all of it
    and the anonymous part."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        children = [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text(encoding="ascii").split()
        ]
    except OSError:  # it ended in between
        return 0.0, 0.0
    kilobytes = {line.split()[0]: int(line.split()[1]) for line in rollup.splitlines()[1:]}
    parts = [(kilobytes["Pss:"] / 1024, kilobytes["Pss_Anon:"] / 1024), *map(measure_memory, children)]
    return sum(part[0] for part in parts), sum(part[1] for part in parts)
