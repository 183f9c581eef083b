"""How well and how fast the speech level of a sentence is told: `python -m benchmarks.speech_level [SET …]`.

The sets are the labelled sentences of `tests/curation/speech`, all by default. Coverage: of the sentences that have a
level, the share that is given one. Accuracy: of those, the share that is given the right one. False: of the sentences
that carry none, the share that is given one nevertheless.
"""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from curation.speech.ending import load_endings
from curation.speech.level import SentenceLevel, judge_sentences
from curation.speech.morphology import judge_by_morphology, load_kiwi

LABELS = Path(__file__).parent.parent / "tests" / "curation" / "speech"
SETS = ("dev", "spellings", "held_out", "held_out_2", "held_out_3", "held_out_4")

_LEANING = 0.85
"""Where a text has several sentences, its level is the last one's that is told with more confidence than this."""

_ROUNDS = 3

Judge = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Row:
    source: str
    text: str
    level: str | None


def read_set(name: str) -> list[Row]:
    lines = (LABELS / f"{name}.tsv").read_text(encoding="utf-8").splitlines()[1:]
    cells = (line.split("\t") for line in lines)
    return [Row(source, text, None if level == "none" else level) for source, _, text, level in cells]


def pick_level(told: list[SentenceLevel]) -> str | None:
    levelled = [each for each in told if each.level is not None]
    return max(levelled, key=lambda each: (each.confidence > _LEANING, each.start)).level if levelled else None


def judge_by_suffix(text: str) -> str | None:
    return pick_level([each for each in judge_sentences(text) if each.by == "suffix"])


def judge_in_stages(text: str) -> str | None:
    return pick_level(judge_sentences(text))


def measure(rows: list[Row], judge: Judge) -> str:
    told = [(row.level, judge(row.text)) for row in rows]
    levelled = [(level, found) for level, found in told if level is not None]
    decided = [(level, found) for level, found in levelled if found is not None]
    wrong = sum(level != found for level, found in decided)
    none = [found for level, found in told if level is None]
    coverage = len(decided) / max(1, len(levelled))
    accuracy = 1 - wrong / max(1, len(decided))
    false = sum(found is not None for found in none)
    return f"{len(levelled)} | {coverage:.1%} | {accuracy:.2%} ({wrong} wrong) | {false} of {len(none)}"


def time_stages(rows: list[Row]) -> Iterator[str]:
    """Sentences per second of CPU, the best of three rounds."""
    texts = [row.text for row in rows]
    endings = load_endings()
    load_kiwi()
    stages: list[tuple[str, Callable[[], object]]] = [
        ("table of endings", lambda: [endings.judge(each) for each in texts]),
        ("morphology, in one call", lambda: judge_by_morphology(texts)),
        ("both, with cutting into sentences", lambda: [judge_sentences(each) for each in texts]),
    ]
    for name, run in stages:
        took = []
        for _ in range(_ROUNDS):
            start = time.process_time()
            run()
            took.append(time.process_time() - start)
        yield f"| {name} | {len(texts) / min(took):,.0f} |"


def main(names: tuple[str, ...]) -> None:
    print("| set | source | judge | with a level | coverage | accuracy | false |\n|---|---|---|---|---|---|---|")
    for name in names:
        rows = read_set(name)
        sources = sorted({row.source for row in rows})
        for source in ["all", *sources] if len(sources) > 1 else ["all"]:
            chosen = [row for row in rows if source in ("all", row.source)]
            print(f"| {name} | {source} | endings | {measure(chosen, judge_by_suffix)} |")
            print(f"| {name} | {source} | + morphology | {measure(chosen, judge_in_stages)} |")
    print("\n| stage | sentences a second of CPU |\n|---|---|")
    for line in time_stages([row for name in names for row in read_set(name)]):
        print(line)


if __name__ == "__main__":
    main(tuple(sys.argv[1:]) or SETS)
