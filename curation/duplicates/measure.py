"""From candidates to pairs: hopeless ones are refused by sketch, the others measured on their grams.

A band hit is never an edge. What is kept is kept for its true similarity.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from curation.duplicates.overlap import (
    Float64s,
    count_by_turn,
    count_shared,
    count_shared_by_turn,
    iterate_pair_blocks,
    to_containment,
    to_jaccard,
)
from curation.duplicates.pairs import Measured, pack
from curation.duplicates.rows import Int64s
from curation.duplicates.segment import Members
from curation.duplicates.settings import DuplicateSettings

_DEVIATIONS = 3.5
"""A pair exactly at the threshold is refused by its sketch with probability 2 in 10,000 (the normal tail)."""
_ROUNDING = 1e-6
_SKETCHES_PER_BLOCK = 1 << 16
LEAST_TURNS = 3
"""Two of two turns alike is a question and its usual answer."""


@dataclass(frozen=True, slots=True)
class GramMeasure:
    """Pairs by their grams: Jaccard similarity at or above the looser threshold."""

    members: Members
    settings: DuplicateSettings

    def find(self, left: Int64s, right: Int64s) -> Measured:
        """Those of the candidates that are pairs; ascending and unique if the candidates are."""
        threshold = self.settings.split_threshold
        sizes = self.members.gram_counts
        a, b = sizes[left], sizes[right]
        is_hopeful = np.minimum(a, b) >= threshold * np.maximum(a, b) - _ROUNDING
        left, right = left[is_hopeful], right[is_hopeful]
        is_hopeful = resemble(self.members, left, right, threshold)
        left, right = left[is_hopeful], right[is_hopeful]
        jaccard, containment = compare_grams(self.members, left, right)
        is_pair = jaccard >= threshold
        left, right, jaccard, containment = left[is_pair], right[is_pair], jaccard[is_pair], containment[is_pair]
        is_loose = jaccard < self.settings.threshold
        containment[is_loose] = measure_containment(
            self.members, left[is_loose], right[is_loose], containment[is_loose], self.settings
        )
        containment[~is_loose] = 0
        return Measured(pack(left, right), jaccard, containment)


@dataclass(frozen=True, slots=True)
class TurnMeasure:
    """Pairs by containment: one dialogue cut short, or all but a turn or two the same."""

    members: Members
    settings: DuplicateSettings

    def find(self, left: Int64s, right: Int64s) -> Measured:
        """Those of the candidates that are pairs; ascending and unique if the candidates are."""
        jaccard, of_grams = compare_grams(self.members, left, right)
        containment = measure_containment(self.members, left, right, of_grams, self.settings)
        return Measured(pack(left, right), jaccard, containment).select(containment > 0)


def compare_grams(members: Members, left: Int64s, right: Int64s) -> tuple[Float64s, Float64s]:
    """Jaccard similarity and containment of each pair, as counted."""
    sizes = members.gram_counts
    a, b = sizes[left], sizes[right]
    shared = np.zeros(len(left), np.int64)
    for block in iterate_pair_blocks(a + b):
        grams = members.take_grams(left[block]), members.take_grams(right[block])
        shared[block] = count_shared(grams[0].sets, grams[1].sets)
    return to_jaccard(shared, a, b), to_containment(shared, a, b)


def measure_containment(
    members: Members, left: Int64s, right: Int64s, of_grams: Float64s, settings: DuplicateSettings
) -> Float64s:
    """How far the smaller dialogue of each pair lies in the larger; 0 where that is below its limit.

    Cut short: nearly all of its grams do (`of_grams`) and something of every turn. A turn or two replaced: most of its
    long turns do. Of two equally large ones either may be the smaller.
    """
    sizes = members.gram_counts
    is_swapped = sizes[left] > sizes[right]
    small, large = np.where(is_swapped, right, left), np.where(is_swapped, left, right)
    containment = _contain(members, small, large, of_grams, settings)
    equal = np.flatnonzero(sizes[left] == sizes[right])
    other_way = _contain(members, large[equal], small[equal], of_grams[equal], settings)
    containment[equal] = np.maximum(containment[equal], other_way)
    return containment


def _contain(
    members: Members, small: Int64s, large: Int64s, of_grams: Float64s, settings: DuplicateSettings
) -> Float64s:
    """A turn is as long as it has grams that do not stand in a turn before it."""
    containment = np.zeros(len(small))
    sizes = members.gram_counts
    for block in iterate_pair_blocks((sizes[small] + sizes[large]) * 4):
        grams = members.take_grams(small[block])
        turns = int(grams.turns.max(initial=0)) + 1
        own = count_by_turn(grams.sets.lengths, grams.turns, turns)
        is_contained = count_shared_by_turn(grams, members.take_grams(large[block]).sets, turns) >= (
            settings.turn_overlap * own
        )
        is_cut = (of_grams[block] >= settings.containment) & is_contained.all(axis=1)
        is_long = own >= max(1, settings.turn_length - settings.n + 1)
        count = (is_long & is_contained).sum(axis=1)
        share = count / np.maximum(is_long.sum(axis=1), 1)
        is_most = (count >= LEAST_TURNS) & (share >= settings.turn_containment)
        containment[block] = np.where(is_cut, of_grams[block], np.where(is_most, share, 0))
    return containment


def resemble(members: Members, left: Int64s, right: Int64s, threshold: float) -> npt.NDArray[np.bool_]:
    """False where the sketches agree in far fewer minima than a pair at the threshold would."""
    is_hopeful = np.ones(len(left), np.bool_)
    for start in range(0, len(left), _SKETCHES_PER_BLOCK):
        block = slice(start, start + _SKETCHES_PER_BLOCK)
        sketches = members.take_sketches(left[block]), members.take_sketches(right[block])
        agreed = (sketches[0] == sketches[1]).view(np.uint64)
        size = sketches[0].shape[1]
        least = threshold * size - _DEVIATIONS * math.sqrt(threshold * (1 - threshold) * size)
        is_hopeful[block] = np.bitwise_count(agreed).sum(axis=1) >= least
    return is_hopeful
