"""The true similarity of pairs: how many grams two dialogues have in common, counted, not estimated."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from curation.duplicates.grams import GramSets
from curation.duplicates.rows import Int64s, Rows

_VALUES_PER_BLOCK = 4_000_000
_COLUMNS = np.iinfo(np.int64).max

Float64s = npt.NDArray[np.float64]


def count_shared(left: Rows, right: Rows) -> Int64s:
    """For each i the number of values that row i of `left` shares with row i of `right`; rows are sorted sets."""
    ones = np.ones(max(len(left.values), len(right.values)), np.uint8)
    shared = _to_matrix(left, ones).multiply(_to_matrix(right, ones))
    counts: Int64s = np.diff(shared.indptr)
    return counts


def count_shared_by_turn(left: GramSets, right: Rows, turns: int) -> Int64s:
    """Pairs × turns: the grams of each turn of `left` that `right` has too."""
    ones = np.ones(len(right.values), np.uint16)
    shared = _to_matrix(left.sets, left.turns.astype(np.uint16) + np.uint16(1)).multiply(_to_matrix(right, ones))
    return count_by_turn(np.diff(shared.indptr), shared.data - np.uint16(1), turns)


def count_by_turn(lengths: Int64s, numbers: npt.NDArray[Any], turns: int) -> Int64s:
    """Rows × turns: how often each turn's number stands in each row."""
    at = np.repeat(np.arange(len(lengths)) * turns, lengths) + numbers
    return np.bincount(at, minlength=len(lengths) * turns).reshape(-1, turns)


def _to_matrix(rows: Rows, data: npt.NDArray[Any]) -> sparse.csr_array:
    """A row's values as columns of a sparse matrix: scipy's product is the merge of two sorted rows."""
    matrix = sparse.csr_array((len(rows), _COLUMNS), dtype=data.dtype)
    matrix.data = data[: len(rows.values)]
    matrix.indices, matrix.indptr = rows.values, rows.offsets
    matrix.has_sorted_indices = matrix.has_canonical_format = True
    return matrix


def iterate_pair_blocks(sizes: Int64s) -> Iterator[slice]:
    """Cut pairs into blocks of bounded memory; `sizes`: values in both rows of each pair."""
    ends = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + _VALUES_PER_BLOCK, side="right")))
        yield slice(start, stop)
        start = stop


def to_jaccard(shared: Int64s, left: Int64s, right: Int64s) -> Float64s:
    """Of set sizes; two empty sets have similarity 0: nothing is no evidence."""
    similarity: Float64s = shared / np.maximum(left + right - shared, 1)
    return similarity


def to_containment(shared: Int64s, left: Int64s, right: Int64s) -> Float64s:
    return shared / np.maximum(np.minimum(left, right), 1)
