"""The index of duplicates that a folder keeps: what was compared once is not compared again.

It knows measured files by name, in their order. Where those that it knows are not the first of today's, it is made
anew.
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

import pyarrow as pa

from curation.duplicates.index import DuplicateIndex
from curation.duplicates.settings import DuplicateSettings
from curation.measure import MeasuredFile
from curation.rows import BATCH_ROWS, scan

INDEXED_AT_ONCE = 50_000
"""Rows that are added to the index before it is written: they take about 0.6 GB, what is written next to nothing."""


def open_kept_index(folder: Path, settings: DuplicateSettings, files: Sequence[MeasuredFile]) -> DuplicateIndex:
    """The index in a folder, with the rows of these files that it does not know yet added and kept."""
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
        covers.unlink(missing_ok=True)
        batches = _list_folded(files[len(known) :])
        for first in batches:
            index.add(chain([first], islice(batches, INDEXED_AT_ONCE // BATCH_ROWS - 1)))
            index.save()
        covers.write_text(json.dumps(names), encoding="utf-8")
    return index


def _read_covers(path: Path) -> list[str]:
    try:
        names: list[str] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return names


def _list_folded(files: Sequence[MeasuredFile]) -> Iterator[pa.Array]:
    return (batch.column("folded") for _, batch in scan(files, ["folded"]))
