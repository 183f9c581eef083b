"""Additions: which rows of which measured files become a segment of the index, as the one-machine engine cuts them.

Pairs in buckets of more than 64 depend on what was known when a segment came, so the cuts must be the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from curation.kept_index import BATCHES_AT_ONCE
from curation.measure import MeasuredFile
from curation.rows import BATCH_ROWS


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows `first` to `end` (without it) of a measured file."""

    path: Path
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Addition:
    """The rows of one segment. `first_row`: the number of the first among all rows of the index."""

    first_row: int
    slices: tuple[Slice, ...]

    @property
    def rows(self) -> int:
        return sum(each.end - each.first for each in self.slices)

    def read(self) -> Iterator[pa.Array]:
        """The folded turns of each dialogue, in batches."""
        for each in self.slices:
            yield from _read_folded(each)


def plan_additions(files: Sequence[MeasuredFile], first_row: int) -> list[Addition]:
    """Additions of as many batches as the one-machine engine takes at once; a batch never spans two files."""
    batches = [
        Slice(file.path, first, min(first + BATCH_ROWS, file.rows))
        for file in files
        for first in range(0, file.rows, BATCH_ROWS)
    ]
    additions: list[Addition] = []
    for at in range(0, len(batches), BATCHES_AT_ONCE):
        additions.append(Addition(first_row, tuple(_join(batches[at : at + BATCHES_AT_ONCE]))))
        first_row += additions[-1].rows
    return additions


def _join(batches: Sequence[Slice]) -> list[Slice]:
    """Neighbours in one file as one slice."""
    joined = [batches[0]]
    for each in batches[1:]:
        if each.path == joined[-1].path:
            joined[-1] = Slice(each.path, joined[-1].first, each.end)
        else:
            joined.append(each)
    return joined


def _read_folded(wanted: Slice) -> Iterator[pa.Array]:
    """Reads only the row groups that hold the rows."""
    with pq.ParquetFile(wanted.path) as file:
        start = 0
        for group in range(file.num_row_groups):
            end = start + file.metadata.row_group(group).num_rows
            if start < wanted.end and end > wanted.first:
                column = file.read_row_group(group, columns=["folded"]).column("folded")
                first = max(wanted.first, start) - start
                yield from column.slice(first, min(wanted.end, end) - start - first).chunks
            start = end
