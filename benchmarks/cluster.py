"""Measure `curate` by its engines, fit a cost model, and predict a cluster: the figures of docs/cluster.md.

`python -m benchmarks.cluster run SIZE … [--engine native|daft|ray] [--workers N] [--folder DIR]` makes the runs that
`cluster_runs.json` does not hold yet, one after the other, and tells before each how long it will take and how much
disk it needs; both options may be repeated. `python -m benchmarks.cluster fit` fits and predicts. A worker is a core:
the whole command, driver and all, is held to so many.
"""

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from benchmarks.curation_corpus import splice_dialogues, write_source
from benchmarks.watch import watch

ROOT = Path(__file__).parent.parent
RUNS = Path(__file__).parent / "cluster_runs.json"
ENGINES = ("native", "daft", "ray")
SECONDS_EACH = 0.002
"""Of two cores for a dialogue, where no run says it: what a busy machine took."""
BYTES_EACH = 7_000
"""Of disk for a dialogue: source, measured file, index, exchange, splits."""

Floats = npt.NDArray[np.float64]
Run = dict[str, Any]


def load_runs() -> list[Run]:
    runs: list[Run] = json.loads(RUNS.read_text(encoding="utf-8")) if RUNS.exists() else []
    return runs


def make_runs(sizes: Sequence[int], engines: Sequence[str], workers: Sequence[int], folder: Path) -> None:
    for size in sizes:
        wanted = [(size, engine, cores) for engine in engines for cores in workers]
        missing = [each for each in wanted if each not in {_name(run) for run in load_runs()}]
        if not missing:
            continue
        seconds = sum(estimate_seconds(size, cores) for _, _, cores in missing)
        free_gb, needed_gb = shutil.disk_usage(folder).free / 1e9, size * BYTES_EACH / 1e9
        told = f"{size:,} dialogues, {len(missing)} runs: about {seconds / 60:.0f} minutes"
        print(f"{told}, {needed_gb:.1f} GB of {free_gb:.0f} GB free in {folder}", flush=True)
        data = folder / f"damhwa-cluster-{size}"
        if not (data / "whole").exists():
            shutil.rmtree(data, ignore_errors=True)
            (data / "source").mkdir(parents=True)
            write_source(data / "source", islice(splice_dialogues(size), size))
            (data / "whole").touch()
        for _, engine, cores in missing:
            run = make_run(data, size, engine, cores)
            RUNS.write_text(json.dumps([*load_runs(), run], indent=1) + "\n", encoding="utf-8")
        shutil.rmtree(data)


def _name(run: Run) -> tuple[int, str, int]:
    return run["dialogues"], run["engine"], run["workers"]


def estimate_seconds(size: int, cores: int) -> float:
    """By the largest run so far, else by rule of thumb."""
    known = [run for run in load_runs() if run["workers"] == cores and run["dialogues"] <= size]
    if not known:
        return size * SECONDS_EACH * 2 / cores
    nearest = max(known, key=lambda run: (run["dialogues"], run["wall_s"]))
    return float(nearest["wall_s"]) * size / float(nearest["dialogues"])


def make_run(data: Path, size: int, engine: str, cores: int) -> Run:
    out, told = data / "out", data / "told.json"
    shutil.rmtree(out, ignore_errors=True)
    script = f"import os; os.sched_setaffinity(0, range({cores})); from benchmarks.cluster_worker import main; "
    script += f"from pathlib import Path; main({engine!r}, Path({str(data / 'source')!r}), Path({str(out)!r}))"
    before = os.getloadavg()[0]
    seen = watch(["bash", "-c", 'exec "$0" -c "$1" > "$2"', sys.executable, script, str(told)], ROOT)
    if seen.code:
        hint = f"python -m benchmarks.cluster_worker {engine} {data / 'source'} {out}"
        raise SystemExit(f"{engine} with {size:,} dialogues ended with {seen.code}; see why: {hint}")
    found = json.loads(told.read_text(encoding="utf-8"))
    shutil.rmtree(out)
    run = {
        "dialogues": size,
        "engine": engine,
        "workers": cores,
        "date": str(date.today()),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "load_before": round(before, 1),
        "wall_s": round(seen.wall_s, 2),
        "peak_mb": round(seen.peak_mb),
        "anonymous_mb": round(seen.anonymous_mb),
        **found,
    }
    print_run(run)
    return run


def print_run(run: Run) -> None:
    memory = f"{run['peak_mb']:,} MB, {run['anonymous_mb']:,} without mapped files"
    print(f"\n{run['engine']}, {run['dialogues']:,}, workers {run['workers']}: {run['wall_s']:.0f} s, {memory}")
    for stage in run["stages"]:
        sent = f", {stage['bytes_sent'] / run['dialogues']:.2f} B a dialogue sent" if "bytes_sent" in stage else ""
        largest = f", largest worker {stage['peak_mb']:,.0f} MB" if "peak_mb" in stage else ""
        print(f"  {stage['name']}: {stage['wall_s']:.1f} s, CPU {stage['cpu_s']:.1f} s{sent}{largest}")
    sys.stdout.flush()


@dataclass(frozen=True, slots=True)
class Model:
    """Seconds of a stage as a sum of terms of n dialogues."""

    terms: tuple[str, ...]
    weights: Floats
    residual: float
    """The largest share, 0..1, by which a measured value differs from the fitted one."""

    def predict(self, n: float) -> float:
        return float(np.dot(self.weights, [TERMS[term](n) for term in self.terms]))

    def __str__(self) -> str:
        parts = [f"{weight:.3g}·{term}" for term, weight in zip(self.terms, self.weights, strict=True) if weight]
        return " + ".join(parts) or "0"


TERMS: dict[str, Callable[[float], float]] = {
    "1": lambda _: 1.0,
    "n": lambda n: n,
    "n log n": lambda n: n * np.log2(max(2.0, n)),
    "n²": lambda n: n * n,
}
STAGES: dict[str, tuple[str, ...]] = {
    "measuring": ("1", "n"),
    "digests": ("1", "n"),
    "segments": ("1", "n"),
    "meetings": ("1", "n log n"),
    "pairs": ("1", "n", "n²"),
}
"""Stages of the workers, and what their CPU seconds grow with."""
PARTS: dict[str, tuple[str, ...]] = {"measuring": ("measured", "parts", "joined")}
"""Whether a file is measured as a whole or in parts depends on its size: together they grow with the dialogues."""
DRIVER: dict[str, tuple[str, ...]] = {
    "numbers": ("1", "n log n"),
    "settle": ("1", "n"),
    "write": ("1", "n"),
}
"""What the driver does alone, by wall time. `numbers`: of the index, what no stage of the workers took."""


def fit(sizes: Sequence[float], seconds: Sequence[float], terms: tuple[str, ...]) -> Model:
    """Least squares of relative errors with no negative weight; needs as many sizes as terms to mean anything."""
    matrix = np.array([[TERMS[term](n) for term in terms] for n in sizes])
    values = np.maximum(np.asarray(seconds, np.float64), 1e-3)
    scale = 1 / values
    norms = np.linalg.norm(matrix * scale[:, None], axis=0)
    weights, _ = nnls(matrix * scale[:, None] / norms, np.ones(len(values)))
    weights = weights / norms
    return Model(terms, weights, float(np.max(np.abs(matrix @ weights / values - 1))))


def get_seconds(run: Run, name: str) -> float:
    """CPU seconds of a stage of the workers, or wall seconds of what the driver does."""
    stages = {stage["name"]: stage for stage in run["stages"]}
    if name in STAGES:
        return sum(float(stages[part]["cpu_s"]) for part in PARTS.get(name, (name,)))
    if name == "settle":
        return float(stages["examine"]["wall_s"] - stages["measure"]["wall_s"] - stages["index"]["wall_s"])
    if name == "numbers":
        own = ("digests", "segments", "meetings", "pairs")
        return max(0.0, float(stages["index"]["wall_s"] - sum(stages[each]["wall_s"] for each in own)))
    return float(stages[name]["wall_s"])


@dataclass(frozen=True, slots=True)
class Fit:
    """The whole cost model."""

    models: dict[str, Model]
    overhead_s: float
    """Of a stage, beside its work."""
    stretch: float
    """Wall time of a stage's work ÷ (CPU ÷ cores)."""

    @classmethod
    def of(cls, runs: Sequence[Run]) -> "Fit":
        sizes = [float(run["dialogues"]) for run in runs]
        stages = {**STAGES, **DRIVER}
        models = {name: fit(sizes, [get_seconds(run, name) for run in runs], terms) for name, terms in stages.items()}
        return cls(models, *fit_overhead(runs))

    def predict(self, n: float, cores: float) -> tuple[float, float]:
        """Seconds of the workers' stages, and of what the driver does alone."""
        spread_s = sum(self.overhead_s + self.models[name].predict(n) / cores * self.stretch for name in STAGES)
        return spread_s, sum(self.models[name].predict(n) for name in DRIVER)


def fit_runs() -> None:
    runs = [run for run in load_runs() if run["engine"] == "ray"]
    sizes = sorted({float(run["dialogues"]) for run in runs})
    if len(sizes) < 3:
        raise SystemExit(f"a fit needs runs of three sizes by ray; {RUNS.name} has {sizes}")
    fitted = Fit.of(runs)
    print("\n| stage | seconds of n dialogues | largest residual |\n|---|---|---|")
    for name, model in fitted.models.items():
        print(f"| {name} | {model} | {model.residual:.0%} |")
    print(f"\nwall of a stage = {fitted.overhead_s:.1f} s + CPU ÷ cores × {fitted.stretch:.2f}")
    if len(sizes) > 3:
        smaller = Fit.of([run for run in runs if run["dialogues"] < sizes[-1]])
        for run in (run for run in runs if run["dialogues"] == sizes[-1]):
            start_s = next(stage["wall_s"] for stage in run["stages"] if stage["name"] == "start")
            predicted = start_s + sum(smaller.predict(sizes[-1], run["workers"]))
            told = f"fitted to the smaller runs, {sizes[-1]:,.0f} with {run['workers']} workers is predicted as"
            print(f"{told} {predicted:,.0f} s; it took {run['wall_s']:,.0f} s")
    print("\n| dialogues | nodes × 16 cores | workers' stages | driver | in all |\n|---|---|---|---|---|")
    for n, nodes in ((1e6, 1), (1e7, 10), (1e8, 10), (1e8, 100)):
        spread_s, alone_s = fitted.predict(n, 16 * nodes)
        print(
            f"| {n:,.0f} | {nodes} | {spread_s / 60:,.0f} min | {alone_s / 60:,.0f} min "
            f"| {(spread_s + alone_s) / 3600:,.1f} h |"
        )
    for name in STAGES:
        print(f"{name}: {fitted.models[name].predict(1e8) / 3600:,.1f} core hours for 100,000,000")


def fit_overhead(runs: Sequence[Run]) -> tuple[float, float]:
    """Seconds that a stage takes beside its work, and by how much CPU ÷ cores is stretched."""
    matrix, walls = [], []
    for run in runs:
        for stage in run["stages"]:
            if stage.get("tasks", 0) > 1:
                matrix.append([1.0, stage["cpu_s"] / run["workers"]])
                walls.append(stage["wall_s"])
    scale = 1 / np.maximum(walls, 1e-3)
    weights, _ = nnls(np.array(matrix) * scale[:, None], np.ones(len(walls)))
    return float(weights[0]), float(weights[1])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster")
    verbs = parser.add_subparsers(dest="verb", required=True)
    run = verbs.add_parser("run", help="make the runs of these sizes that are not made yet")
    run.add_argument("sizes", type=int, nargs="+", metavar="SIZE")
    run.add_argument("--engine", action="append", choices=ENGINES)
    run.add_argument("--workers", action="append", type=int)
    run.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    verbs.add_parser("fit", help="fit the cost model to the runs, and predict")
    asked = parser.parse_args()
    if asked.verb == "fit":
        fit_runs()
    else:
        make_runs(asked.sizes, asked.engine or ENGINES, asked.workers or (1, 2), asked.folder)


if __name__ == "__main__":
    main()
