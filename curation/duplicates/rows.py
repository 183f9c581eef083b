"""Rows of numbers end to end, and how to walk through many of them at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
UInt32s = npt.NDArray[np.uint32]
UInt8s = npt.NDArray[np.uint8]
UInt64s = npt.NDArray[np.uint64]

Number = TypeVar("Number", np.uint32, np.uint64)

CELLS_PER_BLOCK = 1 << 17
"""A block of codes or hashes stays in a core's second-level cache; half or twice as much was slower."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Values of many rows, one row after the other: row i is `values[offsets[i]:offsets[i + 1]]`."""

    offsets: Int64s
    values: Int64s

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Int64s:
        return np.diff(self.offsets)


WORKERS = 2
"""Threads: numpy lets go of the interpreter while it works on a block."""


def to_offsets(lengths: Int64s) -> Int64s:
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def spread(starts: Int64s, lengths: Int64s) -> Int64s:
    """The positions start, start + 1, … of every run, one run after the other."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - ends + lengths, lengths) + np.arange(total)


def drop_repeated(values: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """Sorted values, each once. On random numbers a sort and this take a third of the time of `np.unique`."""
    is_first = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=is_first[1:])
    return values[is_first]


def mix(values: UInt64s) -> UInt64s:
    """The finaliser of SplitMix64: every bit of the input reaches every bit of the output."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def iterate_blocks(offsets: Int64s) -> Iterator[Int64s]:
    """Rows of similar length, so many that their matrix fits the cache. Empty rows do not appear."""
    lengths = np.diff(offsets)
    order = np.argsort(lengths, kind="stable")
    start = int(np.searchsorted(lengths[order], 1))
    while start < len(order):
        rows = order[start : start + max(1, CELLS_PER_BLOCK // int(lengths[order[start]]))]
        rows = rows[: max(1, CELLS_PER_BLOCK // int(lengths[rows[-1]]))]
        yield rows
        start += len(rows)


def locate(offsets: Int64s, rows: Int64s) -> Int64s:
    """Where the values of rows lie: rows × longest row.

    A shorter row repeats its last position, which changes neither a set nor its minimum.
    """
    lengths = offsets[rows + 1] - offsets[rows]
    columns = np.minimum(np.arange(int(lengths.max())), lengths[:, None] - 1)
    positions: Int64s = columns + offsets[rows, None]
    return positions
