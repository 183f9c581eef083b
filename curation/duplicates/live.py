"""One draft at a time, in memory: has something like it been accepted already?

Exact by construction, without signatures: a dialogue that reaches the threshold shares one of the draft's rarest
grams, and those have short lists. Similarity is measured as in the index, pair by pair.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from curation.duplicates.measure import LEAST_TURNS
from curation.duplicates.settings import DuplicateSettings

_MOST_WITH_A_TURN = 64
"""A turn that more dialogues share is a phrase; whoever shares more than that is found by other turns."""
_ROUNDING = 1e-9
_ENTRIES_AT_ONCE = 20_000
"""So many entries of the grams' lists are counted in 50 microseconds; each list more leaves fewer rows to look at."""


@dataclass(frozen=True, slots=True)
class Grams:
    """A dialogue's gram set, and the part of it that each turn was the first to bring."""

    all: frozenset[str]
    by_turn: tuple[frozenset[str], ...]

    @classmethod
    def of(cls, turns: Sequence[str], n: int) -> "Grams":
        seen: set[str] = set()
        by_turn = []
        for turn in turns:
            own = {turn[at : at + n] for at in range(len(turn) - n + 1)} if len(turn) >= n else {turn} - {""}
            by_turn.append(frozenset(own - seen))
            seen |= own
        return cls(frozenset(seen), tuple(by_turn))


class LiveIndex:
    """Dialogues accepted so far. 50,000 of 80 grams take about 200 MB, and a question 0.4 ms."""

    def __init__(self, settings: DuplicateSettings) -> None:
        self._settings = settings
        self._dialogues: list[tuple[str, ...]] = []
        self._sizes = array("l")
        self._exact: dict[str, int] = {}
        self._with_gram: defaultdict[str, array[int]] = defaultdict(lambda: array("I"))
        self._with_turn: defaultdict[str, array[int]] = defaultdict(lambda: array("I"))

    def __len__(self) -> int:
        return len(self._dialogues)

    def add(self, turns: Sequence[str]) -> int:
        """Remember a dialogue by its folded turns; returns its row number."""
        row = len(self._dialogues)
        grams = Grams.of(turns, self._settings.n)
        self._dialogues.append(tuple(turns))
        self._sizes.append(len(grams.all))
        self._exact.setdefault("\n".join(turns), row)
        for gram in grams.all:
            self._with_gram[gram].append(row)
        for turn in {turn for turn in turns if len(turn) >= self._settings.turn_length}:
            self._with_turn[turn].append(row)
        return row

    def find(self, turns: Sequence[str]) -> tuple[int, float] | None:
        """The most similar dialogue that counts as a duplicate, and its similarity: 1, Jaccard, or containment.

        Of equally similar ones the first. None where there is none.
        """
        if (row := self._exact.get("\n".join(turns))) is not None:
            return row, 1.0
        grams = Grams.of(turns, self._settings.n)
        best: tuple[float, int] | None = None
        for other in [*self._list_similar(grams), *self._list_with_turns(turns)]:
            similarity = self._measure(turns, grams, other)
            if similarity and (best is None or (similarity, -other) > best):
                best = similarity, -other
        return None if best is None else (-best[1], best[0])

    def _list_similar(self, grams: Grams) -> list[int]:
        """Rows that can reach the looser threshold."""
        size, threshold = len(grams.all), self._settings.split_threshold
        if not size:
            return []
        lists = sorted((found for gram in grams.all if (found := self._with_gram.get(gram))), key=len)
        required = ceil(threshold * size - _ROUNDING)
        if len(lists) < required:
            return []
        ends = np.cumsum([len(found) for found in lists])
        used = max(len(lists) - required + 1, int(np.searchsorted(ends, _ENTRIES_AT_ONCE, side="right")))
        hits = np.bincount(np.concatenate([np.frombuffer(found, np.uint32) for found in lists[:used]]))
        unread = len(lists[used:])
        rows = np.flatnonzero(hits >= max(1, required - unread))
        most = hits[rows] + unread
        needed = threshold / (1 + threshold) * (size + np.frombuffer(self._sizes, np.int64)[rows])
        return [int(row) for row in rows[most >= needed - _ROUNDING]]

    def _list_with_turns(self, turns: Sequence[str]) -> list[int]:
        """Rows that share long turns word for word, those that share most first."""
        shared: Counter[int] = Counter()
        for turn in set(turns):
            shared.update(self._with_turn.get(turn, ())[:_MOST_WITH_A_TURN])
        return [row for row, _ in sorted(shared.items(), key=lambda item: (-item[1], item[0]))[:_MOST_WITH_A_TURN]]

    def _measure(self, turns: Sequence[str], grams: Grams, row: int) -> float:
        """The similarity if it counts, else 0."""
        other = Grams.of(self._dialogues[row], self._settings.n)
        shared = len(grams.all & other.all)
        jaccard = shared / max(1, len(grams.all) + len(other.all) - shared)
        if jaccard >= self._settings.threshold:
            return jaccard
        if jaccard < self._settings.split_threshold and not self._share_a_turn(turns, row):
            return 0.0
        small, large = sorted((grams, other), key=lambda each: len(each.all))
        containment = self._measure_containment(small, large)
        is_tie = len(small.all) == len(large.all)
        return max(containment, self._measure_containment(large, small)) if is_tie else containment

    def _share_a_turn(self, turns: Sequence[str], row: int) -> bool:
        long = {turn for turn in turns if len(turn) >= self._settings.turn_length}
        return not long.isdisjoint(self._dialogues[row])

    def _measure_containment(self, small: Grams, large: Grams) -> float:
        """As `measure.measure_containment` has it."""
        settings = self._settings
        contained = [len(turn & large.all) >= settings.turn_overlap * len(turn) for turn in small.by_turn]
        of_grams = len(small.all & large.all) / max(1, len(small.all))
        if of_grams >= settings.containment and all(contained):
            return of_grams
        least = max(1, settings.turn_length - settings.n + 1)
        long = [is_in for turn, is_in in zip(small.by_turn, contained, strict=True) if len(turn) >= least]
        share = sum(long) / max(1, len(long))
        return share if sum(long) >= LEAST_TURNS and share >= settings.turn_containment else 0.0
