"""Which of the rows that are similar to one another is kept, and for whom each of the others is dropped.

Rows are taken by rank. One is kept unless a row that is already kept is similar enough to it, so the kept rows are a
maximal independent set: of two neighbours never both stay, and never a row goes without a kept neighbour of its own.
A chain of neighbours, each like the next but not like the one after, therefore loses every other row and not all.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from curation.settling.neighbours import Floats, Ints, Mask, Neighbours


@dataclass(frozen=True, slots=True)
class Rank:
    """What makes a row the one to keep, the first column first. All [n]."""

    reviewed: Mask
    """Accepted by a person."""
    score: Floats
    """The judge's, higher is better; NaN (not judged) comes after any score."""
    notes: Ints
    """Findings that note: fewer is better."""
    length: Ints
    """Characters: longer is better."""

    def order(self, neighbours: Neighbours, first: Mask | None = None) -> Ints:
        """All rows, best first; the rest is decided by id. `first` [n] comes before all others, whatever its rank."""
        score = np.where(np.isnan(self.score), -np.inf, self.score)
        keys = (neighbours.rank, -self.length, self.notes, -score, ~self.reviewed)
        return np.lexsort(keys if first is None else (*keys, ~first))


@dataclass(frozen=True, slots=True)
class Keepers:
    """What became of each row: kept, dropped for `keeper`, or neither (not asked about, or refused). All [n]."""

    kept: Mask
    keeper: Ints
    """The row that this one is dropped for, -1 where it is not: the most similar of those kept or flagged. Of equals
    that with the smallest id, since an order with remembered rows first would name another one the next time."""
    similarity: Floats
    """To the keeper; NaN where there is none."""
    pair: Ints
    """The number of the pair that joins it to its keeper, as given; -1 for an exact copy or where there is none."""


@dataclass(frozen=True, slots=True)
class Flags:
    """What people said. All [n]."""

    banned: Mask
    """Flagged: everything similar goes with it, so that a bad dialogue does not come back as its own near-copy."""
    protected: Mask
    """Accepted: not taken along by a flagged one. It still gives way to a kept row that is similar."""


@dataclass(frozen=True, slots=True)
class LargeCluster:
    """A cluster with a suspicious share of the data. `row` has its smallest id; sizes in rows."""

    row: int
    size: int
    total: int

    @property
    def share(self) -> float:
        return self.size / self.total


def choose_keepers(
    neighbours: Neighbours,
    order: Ints,
    threshold: float,
    flags: Flags | None = None,
    may_keep: Callable[[int], bool] | None = None,
) -> Keepers:
    """Keep rows greedily in `order` (row numbers, best first); rows that it leaves out neither keep nor drop anybody.

    `may_keep` is asked once about each row that no row kept before it is similar to; True means that it is kept (so it
    may count), and a refused row drops nobody. Similar is a pair at or over `threshold`, or an exact copy.
    """
    flags = flags or Flags(*np.zeros((2, len(neighbours.ids)), dtype=np.bool_))
    kept, taken = _keep_greedily(neighbours, order, threshold, flags, may_keep)
    near_flagged = _mark_beside(neighbours, neighbours.mark_groups(flags.banned), threshold)
    asked = np.zeros(len(kept), dtype=np.bool_)
    asked[order] = True
    asked &= ~kept
    of_kept = taken[neighbours.group]
    dropped = asked & (of_kept | (near_flagged[neighbours.group] & ~flags.protected))
    keepers, flagged = neighbours.find_first(kept), neighbours.find_first(flags.banned)
    anchors = np.where(keepers >= 0, keepers, flagged)
    result = Keepers(kept, *_name_keepers(neighbours, dropped, anchors, threshold))
    protected = dropped & flags.protected
    if protected.any():
        for whole, part in zip(
            (result.keeper, result.similarity, result.pair),
            _name_keepers(neighbours, protected, keepers, threshold),
            strict=True,
        ):
            whole[protected] = part[protected]
    return result


def _keep_greedily(
    neighbours: Neighbours, order: Ints, threshold: float, flags: Flags, may_keep: Callable[[int], bool] | None
) -> tuple[Mask, Mask]:
    """The kept rows [n], and the groups [m] with a kept row in or beside them."""
    near = neighbours.list_adjacent(threshold)
    group, start, protected = neighbours.group.tolist(), near.start.tolist(), flags.protected.tolist()
    # Single values are read from the bytes, runs are written through the array: each is the faster way.
    taken = bytearray(neighbours.groups)
    taken_array = np.frombuffer(taken, dtype=np.uint8)
    near_flagged = _mark_beside(neighbours, neighbours.mark_groups(flags.banned), threshold).tobytes()
    kept = np.zeros(len(group), dtype=np.bool_)
    for row in order.tolist():
        own = group[row]
        if taken[own] or (near_flagged[own] and not protected[row]) or (may_keep is not None and not may_keep(row)):
            continue
        kept[row] = True
        taken[own] = 1
        if start[own] != start[own + 1]:
            taken_array[near.other[start[own] : start[own + 1]]] = 1
    return kept, taken_array.astype(np.bool_)


def _mark_beside(neighbours: Neighbours, groups: Mask, threshold: float) -> Mask:
    """[m] These groups and those similar to them."""
    marked = groups.copy()
    if groups.any():
        near = neighbours.similarity >= threshold
        marked[neighbours.left[near & groups[neighbours.right]]] = True
        marked[neighbours.right[near & groups[neighbours.left]]] = True
    return marked


def _name_keepers(neighbours: Neighbours, dropped: Mask, anchors: Ints, threshold: float) -> tuple[Ints, Floats, Ints]:
    """Keeper, similarity and pair [n] of the dropped rows; `anchors` [m] is the row of each group that may be named."""
    wanting = neighbours.mark_groups(dropped) & (anchors < 0)
    near = neighbours.similarity >= threshold
    forth = np.flatnonzero(near & wanting[neighbours.left] & (anchors[neighbours.right] >= 0))
    back = np.flatnonzero(near & wanting[neighbours.right] & (anchors[neighbours.left] >= 0))
    edge = np.concatenate((forth, back))
    source = np.concatenate((neighbours.left[forth], neighbours.right[back]))
    anchor = anchors[np.concatenate((neighbours.right[forth], neighbours.left[back]))]
    best = np.lexsort((neighbours.rank[anchor], -neighbours.similarity[edge], source))
    best = best[np.concatenate(([True], np.diff(source[best]) > 0))] if len(best) else best
    keeper, similarity = anchors.copy(), np.where(anchors >= 0, 1.0, np.nan)
    pair = np.full(neighbours.groups, -1, dtype=np.int64)
    keeper[source[best]] = anchor[best]
    similarity[source[best]] = neighbours.similarity[edge[best]]
    pair[source[best]] = neighbours.pair[edge[best]]
    of_row = neighbours.group
    return (
        np.where(dropped, keeper[of_row], -1),
        np.where(dropped, similarity[of_row], np.nan),
        np.where(dropped, pair[of_row], -1),
    )


def label_clusters(neighbours: Neighbours, threshold: float, rows: Mask | None = None) -> Ints:
    """[n] The cluster of each row: rows that can be reached from one another, named by the row with the smallest id.

    With `rows` [n] only over these.
    """
    members = None if rows is None else neighbours.mark_groups(rows)
    return neighbours.first[neighbours.connect(threshold, members)[neighbours.group]]


def find_large_cluster(
    neighbours: Neighbours, labels: Ints, share: float = 0.05, least: int = 10
) -> LargeCluster | None:
    """The largest cluster, where it has more than `share` of all rows; a chain may have swallowed the corpus.

    Under `least` rows nothing is said: in a small data set any pair would be a large share.
    """
    total = len(labels)
    if not total:
        return None
    sizes = np.bincount(labels)
    largest = np.flatnonzero(sizes == sizes.max())
    row = int(largest[neighbours.rank[largest].argmin()])
    size = int(sizes[row])
    return LargeCluster(row, size, total) if size >= least and size > share * total else None
