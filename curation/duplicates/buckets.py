"""Candidates from buckets of any size, with work that grows with the number of members and not with its square.

A bucket of up to 64 members proposes all its pairs. A larger one is a template or a copy in a thousand variants: its
members are measured against a few leaders, and those that resemble one are done with ("star"). What remains is cut
into smaller buckets by further minima. Leaders are chosen by content, so the order of the rows does not matter.
"""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from curation.duplicates.rows import Int64s
from curation.duplicates.segment import Members, Run

LARGEST_EXHAUSTIVE = 64
_LEADERS = 8
_SUBKEYS = 16
_ENOUGH_LEADERS = 8
"""A member that resembles so many leaders needs no more of them."""

Bools = npt.NDArray[np.bool_]


class Judge(Protocol):
    """Where candidates go."""

    def offer(self, left: Int64s, right: Int64s) -> None:
        """Take candidates to be measured some time."""

    def test(self, left: Int64s, right: Int64s) -> Bools:
        """Measure candidates now: which are pairs?"""


class Buckets:
    """Proposes the pairs of which at least one member is `first_new` or later; `is_across`: exactly one."""

    def __init__(self, members: Members, first_new: int, judge: Judge, is_across: bool = False) -> None:
        self._members = members
        self._first_new = first_new
        self._judge = judge
        self._is_across = is_across
        self._stars = np.zeros(len(members), np.uint8)

    def propose(self, run: Run, are_minima: bool) -> None:
        """Offer the candidates of all buckets of a run (equal keys stand together).

        `are_minima`: what a large bucket has in common is chance, and further minima can tell its members apart. Else
        it is a turn that everybody says; who shares more than that meets in the bucket of another turn.
        """
        groups, members = _drop_single(run.keys.astype(np.uint64), run.members.astype(np.int64))
        sizes = _count_group(groups)
        is_small = sizes <= LARGEST_EXHAUSTIVE
        self._pair_neighbours(groups[is_small], members[is_small], LARGEST_EXHAUSTIVE)
        if not is_small.all():
            groups, members = self._propose_leaders(groups[~is_small], members[~is_small])
            if are_minima and len(groups):
                self._propose_by_subkeys(groups, members)

    def _propose_leaders(
        self, groups: npt.NDArray[np.uint64], members: Int64s
    ) -> tuple[npt.NDArray[np.uint64], Int64s]:
        """Measure large buckets against their leaders, pair what has become small, and return what is large still."""
        order = np.lexsort((self._members.priorities[members], groups))
        groups, members = groups[order], members[order]
        for _ in range(_LEADERS):
            if not len(groups):
                break
            groups, members = self._shine(groups, members)
        is_small = _count_group(groups) <= LARGEST_EXHAUSTIVE
        self._pair_neighbours(groups[is_small], members[is_small], LARGEST_EXHAUSTIVE)
        return groups[~is_small], members[~is_small]

    def _shine(self, groups: npt.NDArray[np.uint64], members: Int64s) -> tuple[npt.NDArray[np.uint64], Int64s]:
        """Measure each group's first member against the others; return those that stay."""
        is_first = np.concatenate([[True], groups[1:] != groups[:-1]])
        leaders = members[is_first][np.cumsum(is_first) - 1]
        is_tested = ~is_first & self._is_wanted(leaders, members)
        is_done = is_first.copy()
        is_done[is_tested] = self._judge.test(leaders[is_tested], members[is_tested])
        matched = members[is_done & ~is_first]
        self._stars[matched] = np.minimum(self._stars[matched], 254) + 1
        is_done |= self._stars[members] >= _ENOUGH_LEADERS
        return _drop_single(groups[~is_done], members[~is_done])

    def _propose_by_subkeys(self, groups: npt.NDArray[np.uint64], members: Int64s) -> None:
        subkeys = self._members.take_sketches(members).view(np.uint16)
        priorities = (self._members.priorities[members] >> np.uint32(16)).astype(np.uint64)
        for column in range(max(0, subkeys.shape[1] - _SUBKEYS), subkeys.shape[1]):
            finer = (groups << np.uint64(16)) | subkeys[:, column]
            order = np.argsort((finer << np.uint64(16)) | priorities, kind="stable")
            self._pair_neighbours(finer[order], members[order], _SUBKEYS)

    def _pair_neighbours(self, groups: npt.NDArray[np.uint64], members: Int64s, reach: int) -> None:
        """Offer each member with up to `reach` of those that follow it in its group."""
        for distance in range(1, reach):
            at = np.flatnonzero(groups[distance:] == groups[:-distance])
            if not len(at):
                return
            left, right = members[at], members[at + distance]
            is_wanted = self._is_wanted(left, right)
            self._judge.offer(left[is_wanted], right[is_wanted])

    def _is_wanted(self, left: Int64s, right: Int64s) -> Bools:
        is_wanted: Bools = (np.maximum(left, right) >= self._first_new) & (left != right)
        return is_wanted & (np.minimum(left, right) < self._first_new) if self._is_across else is_wanted


def _count_group(groups: npt.NDArray[np.uint64]) -> Int64s:
    """For each entry the size of its group; equal groups stand together."""
    is_first = np.ones(len(groups), np.bool_)
    np.not_equal(groups[1:], groups[:-1], out=is_first[1:])
    sizes = np.diff(np.append(np.flatnonzero(is_first), len(groups)))
    return np.repeat(sizes, sizes).astype(np.int64)


def _drop_single(groups: npt.NDArray[np.uint64], members: Int64s) -> tuple[npt.NDArray[np.uint64], Int64s]:
    is_same = groups[1:] == groups[:-1]
    has_company = np.zeros(len(groups), np.bool_)
    has_company[1:] |= is_same
    has_company[:-1] |= is_same
    return groups[has_company], members[has_company]
