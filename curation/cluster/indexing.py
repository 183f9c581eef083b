"""The index of duplicates, made by many workers: the same segments with the same pairs as in one process.

    digests → numbers (driver) → segments → meetings → pairs → the index adopts them

Text is read where it lies, twice: for digests, and for grams and signatures. Between the stages go keys and numbers. A
pair is verified by the worker whose segment brought it, on the grams of both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np

from curation.cluster.additions import Addition, plan_additions
from curation.cluster.exchange import Exchange, put_array, put_folder
from curation.cluster.fleet import Fleet
from curation.cluster.meetings import Meet, Spot, find_spots, plan_ranges, read_meeting
from curation.cluster.numbering import GivenNumbers, number_rows
from curation.duplicates.bands import choose_bands
from curation.duplicates.index import DuplicateIndex
from curation.duplicates.index_files import open_segment, read_array, write_segment
from curation.duplicates.intake import DIGEST_BYTES, digest_dialogues, iterate_batches, take_segment
from curation.duplicates.rows import UInt8s
from curation.duplicates.search import Gathered, find_among
from curation.duplicates.settings import DuplicateSettings
from curation.measure import MeasuredFile

_PAIR_ARRAYS = ("key", "jaccard", "containment")


@dataclass(frozen=True, slots=True)
class Digest:
    """Task: the digests of an addition's rows."""

    exchange: Exchange
    number: int
    addition: Addition

    def run(self) -> int:
        target = self.exchange.digests(self.number)
        if not target.exists():
            found = [b"".join(digest_dialogues(batch)) for batch in iterate_batches(self.addition.read())]
            put_array(target, np.frombuffer(b"".join(found), np.uint8).reshape(-1, DIGEST_BYTES))
        return self.addition.rows


@dataclass(frozen=True, slots=True)
class TakeApart:
    """Task: an addition's grams, signatures and runs. `first`: the number of its first new representative."""

    exchange: Exchange
    number: int
    addition: Addition
    first: int
    settings: DuplicateSettings

    def run(self) -> int:
        target = self.exchange.segment(self.number)
        if not target.exists():
            members, digests = np.load(self.exchange.members(self.number)), np.load(self.exchange.digests(self.number))
            firsts = (self.first, self.addition.first_row)
            segment = take_segment(self.addition.read(), GivenNumbers(members, digests), firsts, self.settings)
            scratch = target.with_name(f".{target.name}.{uuid4().hex[:8]}")
            scratch.mkdir()
            put_folder(scratch / write_segment(scratch, segment), target)
            scratch.rmdir()
        return self.addition.rows


@dataclass(frozen=True, slots=True)
class Pair:
    """Task: the pairs that a segment brings, by what met. `segments`: its own folder and all before."""

    exchange: Exchange
    number: int
    segments: tuple[Path, ...]
    pieces: tuple[tuple[Spot, ...], ...]
    """Where each band met, in order, and the long turns."""
    settings: DuplicateSettings

    def run(self) -> int:
        target = self.exchange.pairs(self.number)
        if not target.exists():
            *bands, turns = self.pieces
            gathered = Gathered(
                (read_meeting(self.exchange, spots, self.number) for spots in bands),
                (read_meeting(self.exchange, spots, self.number) for spots in [turns]),
            )
            pairs = find_among([open_segment(each) for each in self.segments], gathered, self.settings)
            scratch = target.with_name(f".{target.name}.{uuid4().hex[:8]}")
            scratch.mkdir()
            for name in _PAIR_ARRAYS:
                put_array(scratch / f"pair_{name}.npy", getattr(pairs, name))
            put_folder(scratch, target)
        return len(np.load(target / "pair_key.npy", mmap_mode=None))


def fill_index(fleet: Fleet, index: DuplicateIndex, files: Sequence[MeasuredFile]) -> None:
    """Add the rows of measured files, as `kept_index.add_files` does. Raises OSError, DataError.

    What an interrupted run left in the exchange is taken up.
    """
    known, settings = index.list_segments(), index.settings
    additions = plan_additions(files, index.rows)
    exchange = Exchange.open(index.folder.with_name("exchange"), settings, known, additions)
    fleet.run("digests", [Digest(exchange, number, each) for number, each in enumerate(additions)])
    firsts = _write_numbers(exchange, known, len(additions))
    taking = [TakeApart(exchange, at, each, firsts[at], settings) for at, each in enumerate(additions)]
    fleet.run("segments", taking)
    segments = (*known, *(exchange.segment(number) for number in range(len(additions))))
    pieces = choose_bands(settings.split_threshold, settings.probability).bands + 1
    tasks = plan_ranges(pieces, firsts[-1])
    meeting = [Meet(exchange, number, ranges, segments, len(known)) for number, ranges in enumerate(tasks)]
    fleet.run("meetings", meeting)
    spots = find_spots(tasks, pieces)
    pairing = [
        Pair(exchange, number, segments[: len(known) + number + 1], spots, settings) for number in range(len(additions))
    ]
    fleet.run("pairs", pairing[::-1])  # the last have most to compare with
    index.adopt([_move_segment(exchange, number, index.folder, firsts[number]) for number in range(len(additions))])
    exchange.remove()


def _write_numbers(exchange: Exchange, known: Sequence[Path], count: int) -> list[int]:
    """Write the representative of each row; return the number of each addition's first new one, and of all of them."""
    before: UInt8s = np.concatenate(
        [np.zeros((0, DIGEST_BYTES), np.uint8), *(read_array(each / "digests.npy") for each in known)]
    )
    found = number_rows(before, [np.load(exchange.digests(number)) for number in range(count)])
    firsts = [len(before)]
    for number, members in enumerate(found):
        if not exchange.members(number).exists():
            put_array(exchange.members(number), members)
        firsts.append(max(firsts[-1], int(members.max()) + 1))
    return firsts


def _move_segment(exchange: Exchange, number: int, folder: Path, first: int) -> str:
    """Put a segment with its pairs into the index's folder, and return its name there."""
    source, name = exchange.segment(number), f"segment-{first:09d}-{uuid4().hex[:8]}"
    for array in _PAIR_ARRAYS:  # copied, so that an interrupted move can be done again
        put_array(source / f"pair_{array}.npy", np.load(exchange.pairs(number) / f"pair_{array}.npy"))
    folder.mkdir(parents=True, exist_ok=True)
    source.rename(folder / name)
    return name
