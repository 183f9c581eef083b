"""`curated/`: written beside its place and put there as a whole, or not at all.

Everything in it can be made again from what lies beside it; what may not be lost (the memory of the splits, reviews)
lies outside.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from curation.recordings import Recordings, add_recordings
from curation.rows import Rows, scan
from curation.schemas import UNREADABLE
from curation.settling.split_memory import SPLITS
from curation.source import Unreadable
from datagen.errors import DataError
from datagen.store import ROWS_PER_GROUP, SCHEMA

SHARD_ROWS = 50_000


@contextmanager
def replace_folder(place: Path) -> Iterator[Path]:
    """Give a new folder to write into; it takes the place of the old one when the block ends without an error.

    Raises DataError where the disk does not take it; the old folder then stays as it was.
    """
    fresh, old = place.with_name(f".{place.name}-new"), place.with_name(f".{place.name}-old")
    recover_folder(place)
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        yield fresh
        _flush(fresh)
        if place.exists():
            place.rename(old)
        fresh.rename(place)
        _flush_entry(place.parent)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as exc:
        recover_folder(place)
        hint = "free some space and run the same command again; the dialogues are untouched"
        raise DataError(f"{place} could not be written: {exc.strerror or exc}", hint) from exc
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def recover_folder(place: Path) -> None:
    """Put the old folder back where a crash came between the two renames."""
    old = place.with_name(f".{place.name}-old")
    if old.exists():
        if place.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.rename(place)


def _flush(folder: Path) -> None:
    for path in folder.rglob("*"):
        _flush_entry(path)
    _flush_entry(folder)


def _flush_entry(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_splits(
    folder: Path, rows: Rows, splits: npt.NDArray[np.int8], recordings: Recordings | None = None
) -> dict[str, int]:
    """Write each split's dialogues, in row order, with their `recordings`, and return how many there are.

    `splits`: for each row the number of its split in `SPLITS`, -1 for none.
    """
    spoken = recordings or Recordings()
    writers = {name: _ShardWriter(folder / name) for name in SPLITS}
    for first, batch in scan(rows.files, SCHEMA.names):
        own = splits[first : first + batch.num_rows]
        for number, name in enumerate(SPLITS):
            picked = np.flatnonzero(own == number)
            if picked.size:
                table = pa.Table.from_batches([batch]).take(pa.array(picked)).cast(SCHEMA)
                writers[name].write(add_recordings(table, spoken))
    return {name: writer.close() for name, writer in writers.items()}


class _ShardWriter:
    """Writes one split as shards of at most about `SHARD_ROWS` rows; no shard for a split without rows."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: pq.ParquetWriter | None = None
        self._shard_rows = 0
        self._shards = 0
        self._rows = 0

    def write(self, table: pa.Table) -> None:
        if self._writer is None or self._shard_rows >= SHARD_ROWS:
            self._open()
        assert self._writer is not None
        self._writer.write_table(table, row_group_size=ROWS_PER_GROUP)
        self._shard_rows += table.num_rows
        self._rows += table.num_rows

    def _open(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._folder.mkdir(exist_ok=True)
        path = self._folder / f"part-{self._shards:05d}.parquet"
        self._writer = pq.ParquetWriter(path, SCHEMA, compression="zstd")
        self._shards, self._shard_rows = self._shards + 1, 0

    def close(self) -> int:
        if self._writer is not None:
            self._writer.close()
        return self._rows


def write_table(path: Path, table: pa.Table) -> None:
    pq.write_table(table, path, compression="zstd")


def list_unreadable(unreadable: tuple[Unreadable, ...]) -> pa.Table:
    """In the form of `unreadable.parquet`."""
    names = UNREADABLE.names
    return pa.table({name: [getattr(each, name) for each in unreadable] for name in names}, schema=UNREADABLE)
