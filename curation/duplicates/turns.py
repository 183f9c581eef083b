"""Keys of long turns: what a dialogue has in common with one of which it is a part, word for word."""

import numpy as np

from curation.duplicates.grams import Turns
from curation.duplicates.rows import Int64s, UInt32s, mix, spread, to_offsets

_WEIGHTS = mix(np.arange(1, 4097, dtype=np.uint64)) | np.uint64(1)


def list_long_turns(turns: Turns, least_length: int) -> tuple[Int64s, UInt32s]:
    """Which dialogue has a turn of at least `least_length` characters, and that turn's key, entry by entry.

    A key is the sum of the characters, each times the weight of its place: two different turns share one by chance.
    """
    is_long = turns.lengths >= least_length
    owners = np.repeat(np.arange(len(turns)), turns.per_dialogue)[is_long]
    lengths, starts = turns.lengths[is_long], to_offsets(turns.lengths)[:-1][is_long]
    if not len(lengths):
        return owners, np.zeros(0, np.uint32)
    weights = _WEIGHTS[spread(np.zeros(len(lengths), np.int64), lengths) % len(_WEIGHTS)]
    sums = np.add.reduceat(turns.characters[spread(starts, lengths)] * weights, to_offsets(lengths)[:-1])
    return owners, (mix(sums + lengths.astype(np.uint64)) >> np.uint64(32)).astype(np.uint32)
