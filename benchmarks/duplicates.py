"""Measure the search for duplicates and print the tables of benchmarks/README.md.

`python -m benchmarks.duplicates [truth] [edits] [growth] [lookup] [live] [template]`; without a section all of them,
about 15 minutes. Wall time, CPU and peak memory are of whole processes, start-up and reading included, as the kernel
accounts them. Beside other tools: `python -m benchmarks.peers duplicates`.
"""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa

from benchmarks.corpus import EDITS, build_corpus, read_lines
from benchmarks.duplicates_worker import RAW, TURNS, label_components, read_texts, write_corpus
from benchmarks.similar_pairs import find_true_pairs
from curation.duplicates.index import DuplicateIndex
from curation.duplicates.live import LiveIndex
from curation.duplicates.pairs import Kind
from curation.duplicates.settings import DuplicateSettings
from curation.normal_form import fold

ROOT = Path(__file__).parent.parent
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Usage:
    """A finished process and its children: seconds, and MB of the largest of them."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def measure(command: list[str]) -> Usage:
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return Usage(time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def call_worker(name: str, *arguments: object) -> list[str]:
    return [sys.executable, "-m", "benchmarks.duplicates_worker", name, *map(str, arguments)]


def write_apart(count: int, seed: int, path: Path) -> None:
    """A corpus, written by another process: a child's peak counts from what its parent held when it was started."""
    subprocess.run(call_worker("corpus", path, count, seed), cwd=ROOT, check=True)


def print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print(f"\n## {title}\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    sys.stdout.flush()


def measure_truth(folder: Path) -> None:
    rows = []
    for seed in (1, 2, 3):
        texts = write_corpus(build_corpus(20_000, seed), folder / "corpus.parquet")
        truth = find_true_pairs(texts, 5, 0.7)
        index = DuplicateIndex(folder, RAW)
        index.add(read_texts(folder / "corpus.parquet"))
        pairs, same = index.pairs(), index.representatives()
        found = dict(zip(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True), pairs.similarity, strict=True))
        near = {pair for pair, kind in zip(found, pairs.kind, strict=True) if kind == Kind.NEAR}
        true = {}
        for left, right, value in zip(same[truth.left], same[truth.right], truth.similarity, strict=True):
            if left != right:
                true[min(left, right), max(left, right)] = value
        error = max((abs(found[pair] - true[pair]) for pair in near & set(true)), default=0.0)
        recall, precision = len(near & set(true)) / len(true), len(near & set(true)) / len(near)
        rows.append([str(seed), f"{len(truth):,}", f"{recall:.4f}", f"{precision:.4f}", f"{error:.0e}"])
    head = ["seed", "true pairs (exact copies among them)", "recall", "precision", "largest error of a similarity"]
    print_table("Truth 1: J ≥ 0.7 on raw character 5-grams, 20,000 dialogues", head, rows)


def measure_edits(_: Path) -> None:
    corpus = build_corpus(50_000, 1)
    families, edits = np.array(corpus.families), np.array(corpus.edits)
    folded = [pa.array([[fold(turn) for turn in turns] for turns in corpus.dialogues], TURNS)]
    raw = [pa.array([[" ".join(" ".join(turns).split())] for turns in corpus.dialogues], TURNS)]
    rows = []
    for name, settings, batches, kinds in (
        ("raw 5-grams, J ≥ 0.7", RAW, raw, (Kind.NEAR,)),
        ("normal form 3-grams, J ≥ 0.5", DuplicateSettings(), folded, (Kind.NEAR,)),
        ("with containment (the defaults)", DuplicateSettings(), folded, tuple(Kind)),
        ("the splits' threshold, J ≥ 0.4, with containment", DuplicateSettings(threshold=0.4), folded, tuple(Kind)),
    ):
        index = DuplicateIndex(Path(), settings)
        index.add(batches)
        pairs, same = index.pairs(), index.representatives()
        chosen = np.isin(pairs.kind, kinds)
        copies = np.flatnonzero(same != np.arange(len(same)))
        left = np.concatenate([pairs.left[chosen], same[copies]])
        right = np.concatenate([pairs.right[chosen], copies])
        is_right = families[left] == families[right]
        labels = label_components(left[is_right], right[is_right], len(same))
        is_found = np.bincount(labels)[labels] > 1
        by_edit = [f"{is_found[edits == edit].mean():.3f}" for edit, _ in EDITS]
        rows.append([name, f"{is_found[edits != ''].mean():.4f}", f"{is_right.mean():.4f}", *by_edit])
    head = ["setting", "edited copies found", "merged pairs of one family", *(name for name, _ in EDITS)]
    print_table("Truth 2: planted edits, 50,000 dialogues of which 12,500 are edited copies", head, rows)


def measure_growth(folder: Path) -> None:
    rows = []
    for count in (120_000, 480_000):
        source = folder / f"{count}.parquet"
        if not source.exists():
            write_apart(count, 1, source)
        usages = []
        for _ in range(ROUNDS):
            shutil.rmtree(folder / f"index-{count}", ignore_errors=True)
            usages.append(measure(call_worker("default", source, folder / f"index-{count}")))
        values = [median(getattr(each, column) for each in usages) for column in ("wall_s", "cpu_s", "peak_mb")]
        size = sum(path.stat().st_size for path in (folder / f"index-{count}").rglob("*.npy")) / 2**20
        rows.append([f"{count:,}", f"{values[0]:.1f}", f"{values[1]:.1f}", f"{values[2]:,.0f}", f"{size:,.0f}"])
    print_table(
        "Defaults, from Parquet to the saved index", ["dialogues", "wall s", "CPU s", "peak MB", "index MB"], rows
    )


def measure_lookup(folder: Path) -> None:
    known, new = folder / "480000.parquet", folder / "10000.parquet"
    if not known.exists():
        write_apart(480_000, 1, known)
    if not (folder / "index-480000").exists():
        measure(call_worker("default", known, folder / "index-480000"))
    write_apart(10_000, 2, new)
    rows = []
    for number in range(ROUNDS):
        copy = folder / "index-copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder / "index-480000", copy)
        os.sync()
        told = subprocess.run(
            call_worker("lookup", copy, new), cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout.split()
        rows.append([str(number + 1), *told])
    print_table("10,000 new in 480,000", ["round", "open and look up, s", "save, s", "peak MB", "pairs"], rows)


def measure_live(_: Path) -> None:
    corpus = build_corpus(50_000, 1)
    live = LiveIndex(DuplicateSettings())
    folded = [[fold(turn) for turn in turns] for turns in corpus.dialogues]
    started = time.perf_counter()
    for turns in folded:
        live.add(turns)
    added = (time.perf_counter() - started) / len(folded)
    questions = [[fold(turn) for turn in turns] for turns in build_corpus(2_000, 2).dialogues]
    times = []
    for turns in questions:
        started = time.perf_counter()
        live.find(turns)
        times.append(time.perf_counter() - started)
    values = [added, median(times), float(np.quantile(times, 0.99))]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    row = [*(f"{1000 * value:.2f}" for value in values), f"{peak:,.0f}"]
    print_table("Live, 50,000 known", ["add, ms", "find, ms (median)", "find, ms (99 %)", "peak MB (all)"], [row])


def measure_template(_: Path) -> None:
    """The worst data: one greeting in all, or 100,000 variants of one text."""
    lines = [fold(line) for line in read_lines()]
    source = np.random.default_rng(1)
    greeting = ["안녕엑사야", "손을흔들며안녕유저오늘도와줘서고마워무슨얘기할까"]
    chosen = source.integers(0, len(lines), (100_000, 2)).tolist()
    variants = source.integers(0, len(lines), 100_000).tolist()
    rows = []
    for name, dialogues in (
        ("one greeting in all (a third of each)", [[*greeting, lines[a], lines[b]] for a, b in chosen[:20_000]]),
        ("variants of one text", [["".join(lines[:4]) + lines[at][:6], greeting[1]] for at in variants]),
        ("copies of one text", [lines[:4]] * 100_000),
    ):
        index = DuplicateIndex(Path(), DuplicateSettings())
        started = time.process_time()
        index.add([pa.array(dialogues, TURNS)])
        spent = time.process_time() - started
        rows.append([name, f"{len(dialogues):,}", f"{spent:.1f}", f"{len(index.pairs()):,}"])
    print_table("Templates", ["data", "dialogues", "CPU s", "pairs listed"], rows)


SECTIONS = {
    "truth": measure_truth,
    "edits": measure_edits,
    "growth": measure_growth,
    "lookup": measure_lookup,
    "live": measure_live,
    "template": measure_template,
}


def main(arguments: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments or SECTIONS:
            SECTIONS[name](Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
