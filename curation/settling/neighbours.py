"""Who is similar to whom: rows in groups of exact copies, and verified pairs between the groups.

All that is decided on similarity (who is kept, which split) is decided on groups, since copies share their neighbours:
100,000 copies of one text are one group, not five billion pairs. Groups are numbered by the smallest id in them, so
that nothing depends on the order in which rows or pairs were given.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Verified pairs of rows that are no exact copies of one another, in any order; a pair may stand twice."""

    left: Ints
    right: Ints
    """Row numbers; any member of a group of exact copies speaks for all of it."""
    similarity: Floats


@dataclass(frozen=True, slots=True)
class Adjacency:
    """Groups side by side, both ways: those beside group g are `other[start[g]:start[g + 1]]`."""

    start: Ints
    other: Ints


@dataclass(frozen=True, slots=True)
class Neighbours:
    """n rows in m groups, with e pairs of different groups, each pair once."""

    ids: Sequence[str]
    rank: Ints
    """[n] The place of each row in the order of the ids."""
    group: Ints
    """[n] The group of each row."""
    first: Ints
    """[m] The row with the smallest id in each group; ascending in that id."""
    left: Ints
    right: Ints
    """[e] Groups; left < right."""
    similarity: Floats
    """[e] Of two pairs between the same groups the higher counts."""
    pair: Ints
    """[e] The number of the pair as it was given."""

    @classmethod
    def of(cls, ids: Sequence[str], representative: Ints, pairs: Pairs) -> Self:
        """`representative` [n] is one row number for all exact copies. Raises ValueError where ids are not unique."""
        rank = _rank_ids(ids)
        by_id = np.argsort(rank)
        _, first, inverse = np.unique(representative[by_id], return_index=True, return_inverse=True)
        number = np.empty(len(first), dtype=np.int64)
        number[np.argsort(first)] = np.arange(len(first))
        group = np.empty(len(ids), dtype=np.int64)
        group[by_id] = number[inverse]
        return cls(ids, rank, group, by_id[np.sort(first)], *_join_groups(group, len(first), pairs))

    @property
    def groups(self) -> int:
        return len(self.first)

    def mark_groups(self, rows: Mask) -> Mask:
        """[m] The groups that hold at least one of these rows [n]."""
        marked = np.zeros(self.groups, dtype=np.bool_)
        marked[self.group[rows]] = True
        return marked

    def find_first(self, rows: Mask) -> Ints:
        """[m] Of these rows [n] the one with the smallest id in each group; -1 where there is none."""
        chosen = np.flatnonzero(rows)
        chosen = chosen[np.argsort(-self.rank[chosen])]
        found = np.full(self.groups, -1, dtype=np.int64)
        found[self.group[chosen]] = chosen
        return found

    def list_adjacent(self, threshold: float) -> Adjacency:
        """Groups that are at least this similar."""
        near = self.similarity >= threshold
        source = np.concatenate((self.left[near], self.right[near]))
        other = np.concatenate((self.right[near], self.left[near]))
        start = np.zeros(self.groups + 1, dtype=np.int64)
        np.cumsum(np.bincount(source, minlength=self.groups), out=start[1:])
        return Adjacency(start, other[np.argsort(source, kind="stable")])

    def connect(self, threshold: float, members: Mask | None = None) -> Ints:
        """[m] The smallest group that each group can be reached from over pairs at this threshold.

        With `members` [m] only over pairs that join two members.
        """
        if not self.groups:
            return np.empty(0, dtype=np.int64)
        near = self.similarity >= threshold
        if members is not None:
            near &= members[self.left] & members[self.right]
        left, right = self.left[near], self.right[near]
        edges = coo_array((np.ones(len(left), dtype=np.bool_), (left, right)), shape=(self.groups, self.groups))
        _, label = connected_components(edges, directed=False)
        _, smallest = np.unique(label, return_index=True)
        found: Ints = smallest.astype(np.int64)[label]
        return found


def _rank_ids(ids: Sequence[str]) -> Ints:
    order = sorted(range(len(ids)), key=ids.__getitem__)
    for before, after in pairwise(order):
        if ids[before] == ids[after]:
            raise ValueError(f"id {ids[after]!r} stands at two rows, {before} and {after}")
    rank = np.empty(len(ids), dtype=np.int64)
    rank[order] = np.arange(len(ids))
    return rank


def _join_groups(group: Ints, groups: int, pairs: Pairs) -> tuple[Ints, Ints, Floats, Ints]:
    """The pairs between groups, each once with its highest similarity, sorted: left, right, similarity, number."""
    left, right = group[pairs.left], group[pairs.right]
    key = np.minimum(left, right) * groups + np.maximum(left, right)
    order = np.lexsort((-pairs.similarity, key))
    order = order[left[order] != right[order]]
    if len(order):
        order = order[np.concatenate(([True], np.diff(key[order]) > 0))]
    return *np.divmod(key[order], max(groups, 1)), pairs.similarity[order], order
