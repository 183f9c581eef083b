"""Dialogues as sets of character n-grams: the sets that similarity is defined on.

Grams stay inside a turn. A turn that is moved, replaced or cut off then costs its own grams and no others, and no
gram stands for a border that nobody wrote. A turn shorter than n is one gram, whole: short answers are compared as
they are, and two different ones never look alike. Up to three characters fit 63 bits, so the sets are exact; longer
grams are hashed to 63 bits (a false equality among ten million different grams has a chance of 5 in a million).
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Int64s = npt.NDArray[np.int64]
UInt32s = npt.NDArray[np.uint32]
UInt8s = npt.NDArray[np.uint8]
UInt64s = npt.NDArray[np.uint64]

Number = TypeVar("Number", np.uint32, np.uint64)

BITS_PER_CHARACTER = 21
"""Unicode ends at 0x10FFFF; one more for the padding, which is zero."""
LONGEST_EXACT = 63 // BITS_PER_CHARACTER
LAST_TURN = 255
WORKERS = 2
"""numpy lets go of the interpreter while it works on a block."""

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


@dataclass(frozen=True, slots=True)
class GramSets:
    """The grams of each dialogue, sorted, each once, and the turn in which each stands first.

    Turns count from 0; those beyond 255 count as one.
    """

    sets: Rows
    turns: UInt8s

    def __len__(self) -> int:
        return len(self.sets)

    def take(self, rows: Int64s) -> "GramSets":
        starts = self.sets.offsets[rows]
        lengths = self.sets.offsets[rows + 1] - starts
        at = spread(starts, lengths)
        return GramSets(Rows(to_offsets(lengths), self.sets.values[at]), self.turns[at])


def to_offsets(lengths: Int64s) -> Int64s:
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def spread(starts: Int64s, lengths: Int64s) -> Int64s:
    """The positions start, start + 1, … of every run, one run after the other."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - ends + lengths, lengths) + np.arange(total)


def join_sets(parts: list[GramSets]) -> GramSets:
    turns = np.concatenate([np.zeros(0, np.uint8), *(part.turns for part in parts)])
    return GramSets(join_rows([part.sets for part in parts]), turns)


def join_rows(parts: list[Rows]) -> Rows:
    if len(parts) == 1:
        return parts[0]
    lengths = np.concatenate([np.zeros(0, np.int64), *(part.lengths for part in parts)])
    return Rows(to_offsets(lengths), np.concatenate([np.zeros(0, np.int64), *(part.values for part in parts)]))


def drop_repeated(values: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """Sorted values, each once. On random numbers a sort and this take a third of the time of `np.unique`."""
    is_first = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=is_first[1:])
    return values[is_first]


def make_gram_sets(turns: pa.Array, n: int) -> GramSets:
    """The gram sets of dialogues. `turns`: list<string>; null is the empty text."""
    flat, per_dialogue = flatten(turns)
    characters = read_characters(flat)
    lengths = pc.utf8_length(flat).to_numpy(zero_copy_only=False).astype(np.int64)
    grams = np.where(lengths >= n, lengths - n + 1, np.minimum(lengths, 1))
    codes = _encode_grams(characters, lengths, grams, n)
    numbers = np.minimum(spread(np.zeros(len(per_dialogue), np.int64), per_dialogue), LAST_TURN)
    of_gram = np.repeat(numbers.astype(np.uint8), grams)
    return _sort_sets(Rows(to_offsets(grams)[to_offsets(per_dialogue)], codes), of_gram)


def flatten(turns: pa.Array) -> tuple[pa.Array, Int64s]:
    """All turns of all dialogues, and how many each dialogue has."""
    turns = turns.cast(pa.large_list(pa.large_string()))
    per_dialogue = pc.fill_null(pc.list_value_length(turns), 0).to_numpy(zero_copy_only=False)
    return pc.fill_null(turns.flatten(), ""), per_dialogue.astype(np.int64)


def read_characters(flat: pa.Array) -> UInt32s:
    """The code points of all texts, end to end."""
    _, offsets, data = flat.buffers()
    if data is None or not len(flat):
        return np.zeros(0, np.uint32)
    ends = np.frombuffer(offsets, np.int64)
    text = memoryview(data)[ends[flat.offset] : ends[flat.offset + len(flat)]].tobytes().decode()
    return np.frombuffer(text.encode("utf-32-le"), np.uint32)


def _encode_grams(characters: UInt32s, lengths: Int64s, grams: Int64s, n: int) -> Int64s:
    padded = np.zeros(len(characters) + (n - 1) * len(lengths), np.uint64)
    starts = to_offsets(lengths)[:-1] + (n - 1) * np.arange(len(lengths))
    padded[spread(starts, lengths)] = characters + 1
    at = spread(starts, grams)
    codes = padded[at]
    for offset in range(1, n):
        if n <= LONGEST_EXACT:
            codes = (codes << np.uint64(BITS_PER_CHARACTER)) | padded[at + offset]
        else:
            codes = mix((codes << np.uint64(BITS_PER_CHARACTER)) ^ mix(codes) ^ padded[at + offset])
    return (codes if n <= LONGEST_EXACT else codes >> np.uint64(1)).astype(np.int64)


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


def _sort_sets(rows: Rows, turns: UInt8s) -> GramSets:
    values, first_turns = np.empty_like(rows.values), np.empty_like(turns)
    is_kept = np.zeros(len(values), np.bool_)
    lengths = rows.lengths

    def sort_block(block: Int64s) -> None:
        positions = locate(rows.offsets, block)
        codes = rows.values[positions]
        order = np.argsort(codes, axis=1)
        codes = np.take_along_axis(codes, order, axis=1)
        is_new = np.ones(codes.shape, np.bool_)
        np.not_equal(codes[:, 1:], codes[:, :-1], out=is_new[:, 1:])
        sizes = is_new.sum(axis=1)
        target = spread(rows.offsets[block], sizes)
        values[target] = codes[is_new]
        ordered_turns = np.take_along_axis(turns[positions], order, axis=1)
        first_turns[target] = np.minimum.reduceat(ordered_turns.ravel(), np.flatnonzero(is_new))
        is_kept[target] = True
        lengths[block] = sizes

    with ThreadPoolExecutor(WORKERS) as pool:
        for _ in pool.map(sort_block, iterate_blocks(rows.offsets)):
            pass
    return GramSets(Rows(to_offsets(lengths), values[is_kept]), first_turns[is_kept])
