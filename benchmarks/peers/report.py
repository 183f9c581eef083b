"""RESULTS.md, a section at a time: a run writes its own and leaves the others as they are."""

import json
import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.peers.figures import Column, Figures, write_cell
from benchmarks.peers.peer import OURS

ORDER = ("Generation", "Duplicates", "Training")
PREAMBLE = """# Beside its peers

Made by `python -m benchmarks.peers`: each peer in an environment of its own at a pinned version, doing the same work as
the others in turn, as its documentation recommends (settings and reasons: `benchmarks/peers/adapters/`). Medians of the
rounds; in brackets how many times ours. Wall time, CPU (user and system) and memory (proportional set size) are of
whole process trees, start-up included. Every run: `benchmarks/peers/results/*.json`.
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one contestant in one scene. `trouble`: how it ended where it did not end well."""

    scene: str
    name: str
    round: int
    figures: Figures
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """A table: what was done, and the figures that it shows."""

    key: str
    title: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """What a command has measured. `absent`: who did not run at all, and why."""

    title: str
    about: str
    date: str
    machine: str
    versions: Mapping[str, str]
    rounds: int
    scenes: tuple[Scene, ...]
    runs: tuple[Run, ...]
    absent: Mapping[str, str]


def describe_machine() -> str:
    """System, processor, cores, memory and how busy it is."""
    model = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    parts = (
        f"{platform.system()} {platform.machine()}",
        model[1] if model else "unknown processor",
        f"{os.cpu_count()} cores, {memory:.0f} GiB",
        f"Python {platform.python_version()}",
        f"load {os.getloadavg()[0]:.1f} before",
    )
    return ", ".join(parts)


def render_section(section: Section) -> str:
    names = ", ".join(f"{name} {version}" for name, version in section.versions.items())
    rounds = f"{section.rounds} round{'s' if section.rounds > 1 else ''} in turn"
    lines = [f"## {section.title}", "", section.about, "", f"Measured {section.date}, {rounds}. {section.machine}."]
    lines += ["", f"Versions: {names}."]
    for scene in section.scenes:
        lines += ["", f"### {scene.title}", "", *render_table(scene, section)]
    return "\n".join(lines) + "\n"


def render_table(scene: Scene, section: Section) -> list[str]:
    titles = ["", *(column.title for column in scene.columns), "remarks"]
    lines = [f"| {' | '.join(titles)} |", f"|{'---|' * len(titles)}"]
    here = [run for run in section.runs if run.scene == scene.key]
    ours = [run.figures for run in here if run.name == OURS]
    for name in section.versions:
        runs = [run for run in here if run.name == name]
        base = [] if name == OURS else ours
        cells = [write_cell(column, [run.figures for run in runs], base) for column in scene.columns]
        label = f"**{name}**" if name == OURS else name
        lines.append(f"| {label} | {' | '.join(cells)} | {_remark(runs, section.absent.get(name))} |")
    return lines


def _remark(runs: Sequence[Run], reason: str | None) -> str:
    if reason is not None:
        return _escape(f"did not run: {reason}")
    troubles = [run.trouble for run in runs if run.trouble]
    if not troubles:
        return "" if runs else "not measured"
    told = "; ".join(f"{kind} ({troubles.count(kind)} of {len(runs)})" for kind in dict.fromkeys(troubles))
    return _escape(told if any(run.figures for run in runs) else f"did not run: {told}")


def _escape(text: str) -> str:
    return text.replace("|", "\\|")


def replace_section(document: str, title: str, text: str) -> str:
    """The document with this section, at its place in the order, and all others as they were."""
    head, *sections = re.split(r"(?m)^(?=## )", document or PREAMBLE)
    named = {each.partition("\n")[0].removeprefix("## ").strip(): each for each in sections}
    named[title] = text
    ranked = sorted(named, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))
    return "\n\n".join(part.strip() for part in (head, *(named[name] for name in ranked))) + "\n"


def write_results(section: Section, folder: Path) -> None:
    """RESULTS.md and the runs as JSON beside the code that made them."""
    document, path = folder / "RESULTS.md", folder / "peers" / "results" / f"{section.title.lower()}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    before = document.read_text(encoding="utf-8") if document.exists() else ""
    document.write_text(replace_section(before, section.title, render_section(section)), encoding="utf-8")
    path.write_text(json.dumps(asdict(section), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
