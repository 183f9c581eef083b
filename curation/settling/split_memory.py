"""`splits.parquet`: which split each row was ever given. It lies outside `curated/`, for it cannot be made again.

A row that leaves the data set stays in it, so that it returns to the split it was in; nothing is ever taken out.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from datagen.errors import DataError
from datagen.store import replace_durably

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, Split, Split] = ("train", "validation", "test")

Codes = npt.NDArray[np.int8]
"""Splits as numbers: places in SPLITS, or -1 for none."""

_SCHEMA = pa.schema([pa.field("id", pa.string(), nullable=False), pa.field("split", pa.string(), nullable=False)])
_HINT = (
    "put back a copy of it, or the rows of validation and test may come to lie in train; "
    "only if nothing was trained or published with these splits, delete it and they are drawn anew"
)


def recall_splits(ids: Sequence[str], memory: Mapping[str, Split]) -> Codes:
    """[n] The remembered split of each row."""
    code = {split: number for number, split in enumerate(SPLITS)}
    return np.fromiter((code[memory[each]] if each in memory else -1 for each in ids), dtype=np.int8, count=len(ids))


def extend_memory(memory: Mapping[str, Split], ids: Sequence[str], split: Codes) -> dict[str, Split]:
    """The memory with all rows that have a split now."""
    rows = np.flatnonzero(split >= 0).tolist()
    return {**memory, **{ids[row]: SPLITS[split[row]] for row in rows}}


def read_memory(path: Path) -> dict[str, Split]:
    """Id → split; empty where there is no file yet. Raises DataError where the file is damaged."""
    if not path.exists():
        return {}
    try:
        table = pq.read_table(path, columns=_SCHEMA.names)
        ids, splits = (table.column(name).cast(pa.string()).to_pylist() for name in _SCHEMA.names)
    except (pa.ArrowException, OSError) as exc:
        raise DataError(f"{path}, the memory of the splits, cannot be read: {exc}", _HINT) from exc
    memory: dict[str, Split] = {}
    for row, (id_, split) in enumerate(zip(ids, splits, strict=True)):
        if id_ is None or split not in SPLITS:
            raise DataError(f"{path} has split {split!r} for id {id_!r} in row {row}, expected one of {SPLITS}", _HINT)
        if memory.setdefault(id_, split) != split:
            raise DataError(f"{path} has {id_} in two splits, {memory[id_]} and {split}", _HINT)
    return memory


def write_memory(path: Path, memory: Mapping[str, Split]) -> None:
    """Write the memory, sorted by id, whole or not at all. Raises DataError where the disk does not take it."""
    ids = sorted(memory)
    table = pa.table({"id": ids, "split": [memory[each] for each in ids]}, schema=_SCHEMA)
    temporary = path.with_name(f".{path.name}.writing")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, temporary, compression="zstd")
        replace_durably(temporary, path)
    except OSError as exc:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        hint = "free some space and run the same command again; the old memory is as it was"
        raise DataError(f"{path} could not be written: {exc.strerror or exc}", hint) from exc
