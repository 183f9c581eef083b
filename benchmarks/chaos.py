"""What happens to a run when the machine, the disk, the clock or the endpoint misbehaves: `python -m benchmarks.chaos`.

Each disturbance hits a real `damhwa generate` of 200 dialogues in a process of its own, against the simulator on
loopback; then the same command runs again undisturbed. A row tells how it ended, what was stored before and lost
after, and how many requests were paid for twice. Disk and clock are disturbed by a small library put before the C
library's functions (it is compiled here, with `cc`); the full disk is a tmpfs, which needs root.
"""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.generation import ROOT, generate_command, read_stats, simulate, write_spec

COUNT = 200
IN_FLIGHT = 16
DOWN_S = 60.0
TMPFS_MB = 64
LEFT_BYTES = 900_000
"""On the full disk, when the run begins."""
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
/* DISTURB_SYNC_US: by how much each sync takes longer. DISTURB_CLOCK_FILE: while it is there, it is yesterday. */
static int slowly(const char *name, int fd) {
    const char *us = getenv("DISTURB_SYNC_US");
    if (us) usleep(atoi(us));
    return ((int (*)(int))dlsym(RTLD_NEXT, name))(fd);
}
int fsync(int fd) { return slowly("fsync", fd); }
int fdatasync(int fd) { return slowly("fdatasync", fd); }
int clock_gettime(clockid_t id, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int code = real(id, at);
    const char *path = getenv("DISTURB_CLOCK_FILE");
    if (path && id == CLOCK_REALTIME && access(path, F_OK) == 0) at->tv_sec -= 86400;
    return code;
}
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a disturbed run ended, and what the next one made of it."""

    name: str
    ended: str
    told: str
    stored: int
    """Attempts in the ledger when the disturbance was over."""
    lost: int
    """Of those, missing after the next run."""
    accepted: int
    """Dialogues in the end; the quota is 200."""
    paid_again: int
    """Requests whose very text the endpoint answered more than once."""
    in_flight: int
    """Requests at most under way at a kill: what may be paid for again."""

    @property
    def is_good(self) -> bool:
        return self.lost == 0 and self.accepted == COUNT and self.paid_again <= self.in_flight


@dataclass(frozen=True, slots=True)
class Place:
    """Where one disturbance is tried."""

    folder: Path
    url: str
    spec: Path
    shim: Path | None

    @property
    def run(self) -> Path:
        return self.folder / "run"

    def start(self, url: str | None = None, **environment: str) -> "subprocess.Popen[str]":
        """The run in a process of its own; what it says goes into `told.txt`."""
        command = generate_command(self.spec, self.run, url or self.url, "--concurrency", str(IN_FLIGHT))
        with (self.folder / "told.txt").open("w", encoding="utf-8") as told:
            return subprocess.Popen(
                command, cwd=ROOT, stdout=told, stderr=told, encoding="utf-8", env={**os.environ, **environment}
            )

    def wait_until_paid(self, count: int) -> None:
        end = time.monotonic() + 60
        while read_stats(self.url).get("paid", 0) < count:
            if time.monotonic() > end:
                raise TimeoutError(f"the endpoint answered fewer than {count} requests in 60 s")
            time.sleep(0.02)

    def read_told(self) -> str:
        lines = (self.folder / "told.txt").read_text(encoding="utf-8").splitlines()
        return next((line for line in lines if line.startswith("error:")), lines[-1] if lines else "")


@dataclass(frozen=True, slots=True)
class Disturbance:
    """One thing that goes wrong. `act` gives the finished process."""

    name: str
    act: Callable[[Place], "subprocess.Popen[str]"]
    faults: dict[str, float] = field(default_factory=lambda: {"latency_s": 0.05, "jitter_s": 0.03})
    may_pay_again: int = 0
    needs: str = ""
    """`cc` or `root`: without it the row says that it was not tried."""


def kill(number: int) -> Callable[[Place], "subprocess.Popen[str]"]:
    def act(place: Place) -> "subprocess.Popen[str]":
        process = place.start()
        place.wait_until_paid(60)
        process.send_signal(number)
        process.wait(60)
        return process

    return act


def fill_disk(place: Place) -> "subprocess.Popen[str]":
    """The run folder on a disk that somebody else has nearly filled; before the next run they make room."""
    place.run.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={TMPFS_MB}m", "tmpfs", str(place.run)], check=True)
    fill = place.run / "somebody-else"
    fill.write_bytes(b"\0" * (TMPFS_MB * 2**20 - LEFT_BYTES))
    process = place.start()
    process.wait(120)
    fill.unlink()
    return process


def slow_disk(place: Place) -> "subprocess.Popen[str]":
    process = place.start(LD_PRELOAD=str(place.shim), DISTURB_SYNC_US="300000")
    process.wait(300)
    return process


def turn_back_clock(place: Place) -> "subprocess.Popen[str]":
    """The wall clock jumps back by a day in the middle of the run."""
    moved = place.folder / "clock-is-moved"
    process = place.start(LD_PRELOAD=str(place.shim), DISTURB_CLOCK_FILE=str(moved))
    place.wait_until_paid(60)
    moved.touch()
    process.wait(120)
    return process


def lose_dns(place: Place) -> "subprocess.Popen[str]":
    process = place.start("http://no-such-host.invalid/v1")
    process.wait(120)
    return process


def stop_endpoint(place: Place) -> "subprocess.Popen[str]":
    """The endpoint hangs for a minute: its process is stopped, its connections stay open and say nothing."""
    pid = read_stats(place.url)["pid"]
    process = place.start()
    place.wait_until_paid(60)
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(DOWN_S)
    finally:
        os.kill(pid, signal.SIGCONT)
    process.wait(300)
    return process


DISTURBANCES = (
    Disturbance("SIGKILL in the middle", kill(signal.SIGKILL), may_pay_again=IN_FLIGHT),
    Disturbance("SIGTERM in the middle", kill(signal.SIGTERM)),
    Disturbance("the disk is full", fill_disk, may_pay_again=IN_FLIGHT, needs="root"),
    Disturbance("each sync takes 0.3 s", slow_disk, needs="cc"),
    Disturbance("the clock jumps back a day", turn_back_clock, needs="cc"),
    Disturbance("the name of the endpoint is not found", lose_dns),
    Disturbance(f"the endpoint hangs for {DOWN_S:.0f} s", stop_endpoint),
    Disturbance(
        "429, 500, cut and malformed replies, all at once",
        lambda place: _finish(place.start()),
        {
            "latency_s": 0.02,
            "rate_limited": 0.05,
            "retry_after_s": 0.1,
            "server_error": 0.02,
            "cut": 0.02,
            "malformed": 0.05,
        },
        may_pay_again=COUNT,
    ),
)


def _finish(process: "subprocess.Popen[str]") -> "subprocess.Popen[str]":
    process.wait(120)
    return process


def disturb(what: Disturbance, folder: Path, shim: Path | None) -> Outcome:
    """Try one disturbance, then run again undisturbed."""
    with simulate(**what.faults) as url:
        place = Place(folder, url, write_spec(folder, COUNT), shim)
        try:
            process = what.act(place)
            told, before = place.read_told(), read_attempts(place.run)
            again = place.start()
            again.wait(300)
            after = read_attempts(place.run)
        finally:
            if os.path.ismount(place.run):
                subprocess.run(["umount", str(place.run)], check=False)
        stats = read_stats(url)
    ended = f"signal {-process.returncode}" if process.returncode < 0 else f"exit {process.returncode}"
    accepted = sum(outcome == "accepted" for _, outcome in after.values())
    lost = sum(after.get(seq) != row for seq, row in before.items())
    return Outcome(what.name, ended, told, len(before), lost, accepted, stats.get("paid_again", 0), what.may_pay_again)


def read_attempts(run: Path) -> dict[int, tuple[str | None, str]]:
    """Number → raw reply and outcome of every attempt that is stored."""
    if not (run / "ledger.db").is_file():
        return {}
    connection = sqlite3.connect(run / "ledger.db")
    rows = connection.execute("SELECT seq, reply, outcome FROM attempts").fetchall()
    connection.close()
    return {seq: (reply, outcome) for seq, reply, outcome in rows}


@contextmanager
def compile_shim() -> Iterator[Path | None]:
    """The library that disturbs disk and clock; None where there is no compiler."""
    compiler = shutil.which("cc")
    with tempfile.TemporaryDirectory() as folder:
        if compiler is None:
            yield None
            return
        source, library = Path(folder) / "disturb.c", Path(folder) / "disturb.so"
        source.write_text(SHIM, encoding="utf-8")
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], check=True)
        yield library


def try_all(names: list[str]) -> Iterator[Outcome | str]:
    """The outcomes; of a disturbance that cannot be tried here, why not."""
    with compile_shim() as shim:
        for what in DISTURBANCES:
            if names and not any(name in what.name for name in names):
                continue
            if (what.needs == "cc" and shim is None) or (what.needs == "root" and os.geteuid() != 0):
                yield f"| {what.name} | not tried: needs {what.needs} | | | | | |"
                continue
            with tempfile.TemporaryDirectory() as folder:
                yield disturb(what, Path(folder), shim)


def main(names: list[str]) -> int:
    print("| what | ended | told | stored | lost | accepted after the next run | paid for twice (at most) |")
    print("|---|---|---|---|---|---|---|")
    bad = 0
    for each in try_all(names):
        if isinstance(each, str):
            print(each, flush=True)
            continue
        bad += not each.is_good
        told = each.told.replace("|", "/")[:110]
        again = f"{each.paid_again} ({each.in_flight})"
        row = (each.name, each.ended, told, each.stored, each.lost, f"{each.accepted} of {COUNT}", again)
        print(f"| {' | '.join(map(str, row))} |", flush=True)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
