"""The index of duplicates that a folder keeps: what was compared once is not compared again.

It knows measured files by name, in their order. Where those that it knows are not the first of today's, it is made
anew.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

import pyarrow as pa

from curation.duplicates.index import DuplicateIndex
from curation.duplicates.settings import DuplicateSettings
from curation.measure import MeasuredFile
from curation.memory import release_memory
from curation.rows import BATCH_ROWS, scan
from datagen.errors import DataError

INDEXED_AT_ONCE = 50_000
"""Rows that are added to the index before it is written: they take about 0.6 GB, what is written next to nothing."""


BATCHES_AT_ONCE = INDEXED_AT_ONCE // BATCH_ROWS
"""The same in batches: no batch reaches from one measured file into the next."""

Fill = Callable[[DuplicateIndex, Sequence[MeasuredFile]], None]
"""Adds the rows of measured files to an index, and saves it. Raises OSError, DataError."""


def add_files(index: DuplicateIndex, files: Sequence[MeasuredFile]) -> None:
    """In this process, so many rows at a time."""
    batches = list_folded(files)
    for first in batches:
        index.add(chain([first], islice(batches, BATCHES_AT_ONCE - 1)))
        index.save()
        release_memory()


def open_kept_index(
    folder: Path, settings: DuplicateSettings, files: Sequence[MeasuredFile], fill: Fill = add_files
) -> DuplicateIndex:
    """The index in a folder, with the rows of these files that it does not know yet added and kept.

    `fill`: who adds them. Raises DataError where the disk does not take it.
    """
    covers = folder / "covers.json"
    names = [file.path.stem for file in files]
    known = _read_covers(covers)
    if known != names[: len(known)]:
        shutil.rmtree(folder, ignore_errors=True)
        known = []
    index = DuplicateIndex.open(folder, settings)
    if index.rows != sum(file.rows for file in files[: len(known)]):
        shutil.rmtree(folder, ignore_errors=True)
        known, index = [], DuplicateIndex.open(folder, settings)
    if len(known) < len(names):
        try:
            covers.unlink(missing_ok=True)
            fill(index, files[len(known) :])
            index.forget()
            covers.write_text(json.dumps(names), encoding="utf-8")
        except OSError as exc:
            hint = "free some space, or look at what lies there, and run the same command again"
            raise DataError(f"{covers} could not be written: {exc.strerror or exc}", hint) from exc
    return index


def _read_covers(path: Path) -> list[str]:
    try:
        names = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    return names if isinstance(names, list) else []


def list_folded(files: Sequence[MeasuredFile]) -> Iterator[pa.Array]:
    return (batch.column("folded") for _, batch in scan(files, ["folded"]))
