"""Meetings: the shuffle of keys. All members with keys of one range come together; each bucket goes to its segment.

A segment's runs lie sorted on the shared storage, so a range of keys is a slice of each: a worker reads its slices,
4 + 4 bytes an entry, and no text. Of a bucket, each segment that has a member in it gets the members up to its own:
what the index would have gathered for it when it came.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from curation.cluster.exchange import Exchange, put_array
from curation.duplicates.index_files import read_array
from curation.duplicates.rows import Int64s, UInt64s, spread, to_offsets
from curation.duplicates.segment import Run

_KEYS = 1 << 32
_ENTRIES_AT_ONCE = 4_000_000
"""Entries of one range, about: 32 MB, and a few times as much while they are sorted."""
_LEAST_ENTRIES = 1_000_000
"""Entries that are worth a task of their own."""
_WRITTEN_AT_ONCE = 8_000_000


@dataclass(frozen=True, slots=True)
class Range:
    """The keys of one part of a piece: a band, or behind the last band the long turns."""

    piece: int
    part: int
    parts: int

    @property
    def bounds(self) -> tuple[int, int]:
        """The first key, and the first behind."""
        return self.part * _KEYS // self.parts, (self.part + 1) * _KEYS // self.parts


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a range is: in which task's meeting, and the how-manieth of its ranges it is."""

    task: int
    at: int


def find_spots(tasks: Sequence[Sequence[Range]], pieces: int) -> tuple[tuple[Spot, ...], ...]:
    """The ranges of each piece, in order."""
    spots: list[list[Spot]] = [[] for _ in range(pieces)]
    for task, ranges in enumerate(tasks):
        for at, each in enumerate(ranges):
            spots[each.piece].append(Spot(task, at))
    return tuple(map(tuple, spots))


def plan_ranges(pieces: int, members: int) -> list[tuple[Range, ...]]:
    """All ranges of all pieces, by task."""
    parts = -(-members // _ENTRIES_AT_ONCE)
    ranges = [Range(piece, part, parts) for piece in range(pieces) for part in range(parts)]
    together = max(1, _LEAST_ENTRIES * parts // max(1, members))
    return [tuple(ranges[at : at + together]) for at in range(0, len(ranges), together)]


@dataclass(frozen=True, slots=True)
class Meet:
    """Task: bring together the entries of some ranges. `segments`: all folders; `known`: compared before."""

    exchange: Exchange
    number: int
    ranges: tuple[Range, ...]
    segments: tuple[Path, ...]
    known: int

    def run(self) -> int:
        """Returns the entries that met. They lie range by range, and in each addition by addition."""
        place = self.exchange.meeting(self.number)
        target = self.exchange.bounds(self.number)
        if not target.exists():
            firsts = np.array([int(np.load(each / "first.npy")[0]) for each in self.segments])
            temporary = place.with_name(f".{place.name}.{uuid4().hex[:8]}")
            with temporary.open("wb") as file:
                bounds = [self._meet(each, firsts, file) for each in self.ranges]
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(place)
            before = to_offsets(np.array([each[-1] for each in bounds]))[:-1]
            put_array(target, np.stack(bounds) + before[:, None])
        return int(np.load(target)[-1, -1])

    def _meet(self, range_: Range, firsts: Int64s, file: BinaryIO) -> Int64s:
        """Write what met in a range; returns where each new addition's entries begin, and where the last ones end."""
        entries = np.concatenate([np.zeros(0, np.uint64), *(_read_slice(each, range_) for each in self.segments)])
        entries.sort()
        starts, ends, owners = _list_visits(entries, firsts)
        order = np.argsort(owners, kind="stable")
        order = order[((owners >= self.known) & (ends - starts > 1))[order]]
        starts, lengths, owners = starts[order], (ends - starts)[order], owners[order]
        for part in _cut(lengths):
            entries[spread(starts[part], lengths[part])].tofile(file)
        return to_offsets(lengths)[np.searchsorted(owners, np.arange(self.known, len(firsts) + 1))]


def _read_slice(segment: Path, range_: Range) -> UInt64s:
    """The entries of a segment that lie in a range, key and member in one number."""
    keys: npt.NDArray[Any]
    bands = read_array(segment / "band_keys.npy")
    if range_.piece < len(bands):
        keys, members = bands[range_.piece], read_array(segment / "band_members.npy")[range_.piece]
    else:
        keys, members = read_array(segment / "turn_keys.npy"), read_array(segment / "turn_members.npy")
    low, high = range_.bounds
    first, end = np.searchsorted(keys, np.array([low, high - 1], np.uint32), side="left")
    end += int(np.searchsorted(keys[end:], np.uint32(high - 1), side="right"))
    entries: UInt64s = (keys[first:end].astype(np.uint64) << np.uint64(32)) | members[first:end]
    return entries


def _list_visits(entries: UInt64s, firsts: Int64s) -> tuple[Int64s, Int64s, Int64s]:
    """For each bucket and each segment in it: the bucket's start, where the segment's entries end, whose they are."""
    keys, members = entries >> np.uint64(32), (entries & np.uint64(0xFFFFFFFF)).astype(np.int64)
    owners = np.searchsorted(firsts, members, side="right") - 1
    is_key = np.ones(len(entries), np.bool_)
    is_key[1:] = keys[1:] != keys[:-1]
    is_last = np.ones(len(entries), np.bool_)
    is_last[:-1] = is_key[1:] | (owners[1:] != owners[:-1])
    ends = np.flatnonzero(is_last)
    starts = np.flatnonzero(is_key)[np.cumsum(is_key)[ends] - 1] if len(ends) else ends
    return starts, ends + 1, owners[ends]


def _cut(lengths: Int64s) -> Iterator[slice]:
    total = np.cumsum(lengths)
    start = 0
    while start < len(lengths):
        before = int(total[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(total, before + _WRITTEN_AT_ONCE, side="right")))
        yield slice(start, stop)
        start = stop


def read_meeting(exchange: Exchange, spots: Sequence[Spot], number: int) -> Run:
    """What met in one piece for the addition of this number; `spots`: of all ranges of the piece, in order."""
    entries = [np.zeros(0, np.uint64)]
    for spot in spots:
        first, end = read_array(exchange.bounds(spot.task))[spot.at, number : number + 2].tolist()
        entries.append(np.fromfile(exchange.meeting(spot.task), np.uint64, end - first, offset=8 * first))
    packed = np.concatenate(entries)
    return Run((packed >> np.uint64(32)).astype(np.uint32), packed.astype(np.uint32))
