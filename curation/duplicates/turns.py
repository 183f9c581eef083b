"""Keys of long turns: what a dialogue has in common with one of which it is a part, word for word."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curation.duplicates.grams import Int64s, UInt32s, flatten, mix, read_characters, spread, to_offsets

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def list_long_turns(turns: pa.Array, least_length: int) -> tuple[Int64s, UInt32s]:
    """Which dialogue has a turn of at least `least_length` characters, and that turn's key, entry by entry."""
    flat, per_dialogue = flatten(turns)
    lengths = pc.utf8_length(flat).to_numpy(zero_copy_only=False).astype(np.int64)
    is_long = lengths >= least_length
    owners = np.repeat(np.arange(len(per_dialogue)), per_dialogue)[is_long]
    return owners, _hash_turns(read_characters(flat), lengths, is_long)


def _hash_turns(characters: UInt32s, lengths: Int64s, chosen: npt.NDArray[np.bool_]) -> UInt32s:
    """Sums of every character hashed with its place: two different turns share one by chance only."""
    lengths, starts = lengths[chosen], to_offsets(lengths)[:-1][chosen]
    if not len(lengths):
        return np.zeros(0, np.uint32)
    places = spread(np.zeros(len(lengths), np.int64), lengths).astype(np.uint64)
    hashed = mix(characters[spread(starts, lengths)] + places * _GOLDEN + np.uint64(1))
    sums = np.add.reduceat(hashed, to_offsets(lengths)[:-1])
    return (mix(sums + lengths.astype(np.uint64)) >> np.uint64(32)).astype(np.uint32)
