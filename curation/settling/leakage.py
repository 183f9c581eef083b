"""Leakage: pairs of similar rows that lie in different splits, searched after the fact and trusting nobody."""

from dataclasses import dataclass

import numpy as np

from curation.settling.neighbours import Ints, Neighbours
from curation.settling.split_memory import SPLITS, Codes

_NOWHERE = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Leakage:
    """Pairs of rows in different splits."""

    highest: float | None
    """The highest similarity of all known pairs; None where no known pair lies in two splits."""
    rows: tuple[int, int] | None
    """The pair with it, the smaller id first; of several the one with the smallest ids."""
    count: int
    """Pairs at or over the threshold."""


def check_leakage(neighbours: Neighbours, split: Codes, threshold: float) -> Leakage:
    """Search all known pairs, exact copies among them, for rows in different splits; `split` [n] is -1 for rows that
    are in none. The highest similarity is only as low as the pairs that were searched for."""
    counts = np.stack([np.bincount(neighbours.group[split == code], minlength=neighbours.groups) for code in (0, 1, 2)])
    total = counts.sum(axis=0)
    within = (total**2 - (counts**2).sum(axis=0)) // 2
    left, right = counts[:, neighbours.left], counts[:, neighbours.right]
    between = total[neighbours.left] * total[neighbours.right] - (left * right).sum(axis=0)
    over = between[neighbours.similarity >= threshold]
    count = int(within.sum() + over.sum())
    if within.any():
        groups = np.flatnonzero(within)
        return Leakage(1.0, _find_smallest_pair(neighbours, split, groups, groups), count)
    crossing = between > 0
    if not crossing.any():
        return Leakage(None, None, count)
    highest = float(neighbours.similarity[crossing].max())
    at = np.flatnonzero(crossing & (neighbours.similarity == highest))
    pair = _find_smallest_pair(neighbours, split, neighbours.left[at], neighbours.right[at])
    return Leakage(highest, pair, count)


def _find_smallest_pair(neighbours: Neighbours, split: Codes, left: Ints, right: Ints) -> tuple[int, int]:
    """Of all rows in different splits, one in the group `left` and one in `right`, the pair with the smallest ids."""
    firsts = [neighbours.find_first(split == code) for code in range(len(SPLITS))]
    ranks = [np.where(first >= 0, neighbours.rank[first], _NOWHERE) for first in firsts]
    best = (_NOWHERE, _NOWHERE)
    for one in range(len(SPLITS)):
        for two in range(len(SPLITS)):
            if one != two:
                ends = np.sort(np.stack((ranks[one][left], ranks[two][right])), axis=0)
                at = np.lexsort((ends[1], ends[0], ends[1] == _NOWHERE))[0]
                if ends[1, at] != _NOWHERE:
                    best = min(best, (int(ends[0, at]), int(ends[1, at])))
    by_rank = np.argsort(neighbours.rank)
    return int(by_rank[best[0]]), int(by_rank[best[1]])
