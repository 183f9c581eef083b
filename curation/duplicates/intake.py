"""From dialogues to a segment: exact copies are set aside at once, all others become sets, signatures and runs."""

from collections.abc import Iterable, Iterator
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.duplicates.bands import choose_bands
from curation.duplicates.grams import GramSets, Int64s, UInt8s, UInt32s, flatten, join_sets, make_gram_sets, to_offsets
from curation.duplicates.pairs import Measured
from curation.duplicates.segment import Run, Segment, join_runs
from curation.duplicates.settings import DuplicateSettings
from curation.duplicates.signatures import sign
from curation.duplicates.turns import list_long_turns

DIGEST_BYTES = 16
"""128 bits of BLAKE2b: that two different texts share one is out of the question."""
_ROWS_AT_ONCE = 8192
_BYTES_AT_ONCE = 16_000_000


def read_segment(
    dialogues: Iterable[pa.Array], known: dict[bytes, int], first_row: int, settings: DuplicateSettings
) -> Segment:
    """A segment without its pairs. `known`: digest → representative; new ones are entered into it."""
    first_member = len(known)
    members, rows, digests = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [b""]
    grams, turns = [], []
    for batch in iterate_batches(dialogues):
        found = digest_dialogues(batch)
        before = len(known)
        members.append(np.array([known.setdefault(each, len(known)) for each in found], np.int64))
        _, fresh = np.unique(np.where(members[-1] < before, -1, members[-1]), return_index=True)
        fresh = fresh[members[-1][fresh] >= before]
        rows.append(fresh + first_row)
        digests.extend(found[at] for at in fresh.tolist())
        kept = batch.take(pa.array(fresh, pa.int64()))
        grams.append(make_gram_sets(kept, settings.n))
        owners, keys = list_long_turns(kept, settings.turn_length)
        turns.append(Run(keys, (owners + before).astype(np.uint32)))
        first_row += len(batch)
    ids = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, DIGEST_BYTES)
    names = first_member, np.concatenate(members), np.concatenate(rows), ids
    return _make_segment(names, join_sets(grams), turns, settings)


def _make_segment(
    names: tuple[int, Int64s, Int64s, UInt8s], grams: GramSets, turns: list[Run], settings: DuplicateSettings
) -> Segment:
    signatures = sign(grams.sets, choose_bands(settings.split_threshold, settings.probability))
    bands = _sort_bands(signatures.keys, np.flatnonzero(grams.sets.lengths > 0), names[0])
    return Segment(*names, grams, signatures.sketches, bands, join_runs(turns), Measured.none())


def _sort_bands(keys: UInt32s, members: Int64s, first: int) -> Run:
    """A run for each band, without the members that have no gram; `keys` is used up."""
    owners = np.empty((len(keys), len(members)), np.uint32)
    for band in range(len(keys)):
        run = Run.sort(keys[band, members], (members + first).astype(np.uint32))
        keys[band, : len(members)], owners[band] = run.keys, run.members
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
    flat, per_dialogue = flatten(batch)
    return pa.LargeListArray.from_arrays(pa.array(to_offsets(per_dialogue)), flat)
