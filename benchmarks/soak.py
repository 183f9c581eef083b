"""A long run with every fault on: `python -m benchmarks.soak [DIALOGUES]`, 50,000 by default, some ten minutes.

Memory has to stay flat, quotas exact, and nothing paid for lost. The table shows memory at each tenth of the run.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from benchmarks.generation import ROOT, generate_command, read_stats, simulate, write_spec
from benchmarks.watch import measure_memory
from datagen.ledger import Ledger
from datagen.store import read_dialogues

FAULTS = {
    "latency_s": 0.02,
    "jitter_s": 0.015,
    "rate_limited": 0.02,
    "retry_after_s": 0.02,
    "server_error": 0.02,
    "cut": 0.01,
    "malformed": 0.05,
    "refusal": 0.01,
    "slip": 0.05,
    "stall": 0.0005,
    "stall_s": 3.0,
}
KINDS = ("rate_limited", "server_error", "cut", "stall", "malformed", "refusal")
FLAT_MB = 25.0
"""From the second tenth of the run on memory may grow by so much: each scenario that was asked is remembered."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Memory at one moment."""

    accepted: int
    seconds: float
    anonymous_mb: float


def run(folder: Path, count: int) -> int:
    """The samples as a table, and whether all promises were kept: the exit code."""
    spec, started, samples = write_spec(folder, count), time.monotonic(), list[Sample]()
    with simulate(**FAULTS) as url:
        command = generate_command(spec, folder / "run", url, "--concurrency", "64", "--timeout", "5", "--json")
        with (folder / "summary.json").open("wb") as out, (folder / "told.txt").open("wb") as told:
            process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=told)
        while process.poll() is None:
            time.sleep(1.0)
            stored = read_stats(url).get("answered", 0)
            memory = measure_memory(process.pid)[1]
            if memory and stored >= count * (len(samples) + 1) / 10:
                samples.append(Sample(stored, time.monotonic() - started, memory))
        stats = read_stats(url)
    print("| answers | after s | MB |\n|---|---|---|")
    for each in samples:
        print(f"| {each.accepted:,} | {each.seconds:.0f} | {each.anonymous_mb:.0f} |")
    return _judge(folder, count, process.returncode, stats, samples)


def _judge(folder: Path, count: int, code: int, stats: dict[str, int], samples: list[Sample]) -> int:
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    ledger = Ledger.open_to_read(folder / "run" / "ledger.db")
    attempts = sum(each.accepted + each.rejected for each in ledger.tallies().values())
    ledger.close()
    rows = sum(1 for _ in read_dialogues(folder / "run" / "dialogues"))
    exact = all(topic["accepted"] == topic["quota"] for topic in summary["topics"].values())
    grown = samples[-1].anonymous_mb - samples[1].anonymous_mb if len(samples) > 1 else 0.0
    print(f"\nexit {code} · quotas exact: {exact} · rows in Parquet {rows:,} of {count:,}")
    print(f"answers paid for {stats['paid']:,}, stored {attempts:,}, asked for again {stats.get('paid_again', 0):,}")
    print(f"memory from the second tenth to the last: {grown:+.0f} MB (flat: at most {FLAT_MB:.0f})")
    faults = {
        name: stats.get(name, 0) for name in ("rate_limited", "server_error", "cut", "stall", "malformed", "refusal")
    }
    print(f"faults met: {', '.join(f'{name} {number:,}' for name, number in faults.items())}")
    is_good = code == 0 and exact and rows == count and attempts == stats["paid"] and grown <= FLAT_MB
    return int(not is_good)


def main(arguments: list[str]) -> int:
    count = int(arguments[0]) if arguments else 50_000
    print(f"{date.today()} · {os.cpu_count()} cores · {count:,} dialogues", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        return run(Path(folder), count)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
