"""What lies in a `curated/` folder, for those who send it out: splits, counts, and who made the rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.settling.split_memory import SPLITS
from datagen.errors import DataError, UsageError
from datagen.record import Medium, Message

SIMULATOR = "damhwa-simulator"
"""The provider of rows that the offline simulator made: for trying things out, never to be taken for real data."""

BATCH_ROWS = 200
_COLUMNS = ("id", "dataset", "topic", "persona", "messages", "provider")
_MEDIA = "media"
"""A column that shards of an earlier version do not have."""


@dataclass(frozen=True, slots=True)
class CuratedRow:
    """What the outside gets to see of an accepted dialogue."""

    id: str
    dataset: str
    topic: str
    persona: str
    messages: tuple[Message, ...]
    provider: str
    media: tuple[Medium, ...] = ()


@dataclass(frozen=True, slots=True)
class CuratedSet:
    """A `curated/` folder that holds at least one accepted dialogue."""

    folder: Path
    counts: dict[str, int]
    """Split → dialogues; every split is named."""

    def list_shards(self, split: str) -> list[Path]:
        return _list_shards(self.folder, split)

    def read_rows(self, split: str) -> Iterator[CuratedRow]:
        """The dialogues of a split, a few hundred in memory at a time. Raises DataError where a file is not ours."""
        for path in self.list_shards(split):
            yield from _read_shard(path)

    @property
    def run(self) -> Path:
        """Whose `media/` the rows name files of."""
        return self.folder.resolve().parent

    def read_media(self) -> list[tuple[Medium, ...]]:
        """Of each dialogue that shows or says anything. Raises DataError where a file cannot be read."""
        return [media for split in SPLITS for path in self.list_shards(split) for media in _read_media(path)]

    def read_dataset(self) -> str:
        """The dataset's name as the first row has it; the run's folder name where rows have none."""
        first = next((row for split in SPLITS for row in self.read_rows(split)), None)
        return (first.dataset if first else "") or self.folder.resolve().parent.name

    def is_simulated(self) -> bool:
        """Whether any row comes from the offline simulator."""
        return any(_holds_simulated(path) for split in SPLITS for path in self.list_shards(split))


def open_curated(folder: Path) -> CuratedSet:
    """Open `curated/`, given it or the folder around it.

    Raises UsageError where it is missing or empty, DataError where a file in it cannot be read.
    """
    inside = folder / "curated"
    found = inside if inside.is_dir() else folder
    counts: dict[str, int] = {split: sum(map(_count_rows, _list_shards(found, split))) for split in SPLITS}
    if not any(counts.values()):
        if (found / "decisions.parquet").is_file():
            hint = "accept what waits for a verdict, or see report.html for why the others were dropped"
            raise UsageError(f"{found} holds no accepted dialogue", hint)
        known = any((found / split).is_dir() for split in SPLITS)
        what = "holds no accepted dialogue" if known else "holds no curated dialogues: there is no train/ in it"
        hint = "run `damhwa curate RUN` (or `damhwa build SPEC -o RUN`) first"
        raise UsageError(f"{found} {what}" if found.exists() else f"{found} does not exist", hint)
    return CuratedSet(found, counts)


def _list_shards(folder: Path, split: str) -> list[Path]:
    return sorted(path for path in (folder / split).glob("*.parquet") if not path.name.startswith("."))


def _count_rows(path: Path) -> int:
    try:
        return int(pq.read_metadata(path).num_rows)
    except (pa.ArrowException, OSError) as exc:
        raise _unreadable(path, exc) from exc


def _read_shard(path: Path) -> Iterator[CuratedRow]:
    try:
        with pq.ParquetFile(path) as file:
            _check_columns(path, file.schema_arrow)
            for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=[*_COLUMNS, _MEDIA]):
                yield from map(_to_row, batch.to_pylist())
    except (pa.ArrowException, OSError) as exc:
        raise _unreadable(path, exc) from exc


def _check_columns(path: Path, schema: pa.Schema) -> None:
    if missing := [name for name in _COLUMNS if name not in schema.names]:
        raise DataError(f"{path} has no column {', '.join(missing)}", "it was not written by us; curate again")


def _to_row(values: dict[str, object]) -> CuratedRow:
    messages, media = values.pop("messages"), values.pop(_MEDIA, None) or []
    assert isinstance(messages, list)  # by the schema
    assert isinstance(media, list)
    shown = tuple(Medium(**each) for each in media)
    return CuratedRow(messages=tuple(Message(**each) for each in messages), media=shown, **values)  # type: ignore[arg-type]


def _read_media(path: Path) -> Iterator[tuple[Medium, ...]]:
    try:
        with pq.ParquetFile(path) as file:
            if _MEDIA not in file.schema_arrow.names:
                return
            for media in file.read([_MEDIA]).column(_MEDIA).drop_null().to_pylist():
                if media:
                    yield tuple(Medium(**each) for each in media)
    except (pa.ArrowException, OSError) as exc:
        raise _unreadable(path, exc) from exc


def _holds_simulated(path: Path) -> bool:
    try:
        with pq.ParquetFile(path) as file:
            _check_columns(path, file.schema_arrow)
            batches = file.iter_batches(batch_size=10_000, columns=["provider"])
            return any(pc.any(pc.equal(batch.column(0), SIMULATOR)).as_py() for batch in batches)
    except (pa.ArrowException, OSError) as exc:
        raise _unreadable(path, exc) from exc


def _unreadable(path: Path, exc: Exception) -> DataError:
    return DataError(f"{path} cannot be read as Parquet: {exc}", "run `damhwa curate RUN` again: it writes it anew")
