"""Ties: a row that is similar to rows of two splits would tie them together, so it can be in neither.

New rows are admitted one by one. Each joins the cluster of the admitted rows that it is similar to, and a cluster
belongs to the split of the remembered rows that it touches. A row that would make one cluster touch two splits is
refused; since a refused row joins nothing, a long chain of new rows between two splits loses one link and not all.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from curation.settling.neighbours import Floats, Ints, Mask, Neighbours
from curation.settling.split_memory import SPLITS, Codes, Split

_Bits = npt.NDArray[np.uint8]
"""Sets of splits: bit s for the split at place s of SPLITS."""


@dataclass(frozen=True, slots=True)
class Tie:
    """A row set aside, with the nearest row in each of the two splits that it would tie together, nearest first."""

    row: int
    splits: tuple[Split, Split]
    neighbours: tuple[int, int]
    similarity: tuple[float, float]


class Ties:
    """Admits new rows (no remembered ones, which are in their split already) as long as they tie nothing together."""

    def __init__(self, neighbours: Neighbours, remembered: Codes, threshold: float, candidates: Mask) -> None:
        """`candidates` [n]: all rows that may be asked about. Every remembered row pins, in the data set or not."""
        self._neighbours = neighbours
        self._near = neighbours.list_adjacent(threshold)
        self._touched = _touch(neighbours, remembered, threshold)
        # Only where a whole neighbourhood of candidates touches two splits can a row tie; elsewhere none is looked at.
        groups = neighbours.mark_groups(candidates)
        cluster = neighbours.connect(threshold, groups)
        reached = _gather(cluster, self._touched, groups)
        self._is_contested = (groups & _is_several(reached)[cluster]).tolist()
        self._parent: dict[int, int] = {}
        self._splits: dict[int, int] = {}
        self._refused: set[int] = set()

    def admit(self, row: int) -> bool:
        """Admit a row unless it would tie two splits together. Copies of a row fare as it does."""
        group = int(self._neighbours.group[row])
        if not self._is_contested[group] or group in self._parent:
            return True
        if group in self._refused:
            return False
        beside = self._near.other[self._near.start[group] : self._near.start[group + 1]].tolist()
        roots = {self._find_root(each) for each in beside if each in self._parent}
        splits = int(self._touched[group])
        for root in roots:
            splits |= self._splits[root]
        if splits & (splits - 1):
            self._refused.add(group)
            return False
        self._parent[group] = group
        self._parent.update(dict.fromkeys(roots, group))
        self._splits[group] = splits
        return True

    def find_pins(self, cluster: Ints, admitted: Mask) -> Codes:
        """[n] The split that each row's cluster belongs to, or -1; copies of a row have the same in `cluster` [n]."""
        of_group = np.arange(self._neighbours.groups)
        of_group[self._neighbours.group] = cluster
        splits = _gather(of_group, self._touched, self._neighbours.mark_groups(admitted))[cluster]
        pins = np.full(len(cluster), -1, dtype=np.int8)
        for code in range(len(SPLITS)):
            pins[splits == 1 << code] = code
        return pins

    def _find_root(self, group: int) -> int:
        root = group
        while (above := self._parent[root]) != root:
            root = above
        while self._parent[group] != root:
            self._parent[group], group = root, self._parent[group]
        return root


def list_ties(neighbours: Neighbours, split: Codes, rows: Mask, threshold: float) -> tuple[Tie, ...]:
    """Those of `rows` [n] that are similar to rows of two splits; `split` [n] is -1 for rows that do not count."""
    asked = neighbours.mark_groups(rows)
    nearest = [_find_nearest(neighbours, neighbours.find_first(split == code), asked, threshold) for code in (0, 1, 2)]
    beside, similarity = (np.stack(each, axis=1) for each in zip(*nearest, strict=True))
    ties = []
    tied = ((beside >= 0).sum(axis=1) > 1)[neighbours.group] & rows
    order = np.flatnonzero(tied)
    for row in order[np.argsort(neighbours.rank[order])].tolist():
        group = neighbours.group[row]
        one, two = np.argsort(-similarity[group], kind="stable")[:2].tolist()
        ties.append(
            Tie(
                row,
                (SPLITS[one], SPLITS[two]),
                (int(beside[group, one]), int(beside[group, two])),
                (float(similarity[group, one]), float(similarity[group, two])),
            )
        )
    return tuple(ties)


def _find_nearest(neighbours: Neighbours, there: Ints, asked: Mask, threshold: float) -> tuple[Ints, Floats]:
    """[m] The most similar to each asked group of the rows `there` [m] (-1: none in that group), and how similar."""
    near = neighbours.similarity >= threshold
    forth = np.flatnonzero(near & asked[neighbours.left] & (there[neighbours.right] >= 0))
    back = np.flatnonzero(near & asked[neighbours.right] & (there[neighbours.left] >= 0))
    source = np.concatenate((neighbours.left[forth], neighbours.right[back]))
    other = np.concatenate((neighbours.right[forth], neighbours.left[back]))
    strength = neighbours.similarity[np.concatenate((forth, back))]
    # Written worst first, so that the best stays.
    worst_first = np.lexsort((-other, strength))
    row, similarity = np.full(len(there), -1, dtype=np.int64), np.full(len(there), -1.0)
    row[source[worst_first]] = there[other[worst_first]]
    similarity[source[worst_first]] = strength[worst_first]
    own = there >= 0
    row[own], similarity[own] = there[own], 1.0
    return row, similarity


def _touch(neighbours: Neighbours, remembered: Codes, threshold: float) -> _Bits:
    """[m] The splits of the remembered rows in each group or beside it."""
    own = np.zeros(neighbours.groups, dtype=np.uint8)
    for code in range(len(SPLITS)):
        own[neighbours.mark_groups(remembered == code)] |= 1 << code
    near = neighbours.similarity >= threshold
    left, right = neighbours.left[near], neighbours.right[near]
    touched = own.copy()
    for code in range(len(SPLITS)):
        touched[left[(own[right] >> code & 1).astype(np.bool_)]] |= 1 << code
        touched[right[(own[left] >> code & 1).astype(np.bool_)]] |= 1 << code
    return touched


def _gather(cluster: Ints, splits: _Bits, groups: Mask) -> _Bits:
    """[m] All splits of the groups of each cluster, at the place of the cluster's number."""
    gathered = np.zeros(len(cluster), dtype=np.uint8)
    for code in range(len(SPLITS)):
        gathered[cluster[groups & (splits >> code & 1).astype(np.bool_)]] |= 1 << code
    return gathered


def _is_several(splits: _Bits) -> Mask:
    several: Mask = (splits & (splits - 1)) > 0
    return several
