"""The index of a corpus: exact groups, near and contained pairs, kept on disk and added to.

Rows are numbered in the order they come. Of rows with one normal form the first is the representative; pairs are
found among representatives only, so 100,000 copies cost what one costs. An addition is compared with itself and with
all that is known, and what was compared before is not compared again.

Where a bucket is larger than 64, not every pair in it is listed (see `buckets`), yet each listed one is measured. Who
chooses keepers takes them from `completion.complete_pairs`, which compares the best of a large cluster with all of it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from curation.duplicates.bands import Bands, choose_bands
from curation.duplicates.index_files import open_segment, read_segments, write_segments
from curation.duplicates.intake import read_segment
from curation.duplicates.measure import compare_grams
from curation.duplicates.overlap import Float64s
from curation.duplicates.pairs import Measured, Pairs, judge, merge, order_pairs
from curation.duplicates.rows import Int64s
from curation.duplicates.search import find_pairs
from curation.duplicates.segment import Members, Segment, join_segments
from curation.duplicates.settings import DuplicateSettings
from datagen.errors import DataError

_MOST_SEGMENTS = 8
"""When there are more, neighbours are joined as the index is saved, up to so many rows that it fits into memory."""
_LARGEST_JOINED = 50_000


class DuplicateIndex:
    """Duplicates of a growing corpus. Not for use by two threads at once."""

    def __init__(self, folder: Path, settings: DuplicateSettings) -> None:
        self._folder = folder
        self._settings = settings
        self._segments: list[Segment] = []
        self._names: list[str | None] = []
        self._first: dict[bytes, int] | None = {}
        self.reopened_because: str | None = None
        """Why what lay in the folder was not used; None where it was, or where nothing lay there."""

    @classmethod
    def open(cls, folder: Path, settings: DuplicateSettings) -> "DuplicateIndex":
        """The index kept in a folder; an empty one where none lies there or it does not fit."""
        index = cls(folder, settings)
        index._use(*read_segments(folder, settings))
        index._first = None
        return index

    def _use(self, named: list[tuple[str | None, Segment]], reason: str | None) -> None:
        self.reopened_because = reason
        self._names, self._segments = [name for name, _ in named], [segment for _, segment in named]

    @property
    def folder(self) -> Path:
        return self._folder

    @property
    def settings(self) -> DuplicateSettings:
        return self._settings

    @property
    def bands(self) -> Bands:
        """What candidates are found by: a pair at `split_threshold` with `probability`."""
        return choose_bands(self._settings.split_threshold, self._settings.probability)

    @property
    def rows(self) -> int:
        return sum(len(each.row_to_member) for each in self._segments)

    def add(self, dialogues: Iterable[pa.Array]) -> None:
        """Add rows: batches of list<string>, the folded turns of each dialogue.

        Known rows must not come again: the caller passes what lies beyond `rows`.
        """
        try:
            new = read_segment(dialogues, self._know(), self.rows, self._settings)
            pairs = find_pairs([*self._segments, new], self._settings)
        except BaseException:
            self._first = None
            raise
        if len(new.row_to_member):
            self._segments.append(replace(new, pairs=pairs))
            self._names.append(None)

    def pairs(self, threshold: float | None = None) -> Pairs:
        """Near pairs and contained ones, as row numbers; below the settings' threshold near ones down to `threshold`.

        So a `similarity` at or above the settings' threshold tells a duplicate of either kind. Raises ValueError where
        `threshold` is below `split_threshold`: those pairs were never looked for.
        """
        found = self.judge(merge(each.pairs for each in self._segments), threshold)
        rows = self._list_rows()
        return order_pairs(Pairs(rows[found.left], rows[found.right], found.similarity, found.kind))

    def representatives(self) -> Int64s:
        """For each row the first row with the same normal form, often itself."""
        return self._list_rows()[self._map_rows()]

    def compare(self, left: Int64s, right: Int64s) -> tuple[Float64s, Float64s]:
        """The true Jaccard similarity and the containment (of grams) of any two rows, pair by pair."""
        members, to_member = Members(self._segments), self._map_rows()
        a, b = to_member[left], to_member[right]
        jaccard, containment = compare_grams(members, a, b)
        return np.where(a == b, 1.0, jaccard), np.where(a == b, 1.0, containment)

    def match(self, others: Iterable[pa.Array]) -> tuple[Measured, Segment, Int64s]:
        """Compare other dialogues with all rows without adding them.

        Returns the pairs by number of representative (here, then there), the others as a segment, and the row number
        of each representative here.
        """
        other = read_segment(others, dict(self._know()), 0, self._settings)
        pairs = find_pairs([*self._segments, other], self._settings, is_across=True) if len(other) else Measured.none()
        return pairs, other, self._list_rows()

    def judge(self, measured: Measured, threshold: float | None) -> Pairs:
        """Pairs of representatives; raises ValueError where pairs as loose as `threshold` are not looked for."""
        loosest = self._settings.threshold if threshold is None else threshold
        if loosest < self._settings.split_threshold:
            raise ValueError(f"pairs below {self._settings.split_threshold:g} are not looked for, asked: {loosest:g}")
        return judge(measured, max(loosest, self._settings.threshold), loosest)

    def save(self) -> None:
        """Write what is new, and map it instead of keeping it in memory.

        Raises DataError where the disk does not take it; the folder then holds the old index.
        """
        named = list(zip(self._names, self._segments, strict=True))
        if len(named) > _MOST_SEGMENTS:
            named = _join_small(named)
        write_segments(self._folder, named, self._settings)
        written, reason = read_segments(self._folder, self._settings)
        if reason is not None:
            hint = "delete the folder and run the same command again: it is made from the dialogues"
            raise DataError(f"the duplicate index {self._folder} cannot be read back: {reason}", hint)
        self._use(written, None)

    def forget(self) -> None:
        """Let go of what only additions need (some 180 bytes a row); it is read again when one comes."""
        self._first = None

    def adopt(self, names: Sequence[str]) -> None:
        """Take in segments, pairs and all, that lie in the folder already, written by others; and save.

        Raises DataError where they are not what follows on what is here.
        """
        added = [(name, open_segment(self._folder / name)) for name in names]
        self._names += [name for name, _ in added]
        self._segments += [segment for _, segment in added]
        self._first = None
        self.save()

    def list_segments(self) -> list[Path]:
        """The folders of the saved segments, in their order."""
        return [self._folder / name for name in self._names if name is not None]

    def _list_rows(self) -> Int64s:
        return np.concatenate([np.zeros(0, np.int64), *(each.rows for each in self._segments)])

    def _map_rows(self) -> Int64s:
        return np.concatenate([np.zeros(0, np.int64), *(each.row_to_member for each in self._segments)])

    def _know(self) -> dict[bytes, int]:
        """Digest → representative, read when it is first needed."""
        if self._first is None:
            self._first = {}
            for each in self._segments:
                digests = np.ascontiguousarray(each.digests).view("V16")[:, 0].tolist()
                self._first.update(zip(digests, range(each.first, each.first + len(each)), strict=True))
        return self._first


def _join_small(named: list[tuple[str | None, Segment]]) -> list[tuple[str | None, Segment]]:
    """Neighbours joined, as many as are small together; a large segment stays as it is."""
    groups: list[list[tuple[str | None, Segment]]] = []
    for each in named:
        if groups and sum(len(segment) for _, segment in groups[-1]) + len(each[1]) <= _LARGEST_JOINED:
            groups[-1].append(each)
        else:
            groups.append([each])
    return [group[0] if len(group) == 1 else (None, join_segments([each for _, each in group])) for group in groups]
