"""Verified pairs of duplicates: two rows, what relation they stand in, and their similarity as counted."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from curation.duplicates.overlap import Float64s
from curation.duplicates.rows import Int64s, UInt64s


class Kind(IntEnum):
    """How two dialogues are alike."""

    NEAR = 1
    """Jaccard similarity of their grams."""
    CONTAINED = 2
    """Share of the smaller one that the larger has too."""
    SEMANTIC = 3
    """Cosine of their embeddings; see `semantic`."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs in ascending order of (left, right), each once, left < right within one corpus. `kind`: see `Kind`."""

    left: Int64s
    right: Int64s
    similarity: Float64s
    kind: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.left)


@dataclass(frozen=True, slots=True)
class Measured:
    """Pairs with both measures, `containment` 0 where it is below its limit; ascending and unique by `key`.

    `key` holds the two representatives, left in the upper 32 bits.
    """

    key: UInt64s
    jaccard: Float64s
    containment: Float64s

    @classmethod
    def none(cls) -> "Measured":
        return cls(np.zeros(0, np.uint64), np.zeros(0), np.zeros(0))

    @property
    def left(self) -> Int64s:
        return (self.key >> np.uint64(32)).astype(np.int64)

    @property
    def right(self) -> Int64s:
        return (self.key & np.uint64(0xFFFFFFFF)).astype(np.int64)

    def select(self, chosen: npt.NDArray[np.bool_]) -> "Measured":
        return Measured(self.key[chosen], self.jaccard[chosen], self.containment[chosen])


def pack(left: Int64s, right: Int64s) -> UInt64s:
    """A pair in one number, the smaller one first."""
    low, high = np.minimum(left, right), np.maximum(left, right)
    return (low.astype(np.uint64) << np.uint64(32)) | high.astype(np.uint64)


def merge(parts: Iterable[Measured]) -> Measured:
    """All pairs, each once, with the larger of its containments."""
    found = [part for part in parts if len(part.key)]
    if len(found) < 2:
        return found[0] if found else Measured.none()
    key = np.concatenate([part.key for part in found])
    order = np.argsort(key, kind="stable")
    key = key[order]
    starts = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
    jaccard = np.concatenate([part.jaccard for part in found])[order][starts]
    containment = np.maximum.reduceat(np.concatenate([part.containment for part in found])[order], starts)
    return Measured(key[starts], jaccard, containment)


def judge(measured: Measured, threshold: float, loosest: float) -> Pairs:
    """What each pair is, by its representatives: near at or above the threshold, else contained if it is that.

    What is neither is near all the same down to the looser `loosest`, with its Jaccard similarity.
    """
    is_contained = (measured.jaccard < threshold) & (measured.containment > 0)
    is_pair = is_contained | (measured.jaccard >= loosest)
    chosen, is_contained = measured.select(is_pair), is_contained[is_pair]
    similarity = np.where(is_contained, chosen.containment, chosen.jaccard)
    kind = np.where(is_contained, Kind.CONTAINED, Kind.NEAR).astype(np.uint8)
    return Pairs(chosen.left, chosen.right, similarity, kind)


def order_pairs(pairs: Pairs) -> Pairs:
    """The same pairs in the order that `Pairs` promises."""
    order = np.lexsort((pairs.right, pairs.left))
    return Pairs(pairs.left[order], pairs.right[order], pairs.similarity[order], pairs.kind[order])


def sample_pairs(pairs: Pairs, around: float, count: int, seed: int, width: float = 0.1) -> Int64s:
    """Which of the near pairs to show a person who sets the threshold: positions, ascending in similarity.

    Half of them within `width` below `around` and half within `width` above, as far as there are any.
    """
    random = np.random.default_rng(seed)
    distance = pairs.similarity - around
    is_near = pairs.kind == Kind.NEAR
    below = np.flatnonzero(is_near & (distance < 0) & (distance >= -width))
    above = np.flatnonzero(is_near & (distance >= 0) & (distance < width))
    few = min(len(below), len(above), count // 2)
    from_below = max(few, min(len(below), count - min(len(above), count - few)))
    chosen = [
        random.choice(below, min(from_below, len(below)), replace=False),
        random.choice(above, min(count - min(from_below, len(below)), len(above)), replace=False),
    ]
    picked = np.concatenate(chosen).astype(np.int64)
    return picked[np.lexsort((picked, pairs.similarity[picked]))]
