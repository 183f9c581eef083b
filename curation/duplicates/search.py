"""Finds the pairs that a new segment brings, among its own members and with those of all segments before it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from curation.duplicates.buckets import Bools, Buckets
from curation.duplicates.measure import GramMeasure, TurnMeasure
from curation.duplicates.pairs import Measured, merge, pack
from curation.duplicates.rows import Int64s, UInt64s, drop_repeated
from curation.duplicates.segment import Members, Run, Segment
from curation.duplicates.settings import DuplicateSettings

_CANDIDATES_AT_ONCE = 1 << 21


class Measure(Protocol):
    """Tells which candidates are pairs."""

    def find(self, left: Int64s, right: Int64s) -> Measured: ...


def find_pairs(segments: Sequence[Segment], settings: DuplicateSettings, is_across: bool = False) -> Measured:
    """The pairs that have at least one member in the last segment; `is_across`: exactly one."""
    bands = (_gather([each.get_band(band) for each in segments]) for band in range(len(segments[-1].bands.keys)))
    turns = (_gather([each.turns for each in segments]) for _ in range(1))
    return find_among(segments, Gathered(bands, turns), settings, is_across)


@dataclass(frozen=True, slots=True)
class Gathered:
    """Runs with all entries, of any segment, whose keys the last segment has. Each is read when its turn comes."""

    bands: Iterable[Run]
    """One a band, in order."""
    turns: Iterable[Run]


def find_among(
    segments: Sequence[Segment], gathered: Gathered, settings: DuplicateSettings, is_across: bool = False
) -> Measured:
    """The same, where the runs were gathered before: of the segments only grams, sketches and digests are read."""
    members = Members(segments)
    by_grams = _Collector(GramMeasure(members, settings))
    buckets = Buckets(members, segments[-1].first, by_grams, is_across)
    for run in gathered.bands:
        buckets.propose(run, are_minima=True)
    by_turns = _Collector(TurnMeasure(members, settings))
    buckets = Buckets(members, segments[-1].first, by_turns, is_across)
    for run in gathered.turns:
        buckets.propose(run, are_minima=False)
    return merge([by_grams.finish(), by_turns.finish()])


def _gather(runs: Sequence[Run]) -> Run:
    """The last run with the entries of the runs before it that fall into its buckets."""
    new = runs[-1]
    if len(runs) == 1:
        return new
    keys = drop_repeated(new.keys)
    old = [run.find(keys) for run in runs[:-1]]
    all_keys = np.concatenate([*(run.keys for run in old), new.keys])
    return Run.sort(all_keys, np.concatenate([*(run.members for run in old), new.members]))


class _Collector:
    """Measures candidates many at a time and keeps the pairs; one that is known is not measured again."""

    def __init__(self, measure: Measure) -> None:
        self._measure = measure
        self._found = Measured.none()
        self._waiting: list[UInt64s] = []
        self._count = 0

    def offer(self, left: Int64s, right: Int64s) -> None:
        if len(left):
            self._waiting.append(pack(left, right))
            self._count += len(left)
        if self._count >= _CANDIDATES_AT_ONCE:
            self._flush()

    def test(self, left: Int64s, right: Int64s) -> Bools:
        keys = pack(left, right)
        self._learn(drop_repeated(np.sort(keys)))
        return self._is_known(keys)

    def finish(self) -> Measured:
        self._flush()
        return self._found

    def _flush(self) -> None:
        if self._waiting:
            keys = drop_repeated(np.sort(np.concatenate(self._waiting)))
            self._waiting, self._count = [], 0
            self._learn(keys)

    def _learn(self, keys: UInt64s) -> None:
        keys = keys[~self._is_known(keys)]
        found = [self._found]
        for part in _cut(keys):
            found.append(self._measure.find((part >> np.uint64(32)).astype(np.int64), _get_right(part)))
        self._found = merge(found)

    def _is_known(self, keys: UInt64s) -> Bools:
        known = self._found.key
        if not len(known):
            return np.zeros(len(keys), np.bool_)
        at = np.minimum(np.searchsorted(known, keys), len(known) - 1)
        is_known: Bools = known[at] == keys
        return is_known


def _get_right(keys: UInt64s) -> Int64s:
    return (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)


def _cut(keys: UInt64s) -> Iterator[UInt64s]:
    for start in range(0, len(keys), _CANDIDATES_AT_ONCE):
        yield keys[start : start + _CANDIDATES_AT_ONCE]
