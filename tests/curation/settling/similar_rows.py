"""Small data sets with copies, chains and cliques of similar rows, for the tests of keepers, splits and settlement."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from curation.settling.keepers import Rank
from curation.settling.neighbours import Ints, Neighbours, Pairs
from curation.settling.settlement import Judged, Settlement, SettleSettings, Status, settle
from curation.settling.share_out import Strata
from curation.settling.split_memory import Split, extend_memory, recall_splits
from curation.settling.splits import SplitSettings

SIMILARITIES = (0.2, 0.39, 0.4, 0.45, 0.5, 0.7, 0.95)
TOPICS = ("농담", "정서적 위로", "잘 자·잘 일어나 인사", "연애 고민")
PERSONAS = ("exa", "seoyeon")

unhurried = settings(deadline=None)
"""For tests that a slow machine may take its time over."""


@dataclass(frozen=True)
class Row:
    """One row and what is known of it. Rows of the same text are exact copies."""

    id: str
    text: str
    topic: str = TOPICS[0]
    persona: str = PERSONAS[0]
    reviewed: bool = False
    score: float | None = None
    notes: int = 0
    length: int = 0
    eligible: bool = True
    banned: bool = False
    waiting: bool = False


@dataclass(frozen=True)
class World:
    """Rows, and which of their texts are similar (each pair once, sorted)."""

    rows: tuple[Row, ...]
    similar: Mapping[tuple[str, str], float] = field(default_factory=dict)

    def compare(self, one: Row, two: Row) -> float:
        """The similarity of two rows; 0 where it is not known."""
        return (
            1.0 if one.text == two.text else self.similar.get((min(one.text, two.text), max(one.text, two.text)), 0.0)
        )

    def find_neighbours(self) -> Neighbours:
        place: dict[str, int] = {}
        for number, row in enumerate(self.rows):
            place.setdefault(row.text, number)
        known = [(*texts, value) for texts, value in self.similar.items() if texts[0] in place and texts[1] in place]
        pairs = Pairs(
            np.array([place[each[0]] for each in known], dtype=np.int64),
            np.array([place[each[1]] for each in known], dtype=np.int64),
            np.array([each[2] for each in known], dtype=np.float64),
        )
        representative = np.array([place[row.text] for row in self.rows], dtype=np.int64)
        return Neighbours.of([row.id for row in self.rows], representative, pairs)

    def find_rank(self) -> Rank:
        return Rank(
            np.array([row.reviewed for row in self.rows], dtype=np.bool_),
            np.array([np.nan if row.score is None else row.score for row in self.rows], dtype=np.float64),
            np.array([row.notes for row in self.rows], dtype=np.int64),
            np.array([row.length for row in self.rows], dtype=np.int64),
        )

    def find_strata(self) -> Strata:
        return Strata([row.topic for row in self.rows], [row.persona for row in self.rows])

    def find_order(self) -> Ints:
        neighbours = self.find_neighbours()
        order = self.find_rank().order(neighbours)
        return order[np.array([row.eligible and not row.banned for row in self.rows], dtype=np.bool_)[order]]

    def judge(self) -> Judged:
        marks = [[getattr(row, name) for row in self.rows] for name in ("eligible", "banned", "waiting")]
        return Judged(
            self.find_neighbours(),
            self.find_strata(),
            self.find_rank(),
            *(np.array(mark, dtype=np.bool_) for mark in marks),
        )

    def settle(self, memory: Mapping[str, Split], settings: SettleSettings) -> Settlement:
        return settle(self.judge(), recall_splits([row.id for row in self.rows], memory), settings)

    def extend(self, memory: Mapping[str, Split], settlement: Settlement) -> dict[str, Split]:
        return extend_memory(memory, [row.id for row in self.rows], settlement.split)

    def tell(self, settlement: Settlement) -> dict[str, tuple[str, int, str | None, float]]:
        """What became of each row, without row numbers."""
        told = {}
        for number, row in enumerate(self.rows):
            keeper = int(settlement.keeper[number])
            similarity = float(np.nan_to_num(settlement.similarity[number]))
            word = Status(settlement.status[number]).word
            told[row.id] = (
                word,
                int(settlement.split[number]),
                self.rows[keeper].id if keeper >= 0 else None,
                similarity,
            )
        return told


@st.composite
def worlds(draw: st.DrawFn, most_rows: int = 14, texts: str = "abcdefgh") -> World:
    count = draw(st.integers(1, most_rows))
    rows = []
    for number in range(count):
        rows.append(
            Row(
                id=f"{draw(st.integers(0, 9))}-{number:02d}",
                text=draw(st.sampled_from(texts)),
                topic=draw(st.sampled_from(TOPICS)),
                persona=draw(st.sampled_from(PERSONAS)),
                reviewed=draw(st.integers(0, 5)) == 0,
                score=draw(st.sampled_from((None, 3.0, 4.5))),
                notes=draw(st.integers(0, 1)),
                length=draw(st.sampled_from((80, 200))),
                eligible=draw(st.integers(0, 6)) > 0,
                banned=draw(st.integers(0, 12)) == 0,
                waiting=draw(st.integers(0, 5)) == 0,
            )
        )
    known = [(one, two) for one in texts for two in texts if one < two]
    chosen = draw(st.lists(st.sampled_from(known), max_size=14, unique=True))
    similar = {texts_: draw(st.sampled_from(SIMILARITIES)) for texts_ in chosen}
    return World(tuple(draw(st.permutations(rows))), similar)


@st.composite
def reorderings(draw: st.DrawFn, world: World) -> World:
    """The same data, its rows and pairs in another order."""
    items = draw(st.permutations(list(world.similar.items())))
    return World(tuple(draw(st.permutations(world.rows))), dict(items))


def settings_of(quota: int | None) -> SettleSettings:
    quotas = None if quota is None else dict.fromkeys(TOPICS[:3], quota)
    return SettleSettings(quotas, 0.5, SplitSettings())


def make_chain(length: int, similarity: float = 0.6) -> World:
    """Rows each of which is similar to the next, and to no other."""
    names = [f"{number:07d}" for number in range(length)]
    return World(tuple(Row(name, name) for name in names), dict.fromkeys(pairwise(names), similarity))
