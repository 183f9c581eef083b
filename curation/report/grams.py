"""Character n-grams of many texts at once, as hashed columns: the ground of the map and of the near-duplicate rate."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_PRIME = np.uint64(0x9E3779B97F4A7C15)  # odd, so that multiplying loses nothing; 2⁶⁴ over the golden ratio


def hash_grams(texts: Sequence[str], sizes: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Every n-gram of every text: the text's index, and a 64-bit hash of the n-gram. Repeats are kept.

    A text shorter than n has no n-gram of that size.
    """
    lengths = np.array([len(each) for each in texts], dtype=np.int64)
    characters = np.frombuffer("".join(texts).encode("utf-32-le", "replace"), dtype=np.uint32).astype(np.uint64)
    owners = np.repeat(np.arange(len(texts), dtype=np.int64), lengths)
    documents, codes = [], []
    for size in sizes:
        count = len(characters) - size + 1
        if count <= 0:
            continue
        code = np.full(count, size, dtype=np.uint64)
        for offset in range(size):
            code = (code ^ characters[offset : offset + count]) * _PRIME
            code ^= code >> np.uint64(29)
        inside = owners[:count] == owners[size - 1 :]
        documents.append(owners[:count][inside])
        codes.append(code[inside])
    if not codes:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.uint64)
    return np.concatenate(documents), np.concatenate(codes)
