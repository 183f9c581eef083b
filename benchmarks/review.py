"""Measure the review service and print the table of benchmarks/README.md.

`python -m benchmarks.review [SECTION …]`; without a section all of them, about 15 minutes. PostgreSQL and Chromium have
to be installed (`apt-get install postgresql chromium`).
"""

import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

from benchmarks.review_corpus import write_review_data
from benchmarks.review_crowd import kill_under_load, watch_crowd
from benchmarks.review_page import slow_down, watch_page
from benchmarks.review_queries import QUEUES, look_up, open_reviewed, review_queue
from benchmarks.review_service import lend_database, percentile, serve
from curation.reviewing.place import VARIABLE

MILLION, SMALL = 1_000_000, 20_000
DATABASES = ("sqlite", "postgresql")


def measure_queries(folder: Path, count: int = MILLION) -> None:
    started = time.perf_counter()
    write_review_data(folder, count)
    print(f"{count:,} dialogues written in {time.perf_counter() - started:.1f} s")
    for kind in DATABASES:
        with lend_database(kind, folder) as url:
            os.environ[VARIABLE] = url
            started = time.perf_counter()
            run = open_reviewed(folder)
            print(f"{kind}: taken over in {time.perf_counter() - started:.1f} s")
            review_queue(run, QUEUES["audit"], 20)
            for name, wanted in QUEUES.items():
                spent = review_queue(run, wanted)
                print(f"{kind}, {name}: {spent.tell_sum('lease', 'decision')}; {spent.tell()}")
            print(f"{kind}: {look_up(run).tell()}")
            run.close()


def measure_crowd(folder: Path) -> None:
    write_review_data(folder, SMALL)
    for kind in DATABASES:
        with lend_database(kind, folder) as url:
            record, lost = watch_crowd(folder, url)
            for what, seconds in (("claims", record.claims), ("decisions", record.decisions)):
                p50, p95 = (percentile(seconds, share) for share in (0.5, 0.95))
                print(f"{kind}: {len(seconds)} {what}, p50 {p50:.1f} ms, p95 {p95:.1f} ms")
            print(f"{kind}: {record.doubles} assigned twice, {record.refused} refused, {lost} lost")


def measure_kills(folder: Path) -> None:
    write_review_data(folder, SMALL)
    for kind in DATABASES:
        with lend_database(kind, folder) as url:
            killed = kill_under_load(folder, url)
            recovery = sorted(killed.recovery_s)[len(killed.recovery_s) // 2]
            print(f"{kind}: {killed.acknowledged} acknowledged, {killed.lost} lost; first card {recovery:.2f} s on")


def measure_page(folder: Path) -> None:
    write_review_data(folder, SMALL)
    with lend_database("sqlite", folder) as database, serve(folder, database, has_users=False) as server:
        print(f"page: {watch_page(server.url).tell()}")
        with slow_down(server.url) as url:
            print(f"page, 60 ms: {watch_page(url).tell()}")


SECTIONS: dict[str, Callable[[Path], None]] = {
    "queries": measure_queries,
    "crowd": measure_crowd,
    "kills": measure_kills,
    "page": measure_page,
}


def main(names: list[str]) -> None:
    machine = f"{platform.system()} {platform.machine()} · {os.cpu_count()} cores · Python {platform.python_version()}"
    print(f"{date.today()} · {machine}")
    for name in names or SECTIONS:
        with tempfile.TemporaryDirectory() as folder:
            load = os.getloadavg()[0]
            SECTIONS[name](Path(folder) / "run")
            print(f"{name}: load average {load:.1f} before, {os.getloadavg()[0]:.1f} after")


if __name__ == "__main__":
    main(sys.argv[1:])
