"""The measured dialogues as columns: what the decisions need of every row, without its text.

A row's number is its place in the measured files, one after another; everything that decides speaks in row numbers.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.measure import MEASURED, MeasuredFile
from curation.source import Unreadable
from datagen.record import Dialogue
from datagen.store import SCHEMA, from_row

BATCH_ROWS = 2_000
_COLUMNS = ["id", "topic", "category", "persona", "provider", "model", "turns", "characters", "cost_usd", "attempt_id"]
_REPEATING = ("topic", "category", "persona", "provider", "model")
_BEHIND_ALL = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Rows:
    """All rows. `table` has the columns `_COLUMNS`, dictionary-encoded where values repeat."""

    files: tuple[MeasuredFile, ...]
    table: pa.Table
    ids: list[str]
    is_readable: npt.NDArray[np.bool_]
    """False for rows whose id an earlier row has, and for texts that an edit took the place of."""
    unreadable: tuple[Unreadable, ...]
    """Everything that was set aside, the rows with an id of another among them."""
    replaced: Mapping[int, int] = field(default_factory=dict)
    """Row of an edited text → the row of the text as generated."""

    def __len__(self) -> int:
        return len(self.ids)

    def column(self, name: str) -> list[str]:
        """Of a column whose values repeat, each value is one object: 8 bytes a row where `to_pylist` takes 70."""
        column = self.table.column(name)
        if not pa.types.is_dictionary(column.type):
            return column.to_pylist()  # type: ignore[no-any-return]
        return [value for chunk in column.chunks for value in _share_values(chunk)]

    def ids_apart(self) -> list[str]:
        """The ids, those of unreadable rows marked: no two are the same, and nothing is named by one that is marked,
        since they sort behind all others."""
        return [id_ if self.is_readable[row] else f"{_BEHIND_ALL}{id_}\0{row}" for row, id_ in enumerate(self.ids)]

    def numbers(self, name: str) -> npt.NDArray[np.int64]:
        return self.table.column(name).to_numpy().astype(np.int64)  # type: ignore[no-any-return]

    def load(self, numbers: Sequence[int]) -> list[Dialogue]:
        """The dialogues of these rows, in their order. Reads only the row groups that hold them."""
        wanted = np.unique(np.asarray(numbers, dtype=np.int64))
        found: dict[int, Dialogue] = {}
        start = 0
        for file in self.files:
            own = wanted[(wanted >= start) & (wanted < start + file.rows)] - start
            if own.size:
                found.update((start + at, dialogue) for at, dialogue in _load_from(file, own))
            start += file.rows
        return [found[number] for number in numbers]

    def replace(self, file: MeasuredFile, numbers: Sequence[int]) -> "Rows":
        """These rows, with the rows of another file in the place of those with these `numbers`, in their order.

        The new ones come last; the old ones stay, unreadable: what they resembled still belongs to their split.
        """
        added = _encode(pq.read_table(file.path, columns=_COLUMNS))
        is_readable = np.concatenate((self.is_readable, np.ones(file.rows, dtype=np.bool_)))
        is_readable[list(numbers)] = False
        table = pa.concat_tables([self.table, added])
        replaced = dict(zip(range(len(self), len(self) + file.rows), numbers, strict=True))
        ids = [*self.ids, *added.column("id").to_pylist()]
        return Rows((*self.files, file), table, ids, is_readable, self.unreadable, replaced)


def _encode(table: pa.Table) -> pa.Table:
    """With the columns whose values repeat as dictionaries."""
    for name in _REPEATING:
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, pc.dictionary_encode(table.column(name)))
    return table


def _share_values(chunk: pa.DictionaryArray) -> Iterator[str]:
    values = chunk.dictionary.to_pylist()
    return (values[at] for at in chunk.indices.to_numpy().tolist())


def _load_from(file: MeasuredFile, wanted: npt.NDArray[np.int64]) -> Iterator[tuple[int, Dialogue]]:
    with pq.ParquetFile(file.path) as parquet:
        first = 0
        for group in range(parquet.num_row_groups):
            rows = parquet.metadata.row_group(group).num_rows
            own = wanted[(wanted >= first) & (wanted < first + rows)]
            if own.size:
                table = parquet.read_row_group(group, columns=SCHEMA.names).take(pa.array(own - first))
                yield from zip(own.tolist(), map(from_row, table.to_pylist()), strict=True)
            first += rows


def read_rows(files: Sequence[MeasuredFile]) -> Rows:
    """The columns of all measured files; rows with an id that an earlier row has are named as unreadable."""
    tables = [pq.read_table(file.path, columns=[*_COLUMNS, "place"]) for file in files]
    whole = pa.concat_tables(tables) if tables else MEASURED.empty_table()
    ids: list[str] = whole.column("id").to_pylist()
    seen: dict[str, int] = {}
    is_readable = np.ones(len(ids), dtype=np.bool_)
    repeated = []
    for number, id_ in enumerate(ids):
        if seen.setdefault(id_, number) != number:
            is_readable[number] = False
            place = whole.column("place")[number].as_py()
            first = whole.column("place")[seen[id_]].as_py()
            file, _, row = place.rpartition(":")
            repeated.append(Unreadable(file, int(row), f"the id {id_} was used before, in {first}"))
    unreadable = tuple(each for file in files for each in file.unreadable) + tuple(repeated)
    return Rows(tuple(files), _encode(whole.select(_COLUMNS)), ids, is_readable, unreadable)


def scan(files: Sequence[MeasuredFile], columns: list[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Some columns of all measured files, batch by batch, each with the number of its first row."""
    start = 0
    for file in files:
        with pq.ParquetFile(file.path) as parquet:
            at = start
            for batch in parquet.iter_batches(batch_size=BATCH_ROWS, columns=columns):
                yield at, batch
                at += batch.num_rows
        start += file.rows
