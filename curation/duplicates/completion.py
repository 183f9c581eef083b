"""The pairs that a choice of keepers needs and a star does not list.

Of a thousand variants of one text the index lists each beside a few leaders, not beside all others. If another than a
leader is to be kept, its own similarity to the rest must be known: so the best members of a large cluster are compared
with all of it, one after the other, as they would be kept.
"""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from curation.duplicates.buckets import LARGEST_EXHAUSTIVE
from curation.duplicates.index import DuplicateIndex
from curation.duplicates.pairs import Kind, Pairs, order_pairs
from curation.duplicates.rows import Int64s

_MOST_KEEPERS = 64
"""Members of one large cluster that are compared with all of it. What a longer chain keeps beyond, it keeps twice."""


def complete_pairs(index: DuplicateIndex, pairs: Pairs, order: Int64s) -> Pairs:
    """`pairs` of the index with those that the keepers of large clusters have beside them.

    `order`: row numbers, best first, as keepers are chosen. Clusters of up to 64 are complete as they are.
    """
    similar = pairs.similarity >= index.settings.threshold
    place = np.full(index.rows, len(order), np.int64)
    np.minimum.at(place, index.representatives()[order], np.arange(len(order)))
    parts = [pairs]
    for cluster in _list_large_clusters(pairs.left[similar], pairs.right[similar], index.rows):
        parts.append(_compare_best(index, cluster[np.argsort(place[cluster], kind="stable")]))
    return _unite(parts)


def _list_large_clusters(left: Int64s, right: Int64s, rows: int) -> list[Int64s]:
    graph = coo_array((np.ones(len(left), np.bool_), (left, right)), shape=(rows, rows))
    _, labels = connected_components(graph, directed=False)
    sizes = np.bincount(labels)
    large = np.flatnonzero(sizes > LARGEST_EXHAUSTIVE)
    members = np.flatnonzero(sizes[labels] > LARGEST_EXHAUSTIVE)
    members = members[np.argsort(labels[members], kind="stable")]
    return list(np.split(members, np.cumsum(sizes[large])[:-1])) if len(large) else []


def _compare_best(index: DuplicateIndex, cluster: Int64s) -> Pairs:
    """The near pairs of those that a greedy choice keeps, in a cluster given best first."""
    left, right, similarity = [], [], []
    rest = cluster
    for _ in range(_MOST_KEEPERS):
        if len(rest) < 2:
            break
        best, others = np.full(len(rest) - 1, rest[0]), rest[1:]
        jaccard, _ = index.compare(best, others)
        is_near = jaccard >= index.settings.threshold
        left.append(best[is_near])
        right.append(others[is_near])
        similarity.append(jaccard[is_near])
        rest = others[~is_near]
    low, high = np.minimum(*map(_join, (left, right))), np.maximum(*map(_join, (left, right)))
    return Pairs(low, high, np.concatenate(similarity), np.full(len(low), int(Kind.NEAR), np.uint8))


def _join(parts: list[Int64s]) -> Int64s:
    return np.concatenate(parts)


def _unite(parts: list[Pairs]) -> Pairs:
    """All pairs in order, each once."""
    names = ("left", "right", "similarity", "kind")
    joined = order_pairs(Pairs(*(np.concatenate([getattr(each, name) for each in parts]) for name in names)))
    is_first = np.ones(len(joined), np.bool_)
    is_first[1:] = (joined.left[1:] != joined.left[:-1]) | (joined.right[1:] != joined.right[:-1])
    return Pairs(*(getattr(joined, name)[is_first] for name in names))
