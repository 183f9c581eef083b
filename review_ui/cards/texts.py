"""The dialogues' text, read from Parquet where the database says it lies; a few row groups are kept in memory."""

from bisect import bisect
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.normal_form import fold
from datagen.errors import DataError
from datagen.record import Dialogue
from datagen.store import SCHEMA, from_row

GROUPS_KEPT = 32
"""Row groups in memory: 500 dialogues, about 1 MB, each."""
FILES_KEPT = 64
"""Files that stay open: to open one takes longer (2 ms) than to read a row group from it."""
SEARCHES_KEPT = 64
"""A reviewer who goes through what a search found asks for it again with every claim."""
MOST_FOUND = 2_000
"""Dialogues that a search finds at most; more would not be reviewed in a sitting."""


class Texts:
    """The text of one curated folder. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / ".curation" / "measured"
        self._groups: OrderedDict[tuple[str, int], pa.Table] = OrderedDict()
        self._starts: dict[str, list[int]] = {}
        self._files: OrderedDict[str, pq.ParquetFile] = OrderedDict()
        self._searches: OrderedDict[str, list[str]] = OrderedDict()
        self._lock = Lock()

    def load(self, places: Sequence[tuple[str, int]]) -> list[Dialogue]:
        """The dialogues at these places (file, row), in their order.

        Raises DataError where one is not there any more: curation was run again, or a file is torn.
        """
        return [self._load_one(*place) for place in places]

    def search(self, text: str) -> list[str]:
        """Ids of the dialogues in which the text stands, up to `MOST_FOUND`; spaces and signs do not matter.

        Every text is looked at: an index of trigrams would not find words of two syllables, and most Korean words are.
        """
        wanted = fold(text)
        with self._lock:
            found = self._searches.get(wanted)
        if found is None:
            found = self._look_for(wanted) if wanted else []
            with self._lock:
                self._searches[wanted] = found
                while len(self._searches) > SEARCHES_KEPT:
                    self._searches.popitem(last=False)
        return list(found)

    def _look_for(self, wanted: str) -> list[str]:
        found: list[str] = []
        for path in sorted(self._folder.glob("*.parquet")):
            with self._reading(path), pq.ParquetFile(path) as file:
                for group in range(file.num_row_groups):
                    found += _search(file.read_row_group(group, columns=["id", "folded"]), wanted)
                    if len(found) >= MOST_FOUND:
                        return found[:MOST_FOUND]
        return found

    def forget(self) -> None:
        """Curation was run again: nothing that was read is sure to be there still."""
        with self._lock:
            self._groups.clear()
            self._starts.clear()
            self._searches.clear()
            while self._files:
                self._files.popitem()[1].close()

    def _load_one(self, name: str, row: int) -> Dialogue:
        group = self._find_group(name, row)
        table = self._read_group(name, group)
        at = row - self._starts[name][group]
        return from_row(table.slice(at, 1).to_pylist()[0])

    def _find_group(self, name: str, row: int) -> int:
        starts = self._starts.get(name)
        if starts is None:
            with self._lock, self._reading(self._folder / name):
                metadata = self._open(name).metadata
            starts = [0]
            for group in range(metadata.num_row_groups):
                starts.append(starts[-1] + metadata.row_group(group).num_rows)
            self._starts[name] = starts
        if not 0 <= row < starts[-1]:
            raise self._explain(self._folder / name, f"it has no row {row}")
        return bisect(starts, row) - 1

    def _read_group(self, name: str, group: int) -> pa.Table:
        with self._lock, self._reading(self._folder / name):
            table = self._groups.get((name, group))
            if table is None:
                table = self._open(name).read_row_group(group, columns=SCHEMA.names)
                self._groups[name, group] = table
                while len(self._groups) > GROUPS_KEPT:
                    self._groups.popitem(last=False)
            self._groups.move_to_end((name, group))
        return table

    def _open(self, name: str) -> pq.ParquetFile:
        """The file, open. Asked for under the lock.

        Its name tells what is in it, so one that is open is good to the end: curation deletes what it measures anew
        long before the new `curated/` is in its place.
        """
        if name not in self._files:
            self._files[name] = pq.ParquetFile(self._folder / name)
        self._files.move_to_end(name)
        while len(self._files) > FILES_KEPT:
            self._files.popitem(last=False)[1].close()
        return self._files[name]

    def _reading(self, path: Path) -> "_Reading":
        return _Reading(path)

    @staticmethod
    def _explain(path: Path, what: str) -> DataError:
        return DataError(f"{path} cannot be read: {what}", "run `damhwa curate` again: it measures anew")


class _Reading:
    """Turns what Parquet says of a file into a DataError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, exc: BaseException | None, __: object) -> None:
        if isinstance(exc, OSError | pa.ArrowException):
            raise Texts._explain(self._path, str(exc)) from exc


def _search(table: pa.Table, wanted: str) -> list[str]:
    folded = table.column("folded").combine_chunks()
    hits = pc.match_substring(folded.flatten(), wanted)
    rows = pc.unique(pc.filter(pc.list_parent_indices(folded), hits))
    ids: list[str] = table.column("id").take(rows).to_pylist()
    return ids
