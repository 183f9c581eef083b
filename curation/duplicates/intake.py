"""From dialogues to a segment: exact copies are set aside at once, all others become sets, signatures and runs."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.duplicates.bands import choose_bands
from curation.duplicates.grams import GramSets, join_sets, make_gram_sets, read_turns
from curation.duplicates.pairs import Measured
from curation.duplicates.rows import WORKERS, Int64s, UInt8s, UInt32s, to_offsets
from curation.duplicates.segment import Run, Segment
from curation.duplicates.settings import DuplicateSettings
from curation.duplicates.signatures import Signatures, sign
from curation.duplicates.turns import list_long_turns

DIGEST_BYTES = 16
"""128 bits of BLAKE2b: that two different texts share one is out of the question."""
_ROWS_AT_ONCE = 8192
_BYTES_AT_ONCE = 16_000_000
_BATCHES_AT_ONCE = 16
"""These are joined before more are read: large arrays are given back to the system when they are freed."""
_NO_DIALOGUES = pa.array([], pa.large_list(pa.large_string()))


class Numbering(Protocol):
    """Tells the representative of each row as it comes: the first row of all with the same normal form."""

    def number(self, batch: pa.Array) -> tuple[Int64s, Sequence[bytes]]:
        """The representatives of the next rows, new ones numbered on as they come, and the rows' digests."""


def read_segment(
    dialogues: Iterable[pa.Array], known: dict[bytes, int], first_row: int, settings: DuplicateSettings
) -> Segment:
    """A segment without its pairs. `known`: digest → representative; new ones are entered into it."""
    return take_segment(dialogues, _Known(known), (len(known), first_row), settings)


def take_segment(
    dialogues: Iterable[pa.Array], numbering: Numbering, firsts: tuple[int, int], settings: DuplicateSettings
) -> Segment:
    """The same by any numbering. `firsts`: the number of the first new representative, and of the first row."""
    names = _Names(numbering, *firsts)
    pile = [_take_apart(_NO_DIALOGUES, 0, settings)]
    waiting: list[Future[_Part]] = []
    with ThreadPoolExecutor(WORKERS) as pool:
        for batch in iterate_batches(dialogues):
            first, fresh = names.enter(batch)
            waiting.append(pool.submit(_take_apart, batch.take(pa.array(fresh)), first, settings))
            if len(waiting) == _BATCHES_AT_ONCE:
                pile.append(_join_parts([each.result() for each in waiting]))
                waiting.clear()
    whole = _join_parts([*pile, *(each.result() for each in waiting)])
    pile.clear()
    bands = _sort_bands(whole.signatures.keys, np.flatnonzero(whole.grams.sets.lengths > 0), names.first)
    turns = Run.sort(whole.turns.keys, whole.turns.members)
    return Segment(names.first, *names.join(), whole.grams, whole.signatures.sketches, bands, turns, Measured.none())


@dataclass(frozen=True, slots=True)
class _Known:
    """Numbers by digest. `known`: digest → representative; new ones are entered into it."""

    known: dict[bytes, int]

    def number(self, batch: pa.Array) -> tuple[Int64s, Sequence[bytes]]:
        found, known = digest_dialogues(batch), self.known
        return np.array([known.setdefault(each, len(known)) for each in found], np.int64), found


class _Names:
    """Who is who: rows, representatives and digests, in the order they come."""

    def __init__(self, numbering: Numbering, first: int, first_row: int) -> None:
        self.first = first
        self._numbering = numbering
        self._next = first
        self._row = first_row
        self._members = [np.zeros(0, np.int64)]
        self._rows = [np.zeros(0, np.int64)]
        self._digests = [b""]

    def enter(self, batch: pa.Array) -> tuple[int, Int64s]:
        """The number of the batch's first new representative, and where its new representatives are."""
        members, found = self._numbering.number(batch)
        before = self._next
        new, places = np.unique(members, return_index=True)
        fresh = places[new >= before].astype(np.int64)
        self._next += len(fresh)
        self._members.append(members)
        self._rows.append(fresh + self._row)
        self._digests.extend(found[at] for at in fresh.tolist())
        self._row += len(batch)
        return before, fresh

    def join(self) -> tuple[Int64s, Int64s, UInt8s]:
        """The representative of each row; the row and the digest of each new representative."""
        digests = np.frombuffer(b"".join(self._digests), np.uint8).reshape(-1, DIGEST_BYTES)
        return np.concatenate(self._members), np.concatenate(self._rows), digests


@dataclass(frozen=True, slots=True)
class _Part:
    grams: GramSets
    signatures: Signatures
    turns: Run


def _take_apart(dialogues: pa.Array, first: int, settings: DuplicateSettings) -> _Part:
    turns = read_turns(dialogues)
    owners, keys = list_long_turns(turns, settings.turn_length)
    grams = make_gram_sets(turns, settings.n)
    signatures = sign(grams.sets, choose_bands(settings.split_threshold, settings.probability))
    return _Part(grams, signatures, Run(keys, (owners + first).astype(np.uint32)))


def _join_parts(parts: Sequence[_Part]) -> _Part:
    keys = np.concatenate([part.signatures.keys for part in parts], axis=1)
    sketches = np.concatenate([part.signatures.sketches for part in parts])
    turns = [part.turns for part in parts]
    run = Run(np.concatenate([each.keys for each in turns]), np.concatenate([each.members for each in turns]))
    return _Part(join_sets([part.grams for part in parts]), Signatures(keys, sketches), run)


def _sort_bands(keys: UInt32s, members: Int64s, first: int) -> Run:
    """A run for each band, without the members that have no gram. `keys` (bands × members) is used up."""
    owners = np.empty((len(keys), len(members)), np.uint32)
    numbers = (members + first).astype(np.uint32)

    def sort_band(band: int) -> None:
        run = Run.sort(keys[band, members], numbers)
        keys[band, : len(members)], owners[band] = run.keys, run.members

    with ThreadPoolExecutor(WORKERS) as pool:
        for _ in pool.map(sort_band, range(len(keys))):
            pass
    return Run(keys[:, : len(members)], owners)


def iterate_batches(dialogues: Iterable[pa.Array]) -> Iterator[pa.Array]:
    """The same dialogues in batches of bounded size; a dialogue larger than that comes alone."""
    for batch in dialogues:
        large = batch.cast(pa.large_list(pa.large_string()))
        sizes = _measure_bytes(large)
        ends = np.cumsum(sizes)
        start = 0
        while start < len(large):
            before = int(ends[start - 1]) if start else 0
            stop = int(np.searchsorted(ends, before + _BYTES_AT_ONCE, side="right"))
            stop = min(max(stop, start + 1), start + _ROWS_AT_ONCE)
            yield large.slice(start, stop - start)
            start = stop


def _measure_bytes(dialogues: pa.Array) -> Int64s:
    flat = pc.fill_null(pc.binary_length(dialogues.flatten()), 0).to_numpy(zero_copy_only=False)
    turns = pc.fill_null(pc.list_value_length(dialogues), 0).to_numpy(zero_copy_only=False)
    ends = to_offsets(flat.astype(np.int64))[to_offsets(turns.astype(np.int64))]
    sizes: Int64s = np.diff(ends)
    return sizes


def digest_dialogues(batch: pa.Array) -> list[bytes]:
    """A digest of each dialogue's whole normal form."""
    texts = pc.binary_join(_drop_nulls(batch).cast(pa.list_(pa.binary())), b"\n").to_pylist()
    return [blake2b(text, digest_size=DIGEST_BYTES).digest() for text in texts]


def _drop_nulls(batch: pa.Array) -> pa.Array:
    lengths = pc.fill_null(pc.list_value_length(batch), 0).to_numpy(zero_copy_only=False)
    return pa.LargeListArray.from_arrays(to_offsets(lengths.astype(np.int64)), pc.fill_null(batch.flatten(), ""))
