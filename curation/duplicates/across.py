"""Pairs across two corpora: is another data set, a benchmark say, in this one?"""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from curation.duplicates.index import DuplicateIndex
from curation.duplicates.pairs import Kind, Pairs, order_pairs
from curation.duplicates.rows import Int64s, spread


def find_across(index: DuplicateIndex, others: Iterable[pa.Array], threshold: float | None = None) -> Pairs:
    """Pairs of a row of the index (`left`) and a row of another corpus (`right`), which is not added.

    `others`: batches of list<string>, the folded turns. Default of `threshold`: the settings'. On the left only
    representatives stand. A row whose normal form is in the index is paired with that one alone, at similarity 1.
    Raises ValueError where the threshold is below the settings' `split_threshold`: those are not looked for.
    """
    measured, segment, rows = index.match(others)
    found = index.judge(measured, threshold)
    members = segment.row_to_member
    return order_pairs(_join([_find_equal(members, rows), _spread(found, members, rows)]))


def _find_equal(members: Int64s, rows: Int64s) -> Pairs:
    """The other rows whose representative is one of the index: the first of them are known by number."""
    right = np.flatnonzero(members < len(rows))
    return Pairs(rows[members[right]], right, np.ones(len(right)), np.full(len(right), int(Kind.NEAR), np.uint8))


def _spread(pairs: Pairs, members: Int64s, rows: Int64s) -> Pairs:
    """Each pair once for every other row with that normal form."""
    order = np.argsort(members, kind="stable")
    ordered = members[order]
    starts = np.searchsorted(ordered, pairs.right, side="left")
    copies = np.searchsorted(ordered, pairs.right, side="right") - starts
    at = np.repeat(np.arange(len(pairs)), copies)
    return Pairs(rows[pairs.left[at]], order[spread(starts, copies)], pairs.similarity[at], pairs.kind[at])


def _join(parts: list[Pairs]) -> Pairs:
    return Pairs(
        np.concatenate([each.left for each in parts]),
        np.concatenate([each.right for each in parts]),
        np.concatenate([each.similarity for each in parts]),
        np.concatenate([each.kind for each in parts]),
    )
