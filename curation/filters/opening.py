"""opening: a first line that too many dialogues of a topic begin with.

Why    Asked the same way 200 times, a model opens 200 dialogues alike, and the persona learns one greeting.
Drops  The fourth "오늘 뭐 했어?" in a topic of 40: all uses beyond max(3, 2 %) of the topic's dialogues.
Keeps  The first uses in the order of rank; lines that differ in a word.

It needs the whole topic at once, so it is no member of FILTERS. The caller asks once for the user's first lines and
once for the persona's.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from curation.filter import FilterSettings
from curation.finding import AtLeast
from curation.normal_form import fold


class OpeningSettings(FilterSettings):
    """Settings of `opening`."""

    least: int = 3
    """Dialogues of a topic that may share a first line, however small the topic. Default: three are chance."""
    max_share: float = 0.02
    """Share of a topic's dialogues that may share a first line, 0..1. Default: four of 200."""
    overused: AtLeast = AtLeast(drop=1)
    """Which use beyond the allowed number this is: 1 for the first beyond. Default: each of them is dropped."""


@dataclass(frozen=True, slots=True)
class Overuse:
    """Why a row's opening is one too many. `evidence` is for a reviewer, in Korean."""

    score: float
    """Which use beyond the allowed number this is, from 1."""
    shared_by: int
    """Rows of the topic with this opening."""
    allowed: int
    evidence: str


def count_allowed(dialogues: int, settings: OpeningSettings) -> int:
    """How many of a topic's dialogues may begin with the same line."""
    # Rounded first: 0.07 * 100 is 7.000000000000001, and 0.29 * 100 is 28.999999999999996.
    return max(settings.least, int(round(settings.max_share * dialogues, 6)))


def find_overused(
    topics: Sequence[str], openings: Sequence[str], settings: OpeningSettings, order: Sequence[int]
) -> dict[int, Overuse]:
    """The rows whose opening was used often enough by rows before them: row → why.

    topics, openings: one a row. order: the rows that take part, each once, best first; it alone decides who keeps a
    shared line, so the answer is the same however the rows are numbered. Rows outside it count for nothing. A blank
    opening is shared with none. Time grows with the rows alone.
    """
    forms = {each: fold(each) for each in set(openings)}
    sizes = Counter(topics[row] for row in order)
    allowed = {topic: count_allowed(size, settings) for topic, size in sizes.items()}
    users: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for row in order:
        users[topics[row], forms[openings[row]]].append(row)
    overused: dict[int, Overuse] = {}
    for (topic, form), rows in users.items():
        if form:
            for beyond, row in enumerate(rows[allowed[topic] :], 1):
                evidence = _describe(openings[row], len(rows), allowed[topic])
                overused[row] = Overuse(beyond, len(rows), allowed[topic], evidence)
    return overused


def _describe(opening: str, shared_by: int, allowed: int) -> str:
    line = opening if len(opening) <= 40 else f"{opening[:40]}…"
    return f"이 주제에서 대화 {shared_by}개의 첫마디가 같음 ({allowed}개까지만 둠): '{line}'"
