"""Dialogues as sets of character n-grams: the sets that similarity is defined on.

Grams stay inside a turn. A turn that is moved, replaced or cut off then costs its own grams and no others, and no
gram stands for a border that nobody wrote. A turn shorter than n is one gram, whole: short answers are compared as
they are, and two different ones never look alike. Up to three characters fit 63 bits, so the sets are exact; longer
grams are hashed to 63 bits (a false equality among ten million different grams has a chance of 5 in a million).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.duplicates.rows import (
    Int64s,
    Rows,
    UInt8s,
    UInt32s,
    iterate_blocks,
    locate,
    mix,
    spread,
    to_offsets,
)

BITS_PER_CHARACTER = 21
"""Unicode ends at 0x10FFFF; one more for the padding, which is zero."""
LONGEST_EXACT = 63 // BITS_PER_CHARACTER
LAST_TURN = 255
_POSITIVE = np.uint64((1 << 63) - 1)


@dataclass(frozen=True, slots=True)
class Turns:
    """The turns of many dialogues: all code points end to end, characters a turn, turns a dialogue."""

    characters: UInt32s
    lengths: Int64s
    per_dialogue: Int64s

    def __len__(self) -> int:
        return len(self.per_dialogue)


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


def join_sets(parts: Sequence[GramSets]) -> GramSets:
    lengths = np.concatenate([part.sets.lengths for part in parts])
    sets = Rows(to_offsets(lengths), np.concatenate([part.sets.values for part in parts]))
    return GramSets(sets, np.concatenate([part.turns for part in parts]))


def read_turns(dialogues: pa.Array) -> Turns:
    """`dialogues`: list<string>; null is the empty text."""
    dialogues = dialogues.cast(pa.large_list(pa.large_string()))
    flat = pc.fill_null(dialogues.flatten(), "")
    per_dialogue = pc.fill_null(pc.list_value_length(dialogues), 0)
    lengths = pc.utf8_length(flat)
    return Turns(_read_characters(flat), _to_numpy(lengths), _to_numpy(per_dialogue))


def _to_numpy(values: pa.Array) -> Int64s:
    array: Int64s = values.to_numpy(zero_copy_only=False).astype(np.int64)
    return array


def _read_characters(flat: pa.Array) -> UInt32s:
    _, offsets, data = flat.buffers()
    if data is None or not len(flat):
        return np.zeros(0, np.uint32)
    ends = np.frombuffer(offsets, np.int64)
    text = memoryview(data)[ends[flat.offset] : ends[flat.offset + len(flat)]].tobytes().decode()
    return np.frombuffer(text.encode("utf-32-le"), np.uint32)


def make_gram_sets(turns: Turns, n: int) -> GramSets:
    """The gram sets of dialogues."""
    grams = np.where(turns.lengths >= n, turns.lengths - n + 1, np.minimum(turns.lengths, 1))
    codes = _encode_grams(turns, grams, n)
    numbers = np.minimum(spread(np.zeros(len(turns), np.int64), turns.per_dialogue), LAST_TURN)
    of_gram = np.repeat(numbers.astype(np.uint8), grams)
    return _sort_sets(Rows(to_offsets(grams)[to_offsets(turns.per_dialogue)], codes), of_gram)


def _encode_grams(turns: Turns, grams: Int64s, n: int) -> Int64s:
    padded = np.zeros(len(turns.characters) + (n - 1) * len(turns.lengths), np.uint64)
    starts = to_offsets(turns.lengths)[:-1] + (n - 1) * np.arange(len(turns.lengths))
    padded[spread(starts, turns.lengths)] = turns.characters + 1
    at = spread(starts, grams)
    codes = np.zeros(len(at), np.uint64)
    for start in range(0, n, LONGEST_EXACT):
        part = padded[at + start]
        for offset in range(start + 1, min(n, start + LONGEST_EXACT)):
            part = (part << np.uint64(BITS_PER_CHARACTER)) | padded[at + offset]
        codes = part if start == 0 else (mix(codes) ^ part) & _POSITIVE
    return codes.view(np.int64)


def _sort_sets(rows: Rows, turns: UInt8s) -> GramSets:
    values, first_turns = np.empty_like(rows.values), np.empty_like(turns)
    is_kept = np.zeros(len(values), np.bool_)
    lengths = rows.lengths
    for block in iterate_blocks(rows.offsets):
        positions = locate(rows.offsets, block)
        codes = rows.values[positions]
        order = np.argsort(codes, axis=1)
        order += np.arange(len(order))[:, None] * order.shape[1]
        codes = codes.ravel()[order]
        is_new = np.ones(codes.shape, np.bool_)
        np.not_equal(codes[:, 1:], codes[:, :-1], out=is_new[:, 1:])
        sizes = is_new.sum(axis=1)
        target = spread(rows.offsets[block], sizes)
        values[target] = codes[is_new]
        ordered_turns = turns[positions].ravel()[order.ravel()]
        first_turns[target] = np.minimum.reduceat(ordered_turns, np.flatnonzero(is_new))
        is_kept[target] = True
        lengths[block] = sizes
    return GramSets(Rows(to_offsets(lengths), values[is_kept]), first_turns[is_kept])
