"""What goes wrong at length: `python -m benchmarks.long_dialogues [--count N] [RUN …]`.

Recall on planted slips, false findings on clean long dialogues and on the dialogues of runs, false drops for each size
of the window, and what it costs. Without options about a minute.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.corpus import read_pairs
from benchmarks.curation_corpus import HUMAN_PERSONA, compose_dialogues, list_personas
from benchmarks.long_corpus import (
    HARD,
    SLIPS,
    build_subject,
    chain_people,
    chain_simulated,
    draw_talks,
    plant,
)
from curation.filter import Filter, FilterSettings, decide
from curation.filters import persona_drift, repetition, role_swap
from curation.filters.persona_drift import Settings as DriftSettings
from curation.finding import Finding
from curation.row import read_dialogue
from curation.signs.circles import list_circles
from curation.source import Unreadable, list_rows, open_run, read_batches
from curation.subject import Subject

PLANTED = 100
CLEAN = 1_000
WINDOWS = (6, 8, 10, 12)
FILTERS: tuple[Filter[Any], ...] = (persona_drift.FILTER, role_swap.FILTER, repetition.FILTER)
CIRCLES = ("rounds", "said_again", "asked_again", "farewell")
DRIFTS = [name for name, (code, _) in SLIPS.items() if code == persona_drift.FILTER.code and name not in HARD]


def find(subject: Subject, filters: Sequence[Filter[Any]] = FILTERS) -> list[Finding]:
    """The findings of what these filters look for at length, with their default limits."""
    found: list[Finding] = []
    for each in filters:
        found += ask(each, subject, each.settings())
    return [each for each in found if each.code != repetition.FILTER.code or each.rule in CIRCLES]


def ask(filter_: Filter[Any], subject: Subject, settings: FilterSettings) -> list[Finding]:
    return decide(filter_.code, settings, filter_.measure(subject, settings))


def tell_recall(count: int) -> None:
    print(f"\n| planted, {count} each | by | found | dropped |\n|---|---|---|---|")
    for name, (code, _) in SLIPS.items():
        verdicts = [{each.verdict for each in find(subject) if each.code == code} for subject in plant(name, count)]
        found, dropped = (sum(bool(each) for each in verdicts), sum("drop" in each for each in verdicts))
        print(f"| {name} | `{code}` | {found / count:.0%} | {dropped / count:.0%} |", flush=True)


def tell_false(name: str, subjects: Iterable[Subject]) -> None:
    dropped, noted, total = Counter[str](), Counter[str](), 0
    is_dropped = 0
    for subject in subjects:
        found = find(subject)
        total += 1
        is_dropped += any(each.verdict == "drop" for each in found)
        for each in found:
            (dropped if each.verdict == "drop" else noted)[f"{each.code} {each.rule}"] += 1
    told = ", ".join(f"{rule} {times}" for rule, times in dropped.most_common())
    also = ", ".join(f"{rule} {times}" for rule, times in noted.most_common())
    print(f"| {name} | {total:,} | {is_dropped} | {told} | {also} |", flush=True)


def read_run(folder: Path) -> Iterator[Subject]:
    """The dialogues of a run, as they are."""
    source = open_run(folder)
    for path in source.files:
        for batch in read_batches(path):
            if isinstance(batch, Unreadable):
                continue
            for number, row in list_rows(batch):
                if isinstance(row, dict):
                    each = read_dialogue(row, str(number), source.dataset, source.only_persona)
                    yield Subject.of(each.messages, source.personas.get(each.persona), each.id, each.topic)


def tell_windows(count: int) -> None:
    print("\n| window | planted drifts dropped | clean dropped | clean noted |\n|---|---|---|---|")
    clean = [*draw_talks(count), *chain_people(count), *chain_simulated(count)]
    planted = [subject for name in DRIFTS for subject in plant(name, PLANTED)]
    for window in WINDOWS:
        settings = DriftSettings(window=window)
        counts = []
        for subjects, verdict in ((planted, "drop"), (clean, "drop"), (clean, "note")):
            found = (ask(persona_drift.FILTER, each, settings) for each in subjects)
            counts.append(sum(any(one.verdict == verdict for one in each) for each in found))
        print(
            f"| {window} | {counts[0] / len(planted):.1%} | {counts[1]} of {len(clean):,} | {counts[2]} |", flush=True
        )


def tell_cost() -> None:
    print("\n| dialogue | persona-drift | role-swap | circles |\n|---|---|---|---|")
    personas = list_personas()
    short = []
    for dialogue, _ in zip(compose_dialogues(3), range(500), strict=False):
        short.append(Subject.of(dialogue.messages, personas[dialogue.persona]))
    groups = {"2 to 5 exchanges": short}
    pairs = [list(pair) for pair in read_pairs()]
    for exchanges in (20, 60, 120, 500):
        groups[f"{exchanges} exchanges"] = [
            build_subject(pairs[at : at + exchanges], HUMAN_PERSONA) for at in range(0, 10 * exchanges, exchanges)
        ]
    for name, subjects in groups.items():
        took = [
            time_each(subjects, lambda each: list(persona_drift.measure(each, DriftSettings()))),
            time_each(subjects, lambda each: list(role_swap.measure(each, role_swap.Settings()))),
            time_each(subjects, lambda each: list_circles(each.utterances)),
        ]
        print(f"| {name} | {' | '.join(f'{each:,.1f} µs' for each in took)} |", flush=True)


def time_each(subjects: Sequence[Subject], measure: Callable[[Subject], object]) -> float:
    """Microseconds of CPU a dialogue, the best of three rounds."""
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        rounds = max(1, 500 // len(subjects) // (1 + len(subjects[0].utterances)))
        for _ in range(rounds):
            for subject in subjects:
                measure(subject)
        best = min(best, (time.process_time() - began) / rounds / len(subjects))
    return best * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="*", type=Path, help="folders of runs whose dialogues are looked at too")
    parser.add_argument("--count", type=int, default=CLEAN, help="clean dialogues of each kind")
    options = parser.parse_args()
    tell_recall(PLANTED)
    print("\n| clean | dialogues | dropped | by | noted |\n|---|---|---|---|---|")
    tell_false("talk of `long_lines.yaml`", draw_talks(options.count))
    tell_false("people's pairs in a row", chain_people(options.count))
    tell_false("the simulator's in a row", chain_simulated(options.count))
    for folder in options.runs:
        tell_false(folder.name, read_run(folder))
    tell_windows(options.count // 2)
    tell_cost()


if __name__ == "__main__":
    main()
