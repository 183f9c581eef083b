"""A segment: what one addition brought to the index, never changed afterwards; and reading across segments.

Representatives are numbered through all segments in the order they came; a segment's arrays count from its own first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from curation.duplicates.grams import GramSets, join_sets
from curation.duplicates.pairs import Measured, merge
from curation.duplicates.rows import Int64s, Rows, UInt32s, spread, to_offsets


@dataclass(frozen=True, slots=True)
class Run:
    """Keys in ascending order and the representatives that have them; equal keys are a bucket."""

    keys: UInt32s
    members: UInt32s

    @classmethod
    def sort(cls, keys: UInt32s, members: UInt32s) -> "Run":
        packed = np.sort((keys.astype(np.uint64) << np.uint64(32)) | members)
        return cls((packed >> np.uint64(32)).astype(np.uint32), packed.astype(np.uint32))

    def find(self, keys: UInt32s) -> "Run":
        """The entries that have one of these keys (ascending, unique)."""
        starts = np.searchsorted(self.keys, keys, side="left")
        at = spread(starts, np.searchsorted(self.keys, keys, side="right") - starts)
        return Run(self.keys[at], self.members[at])


def join_runs(runs: Sequence[Run]) -> Run:
    keys = np.concatenate([np.zeros(0, np.uint32), *(run.keys for run in runs)])
    return Run.sort(keys, np.concatenate([np.zeros(0, np.uint32), *(run.members for run in runs)]))


@dataclass(frozen=True, slots=True)
class Segment:
    """One addition."""

    first: int
    """The number of its first representative."""
    row_to_member: Int64s
    """For each row that came, its representative: the first row with the same normal form."""
    rows: Int64s
    """The row number of each representative of this segment."""
    digests: npt.NDArray[np.uint8]
    """Representatives × 16: BLAKE2b of the normal form."""
    grams: GramSets
    sketches: npt.NDArray[np.uint8]
    bands: Run
    """Both arrays bands × representatives: a run a band."""
    turns: Run
    """An entry for each long turn."""
    pairs: Measured
    """The pairs of which at least one member came with this segment."""

    def __len__(self) -> int:
        return len(self.rows)

    def get_band(self, band: int) -> Run:
        return Run(self.bands.keys[band], self.bands.members[band])


def join_segments(segments: Sequence[Segment]) -> Segment:
    """One segment in place of several neighbours."""
    bands = [join_runs([each.get_band(band) for each in segments]) for band in range(len(segments[0].bands.keys))]
    return Segment(
        segments[0].first,
        np.concatenate([each.row_to_member for each in segments]),
        np.concatenate([each.rows for each in segments]),
        np.concatenate([each.digests for each in segments]),
        join_sets([each.grams for each in segments]),
        np.concatenate([each.sketches for each in segments]),
        Run(np.stack([each.keys for each in bands]), np.stack([each.members for each in bands])),
        join_runs([each.turns for each in segments]),
        merge(each.pairs for each in segments),
    )


class Members:
    """Reads the representatives of several segments as if they lay in one."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._segments = tuple(segments)
        self.gram_counts = self._join(lambda segment: segment.grams.sets.lengths, np.int64)
        self.priorities = self._join(lambda segment: np.ascontiguousarray(segment.digests[:, :4]).view(np.uint32)[:, 0])
        """An order that depends on content alone: the same whatever the order of the rows."""

    def __len__(self) -> int:
        return len(self.gram_counts)

    def take_grams(self, members: Int64s) -> GramSets:
        if len(self._segments) == 1:
            return self._segments[0].grams.take(members)
        lengths = self.gram_counts[members]
        offsets = to_offsets(lengths)
        values, turns = np.empty(int(offsets[-1]), np.int64), np.empty(int(offsets[-1]), np.uint8)
        for segment in self._segments:
            chosen = self._find_own(segment, members)
            own = segment.grams.take(members[chosen] - segment.first)
            target = spread(offsets[chosen], lengths[chosen])
            values[target], turns[target] = own.sets.values, own.turns
        return GramSets(Rows(offsets, values), turns)

    def take_sketches(self, members: Int64s) -> npt.NDArray[np.uint8]:
        if len(self._segments) == 1:
            return self._segments[0].sketches[members]
        taken = np.empty((len(members), self._segments[0].sketches.shape[1]), np.uint8)
        for segment in self._segments:
            chosen = self._find_own(segment, members)
            taken[chosen] = segment.sketches[members[chosen] - segment.first]
        return taken

    def _join(self, read: Callable[[Segment], npt.NDArray[Any]], dtype: Any = np.uint32) -> npt.NDArray[Any]:
        return np.concatenate([np.zeros(0, dtype), *(read(segment) for segment in self._segments)])

    @staticmethod
    def _find_own(segment: Segment, members: Int64s) -> Int64s:
        return np.flatnonzero((members >= segment.first) & (members < segment.first + len(segment)))
