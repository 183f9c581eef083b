"""Us beside our peers: `python -m benchmarks.peers [generation] [duplicates] [training] [--rounds 3]`.

Makes what environments are missing, runs each section's work in turn, and writes the section into benchmarks/RESULTS.md
and its runs into benchmarks/peers/results/. Everything talks over loopback and ends by itself.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path

from benchmarks.peers import duplicates, generation, training
from benchmarks.peers.environments import DidNotRun, prepare
from benchmarks.peers.generation import Contestant
from benchmarks.peers.peer import OURS, SWITCHES, Peer
from benchmarks.peers.processes import ROOT
from benchmarks.peers.report import Run, Scene, Section, describe_machine, write_results

DEFAULT_FOLDER = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "damhwa-peers"


def prepare_all(peers: Sequence[Peer], folder: Path) -> tuple[list[Contestant], dict[str, str]]:
    """We first, then whoever could be installed; and why the others could not."""
    contestants, absent = [Contestant(OURS)], {}
    for peer in peers:
        prepared = prepare(peer, folder)
        if isinstance(prepared, DidNotRun):
            absent[peer.name] = prepared.reason
        else:
            contestants.append(Contestant(peer.name, peer, prepared))
    return contestants, absent


def list_switches(folder: Path) -> dict[str, str]:
    """A home of their own too, so that what the peers remember lies in the cache folder."""
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    return {**SWITCHES, "HOME": str(home), "HF_HOME": str(home / "huggingface")}


def measure(title: str, asked: argparse.Namespace) -> Section:
    """One section; what it wrote on the way is gone afterwards."""
    machine, switches = describe_machine(), list_switches(asked.folder)
    peers: dict[str, tuple[Peer, ...]] = {
        "Generation": generation.PEERS,
        "Duplicates": duplicates.PEERS,
        "Training": training.PEERS,
    }
    contestants, absent = prepare_all(peers[title], asked.folder)
    (asked.folder / "work").mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f"{title.lower()}-", dir=asked.folder / "work"))
    ways: dict[str, Callable[[], tuple[str, tuple[Scene, ...], list[Run]]]] = {
        "Generation": lambda: _measure_generation(work, contestants, asked, switches),
        "Duplicates": lambda: (
            duplicates.ABOUT,
            duplicates.describe_scenes(asked.sizes),
            duplicates.measure_duplicates(work, contestants, asked.sizes, asked.rounds, switches),
        ),
        "Training": lambda: (
            training.ABOUT,
            training.SCENES,
            training.measure_training(work, contestants, asked.runs, asked.rounds, switches),
        ),
    }
    about, scenes, runs = ways[title]()
    shutil.rmtree(work)
    versions = {OURS: version("damhwa"), **{peer.name: peer.version for peer in peers[title]}}
    return Section(title, about, str(date.today()), machine, versions, asked.rounds, scenes, tuple(runs), absent)


def _measure_generation(
    work: Path, contestants: Sequence[Contestant], asked: argparse.Namespace, switches: dict[str, str]
) -> tuple[str, tuple[Scene, ...], list[Run]]:
    about = generation.ABOUT.format(count=f"{asked.count:,}", width=generation.CONCURRENCY)
    shared = generation.prepare_work(work, asked.count, switches)
    return about, generation.SCENES, generation.measure_generation(shared, contestants, asked.rounds)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description="Us beside our peers.")
    parser.add_argument(
        "sections", nargs="*", metavar="SECTION", help="generation, duplicates, training (default: all)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER, help="for environments (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks", help="takes RESULTS.md and peers/results/")
    parser.add_argument("--count", type=int, default=1000, help="dialogues, a multiple of 5 (default: %(default)s)")
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[25_000, 100_000], help="dialogues searched for copies (default: both)"
    )
    parser.add_argument(
        "--runs", nargs=2, default=list(training.RUNS), metavar="RUN", help="curated runs to train on: %(default)s"
    )
    asked = parser.parse_args()
    asked.folder = asked.folder.resolve()
    known = ("generation", "duplicates", "training")
    if unknown := set(asked.sections) - set(known):
        parser.error(f"no section {', '.join(sorted(unknown))}: expected {', '.join(known)}")
    if asked.rounds < 1 or asked.count < 5 or asked.count % 5:
        parser.error("--rounds is 1 or more, --count a multiple of 5")
    asked.sections = [each.title() for each in known if each in (asked.sections or known)]
    return asked


def main() -> None:
    asked = read_arguments()
    for title in asked.sections:
        section = measure(title, asked)
        write_results(section, asked.out)
        print(f"{title}: written to {asked.out / 'RESULTS.md'}", file=sys.stderr)


if __name__ == "__main__":
    main()
