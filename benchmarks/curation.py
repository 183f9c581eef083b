"""Measure curation as a whole and print the table of benchmarks/README.md.

`python -m benchmarks.curation [SECTION …]`; without a section all of them but `million`, about 15 minutes. Speed is of
wall time with a worker process a core, and beside it what two cores would do by the CPU time of all processes, which
other work on the machine disturbs less. Memory is the sum over a process and its children, sampled five times a second.
"""

import os
import platform
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from itertools import islice
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.curation_corpus import (
    compose_dialogues,
    compose_slips,
    list_personas,
    pair_dialogues,
    splice_dialogues,
    write_source,
)
from benchmarks.watch import watch
from curation.filter import decide
from curation.filters import FILTERS
from curation.measure import Ruler, measure_source
from curation.settings import CurationSettings
from curation.subject import Subject
from datagen.ledger import Ledger
from datagen.record import Dialogue
from datagen.simulator.slips import SLIPS

ROOT = Path(__file__).parent.parent
COUNT = 40_000
SLIP_SHARE = 0.08
CLEAN, SPOILT = 12_000, 2_000
KINDS: dict[str, Callable[[], Iterator[Dialogue]]] = {
    "simulator, 2–5 exchanges, 8 % slips": lambda: compose_dialogues(1, SLIP_SHARE),
    "people (songys), 2 exchanges": lambda: pair_dialogues(1),
}


def measure_filters(folder: Path) -> None:
    """Dialogues a second through all filters into the measured file, in worker processes, and each filter's share."""
    settings = dict(CurationSettings().filters)
    print("\n| dialogues | | s | CPU s | a second | by CPU time |\n|---|---|---|---|---|---|")
    for name, make in KINDS.items():
        place = folder / name[:9]
        place.mkdir()
        source = write_source(place, islice(make(), COUNT))
        started, cpu_before = time.monotonic(), spend_cpu()
        measured = measure_source(source, Ruler.of(source, settings), place / "measured")
        seconds, cpu = time.monotonic() - started, spend_cpu() - cpu_before
        rows = sum(file.rows for file in measured)
        print(
            f"| {rows:,} | {name} | {seconds:.1f} | {cpu:.1f} | {rows / seconds:,.0f} | {2 * rows / cpu:,.0f} |",
            flush=True,
        )
    measure_each_filter()


def spend_cpu() -> float:
    """CPU seconds of this process and of its children that have ended."""
    usages = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


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
    print(
        f"\n{count:,} dialogues: {seen.wall_s:.0f} s, CPU {seen.cpu_s:.0f} s, peak {seen.peak_mb:,.0f} MB, "
        f"without mapped files {seen.anonymous_mb:,.0f} MB, exit {seen.code}"
    )
    print("\n| stage | s | peak MB | without mapped files |\n|---|---|---|---|")
    before = 0.0
    for name, at in seen.marks.items():
        high, anonymous = seen.peaks[name]
        print(f"| {name} | {at - before:.1f} | {high:,.0f} | {anonymous:,.0f} |")
        before = at


def curate_command(data: Path, out: Path) -> list[str]:
    personas = sorted((ROOT / "specs" / "personas").glob("*.yaml"))
    options = [part for path in personas for part in ("--persona", str(path))]
    return [sys.executable, "-m", "damhwa", "curate", str(data), "-o", str(out), *options]


def measure_demo(folder: Path) -> None:
    """`build` of the demo from nothing; `curate` of its run with nothing measured before, and once more."""
    run, damhwa = folder / "run", [sys.executable, "-m", "damhwa"]
    built = watch([*damhwa, "build", "specs/exa-data.yaml", "-o", str(run), "--offline"], ROOT)
    ledger = Ledger.open_to_read(run / "ledger.db")
    drafts = sum(each.accepted + each.rejected for each in ledger.tallies().values())
    ledger.close()
    counts = Counter(pq.read_table(run / "curated" / "decisions.parquet").column("status").to_pylist())
    print(
        f"\nbuild: {built.wall_s:.1f} s, CPU {built.cpu_s:.1f} s, exit {built.code}; {drafts:,} drafts for "
        f"{counts['accepted']:,} accepted, {counts['reserve']} in reserve "
        f"({counts['reserve'] / max(1, counts['accepted']):.1%}), {counts['dropped']} dropped, "
        f"{counts['duplicate']} duplicates, {counts['set-aside']} set aside"
    )
    shutil.rmtree(run / ".curation")
    for name in ("nothing measured before", "once more"):
        seen = watch([*damhwa, "curate", str(run)], ROOT)
        print(f"curate, {name}: {seen.wall_s:.1f} s, CPU {seen.cpu_s:.1f} s, exit {seen.code}", flush=True)


def measure_false_drops(_: Path) -> None:
    """Clean dialogues that are dropped, by filter, and slips that are found; 12,000 and 2,000 of each kind."""
    judge = DropJudge()
    print("\n| clean | dialogues | dropped | by |\n|---|---|---|---|")
    for name, dialogues in (("people", pair_dialogues(7)), ("simulator, no slips", compose_dialogues(7))):
        codes = Counter(judge.find(each) for each in islice(dialogues, CLEAN))
        good = codes.pop(None)
        told = ", ".join(f"{code} {count}" for code, count in codes.most_common())
        print(f"| {name} | {CLEAN:,} | {1 - good / CLEAN:.2%} | {told} |", flush=True)
    print("\n| slip | dropped |\n|---|---|")
    for name in SLIPS:
        found = sum(judge.find(each) is not None for each in compose_slips(name, SPOILT))
        print(f"| {name} | {found / SPOILT:.1%} |", flush=True)


class DropJudge:
    """All filters with their default limits."""

    def __init__(self) -> None:
        self._settings = CurationSettings().filters
        self._personas = list_personas()

    def find(self, dialogue: Dialogue) -> str | None:
        """The code of the first filter that drops a dialogue."""
        persona = self._personas[dialogue.persona]
        subject = Subject.of(dialogue.messages, persona, dialogue.id, dialogue.topic)
        for each in FILTERS:
            own = self._settings[each.code]
            if any(found.verdict == "drop" for found in decide(each.code, own, each.measure(subject, own))):
                return each.code
        return None


def measure_redecision(folder: Path) -> None:
    """`curate` of 100,000 dialogues after a changed limit: nothing is measured or compared anew."""
    data, out = folder / "data", folder / "out"
    data.mkdir()
    write_source(data, islice(compose_dialogues(3, SLIP_SHARE), 100_000))
    settings = folder / "curation.yaml"
    for limit in (0.95, 0.6):
        settings.write_text(f"filters:\n  speech-level:\n    off-level: {{drop: {limit}}}\n", encoding="utf-8")
        seen = watch([*curate_command(data, out), "--settings", str(settings)], ROOT)
        told = "all" if limit == 0.95 else "a changed limit"
        print(f"curate of 100,000, {told}: {seen.wall_s:.1f} s, CPU {seen.cpu_s:.1f} s, exit {seen.code}", flush=True)


SECTIONS: dict[str, Callable[[Path], None]] = {
    "filters": measure_filters,
    "memory": measure_memory,
    "demo": measure_demo,
    "false-drops": measure_false_drops,
    "redecide": measure_redecision,
    "million": measure_million,
}


def main(names: list[str]) -> None:
    machine = f"{platform.system()} {platform.machine()} · {os.cpu_count()} cores · Python {platform.python_version()}"
    print(f"{date.today()} · {machine}")
    for name in names or list(SECTIONS)[:-1]:
        with tempfile.TemporaryDirectory() as folder:
            SECTIONS[name](Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
