"""The same dialogues searched for near-copies by us and by each peer, against the exact truth by brute force.

All get the same text: the turns in our normal form, joined by spaces; those that count words get its characters as
words. Truth: every pair whose sets of character 5-grams have a Jaccard similarity of 0.7 or more.
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.peers.environments import find_cause
from benchmarks.peers.figures import Column, take_median
from benchmarks.peers.generation import Contestant
from benchmarks.peers.peer import read_peer
from benchmarks.peers.processes import ROOT, run
from benchmarks.peers.report import Run, Scene
from benchmarks.similar_pairs import TruePairs, find_true_pairs, score_clusters

PEERS = (
    read_peer("daft", "daft", "deduplicate_with_daft"),
    read_peer("datatrove", "datatrove", "deduplicate_with_datatrove"),
    read_peer("text-dedup", "text-dedup", "deduplicate_with_text_dedup"),
    read_peer("rensa", "rensa", "deduplicate_with_rensa"),
    read_peer("semhash", "semhash", "deduplicate_with_semhash"),
)
TIMEOUT_S = 900
GRAM, THRESHOLD, SEED = 5, 0.7, 1
ABOUT = (
    "Korean dialogues of four turns with planted edits (`benchmarks/corpus.py`), in our normal form for all. Truth: "
    "all pairs of J ≥ 0.7 on character 5-grams, by brute force. Recall: true pairs in one cluster; precision: rows "
    "merged that have a true partner in their cluster."
)


def describe_scenes(sizes: Sequence[int]) -> tuple[Scene, ...]:
    """A table for each size; the larger ones tell how many times the smallest one's seconds they took."""
    columns = (
        Column("wall_s", "wall s", 1, True),
        Column("cpu_s", "CPU s", 1, True),
        Column("peak_mb", "peak MB", 0, True),
        Column("recall", "recall", 4),
        Column("precision", "precision", 4),
    )
    growth = Column("growth", f"× the wall time of {min(sizes):,}", 2)
    return tuple(
        Scene(str(size), f"{size:,} dialogues", columns if size == min(sizes) else (*columns, growth))
        for size in sorted(sizes)
    )


def measure_duplicates(
    folder: Path, contestants: Sequence[Contestant], sizes: Sequence[int], rounds: int, switches: dict[str, str]
) -> list[Run]:
    runs: list[Run] = []
    for size in sorted(sizes):
        source = folder / f"{size}.parquet"
        worker = [sys.executable, "-m", "benchmarks.duplicates_worker"]
        subprocess.run([*worker, "folded", str(source), str(size), str(SEED)], cwd=ROOT, check=True)
        truth = find_true_pairs(pq.read_table(source, columns=["text"])["text"].to_pylist(), GRAM, THRESHOLD)
        print(f"{size:,} dialogues, {len(truth):,} true pairs", file=sys.stderr, flush=True)
        for number in range(1, rounds + 1):
            for contestant in contestants:
                one = _run_once(folder, contestant, source, truth, switches)
                runs.append(Run(str(size), contestant.name, number, *one))
                print(f"{size} {number} {contestant.name}: {one}", file=sys.stderr, flush=True)
    return add_growth(runs, min(sizes))


def _run_once(
    folder: Path, contestant: Contestant, source: Path, truth: TruePairs, switches: dict[str, str]
) -> tuple[dict[str, float], str | None]:
    work = folder / f"work-{contestant.name}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    target, log = work / "clusters.npy", folder / f"{contestant.name}.log"
    if contestant.peer is None:
        command = [sys.executable, "-m", "benchmarks.duplicates_worker", "raw", str(source), str(target)]
    else:
        module = f"benchmarks.peers.adapters.{contestant.peer.adapter}"
        command = [str(contestant.python), "-m", module, str(source), str(target), str(work)]
    usage = run(command, log, TIMEOUT_S, switches)
    if usage.is_late:
        return {}, f"did not end within {TIMEOUT_S} s"
    if usage.code:
        return {}, f"exit {usage.code}: {find_cause(log)}"
    recall, precision = score_clusters(np.load(target), truth)
    cost = {"wall_s": usage.wall_s, "cpu_s": usage.cpu_s, "peak_mb": usage.peak_mb}
    return cost | {"recall": recall, "precision": precision}, None


def add_growth(runs: Sequence[Run], smallest: int) -> list[Run]:
    """Each run with its wall time as a multiple of the median of the same contestant's at the smallest size."""
    grown = []
    for each in runs:
        small = [other.figures for other in runs if (other.scene, other.name) == (str(smallest), each.name)]
        base = take_median(small, "wall_s")
        is_larger = base is not None and each.scene != str(smallest) and "wall_s" in each.figures
        growth = {"growth": each.figures["wall_s"] / base} if is_larger and base else {}
        grown.append(Run(each.scene, each.name, each.round, {**each.figures, **growth}, each.trouble))
    return grown
