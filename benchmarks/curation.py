"""Measure curation as a whole and print the table of benchmarks/README.md.

`python -m benchmarks.curation [SECTION …]`; without a section all of them but `million`, about 10 minutes. Speed is of
wall time with two worker processes and the filters' own share of it in CPU time; memory is the sum over a process and
its children of what is theirs alone and their share of the rest (PSS), sampled ten times a second.
"""

import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from itertools import islice
from pathlib import Path

from benchmarks.curation_corpus import (
    compose_dialogues,
    list_personas,
    pair_dialogues,
    splice_dialogues,
    write_source,
)
from benchmarks.watch import watch
from curation.filters import FILTERS
from curation.measure import Ruler, measure_source
from curation.settings import CurationSettings
from curation.subject import Subject
from datagen.record import Dialogue

ROOT = Path(__file__).parent.parent
COUNT = 40_000
SLIP_SHARE = 0.08
KINDS: dict[str, Callable[[], Iterator[Dialogue]]] = {
    "simulator, 2–5 exchanges, 8 % slips": lambda: compose_dialogues(1, SLIP_SHARE),
    "people (songys), 2 exchanges": lambda: pair_dialogues(1),
}


def measure_filters(folder: Path) -> None:
    """Dialogues a second through all filters into the measured file, in worker processes, and each filter's share."""
    settings = dict(CurationSettings().filters)
    print("\n| dialogues | | seconds | a second |\n|---|---|---|---|")
    for name, make in KINDS.items():
        place = folder / name[:9]
        place.mkdir()
        source = write_source(place, islice(make(), COUNT))
        started = time.monotonic()
        measured = measure_source(source, Ruler.of(source, settings), place / "measured")
        seconds = time.monotonic() - started
        rows = sum(file.rows for file in measured)
        print(f"| {rows:,} | {name} | {seconds:.1f} | {rows / seconds:,.0f} |", flush=True)
    measure_each_filter()


def measure_each_filter() -> None:
    """CPU time of one filter after another, of 4,000 dialogues; the better of two rounds."""
    settings, personas = CurationSettings().filters, list_personas()
    columns: list[dict[str, float]] = []
    for make in KINDS.values():
        dialogues = list(islice(make(), 4_000))
        subjects = [Subject.of(each.messages, personas[each.persona], each.id, each.topic) for each in dialogues]
        columns.append({})
        for each in FILTERS:
            own, times = settings[each.code], []
            for _ in range(2):
                started = time.process_time()
                for subject in subjects:
                    for _ in each.measure(subject, own):
                        pass
                times.append(time.process_time() - started)
            columns[-1][each.code] = min(times) / len(subjects) * 1e6
    print("\n| µs a dialogue | simulator | people |\n|---|---|---|")
    for code in columns[0]:
        print(f"| {code} | {columns[0][code]:.1f} | {columns[1][code]:.1f} |")
    print(f"| all | {sum(columns[0].values()):.0f} | {sum(columns[1].values()):.0f} |", flush=True)


def list_stages(data: Path, out: Path) -> dict[str, Callable[[], bool]]:
    """Stage → whether it has ended, by the files that are there."""
    files, fresh = len(list(data.glob("*.parquet"))), out / ".curated-new"
    return {
        "measure": lambda: len(list((out / ".curation" / "measured").glob("[!.]*.parquet"))) == files,
        "index": (out / ".curation" / "index" / "covers.json").exists,
        "settle": fresh.exists,
        "write": (fresh / "unreadable.parquet").exists,
        "report": (out / "curated").exists,
    }


def measure_memory(folder: Path) -> None:
    """Peak memory and time of `damhwa curate`, all stages, for more and more dialogues."""
    for count in (100_000, 250_000):
        curate_spliced(folder / str(count), count)


def measure_million(folder: Path) -> None:
    """The same for 1,000,000 dialogues."""
    curate_spliced(folder, 1_000_000)


def curate_spliced(folder: Path, count: int) -> None:
    data = folder / "data"
    data.mkdir(parents=True)
    write_source(data, islice(splice_dialogues(count), count))
    seen = watch(curate_command(data, folder / "out"), ROOT, list_stages(data, folder / "out"))
    print(f"\n{count:,} dialogues: {seen.wall_s:.0f} s, CPU {seen.cpu_s:.0f} s, peak {seen.peak_mb:,.0f} MB (PSS)")
    print("\n| stage | s | peak MB |\n|---|---|---|")
    before = 0.0
    for name, at in seen.marks.items():
        print(f"| {name} | {at - before:.1f} | {seen.peaks[name]:,.0f} |")
        before = at
    print(f"exit {seen.code}", flush=True)


def curate_command(data: Path, out: Path) -> list[str]:
    personas = sorted((ROOT / "specs" / "personas").glob("*.yaml"))
    options = [part for path in personas for part in ("--persona", str(path))]
    return [sys.executable, "-m", "damhwa", "curate", str(data), "-o", str(out), *options]


SECTIONS: dict[str, Callable[[Path], None]] = {
    "filters": measure_filters,
    "memory": measure_memory,
    "million": measure_million,
}


def main(names: list[str]) -> None:
    machine = f"{platform.system()} {platform.machine()} · {os.cpu_count()} cores · Python {platform.python_version()}"
    print(f"{date.today()} · {machine}")
    for name in names or SECTIONS:
        with tempfile.TemporaryDirectory() as folder:
            SECTIONS[name](Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
