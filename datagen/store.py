"""Dialogues in Parquet: the schema, shards that are whole or absent, and reading them back."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from datagen.errors import DataError
from datagen.record import KNOWN_VERSIONS, SCHEMA_VERSION, Dialogue, Medium, Message

pa.set_memory_pool(pa.system_memory_pool())
"""pyarrow's own pool keeps what a shard used: 12,000 dialogues peaked at 186 MB with it, at 134 MB without."""

_MESSAGE = pa.struct([pa.field("role", pa.string(), nullable=False), pa.field("content", pa.string(), nullable=False)])

_MEDIUM = pa.struct(
    [
        pa.field("message", pa.int32(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("media_type", pa.string(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
    ]
)

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("topic", pa.string(), nullable=False),
        pa.field("category", pa.string(), nullable=False),
        pa.field("persona", pa.string(), nullable=False),
        pa.field("messages", pa.list_(pa.field("element", _MESSAGE, nullable=False)), nullable=False),
        pa.field("turns", pa.int32(), nullable=False),
        pa.field("scenario", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("provider", pa.string(), nullable=False),
        pa.field("prompt_sha256", pa.string(), nullable=False),
        pa.field("attempt_id", pa.string(), nullable=False),
        pa.field("prompt_tokens", pa.int32()),
        pa.field("completion_tokens", pa.int32()),
        pa.field("cost_usd", pa.float64()),
        pa.field("created_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("media", pa.list_(pa.field("element", _MEDIUM, nullable=False))),
    ],
    metadata={"damhwa.schema_version": str(SCHEMA_VERSION)},
)

ROWS_PER_GROUP = 200
"""A row group is what is held in memory: about 0.6 MB of Korean dialogues."""


def write_shard(path: Path, dialogues: Iterable[Dialogue]) -> int:
    """Write a shard, zstd-compressed, and return its number of rows.

    The file appears whole or not at all: written beside its place, flushed to the disk, renamed. Raises DataError
    where the disk does not take it.
    """
    rows = iter(dialogues)
    temporary = path.with_name(f".{path.name}.writing")
    count = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with pq.ParquetWriter(temporary, SCHEMA, compression="zstd") as writer:
            while group := list(islice(rows, ROWS_PER_GROUP)):
                writer.write_table(pa.table(to_columns(group), schema=SCHEMA), row_group_size=ROWS_PER_GROUP)
                count += len(group)
        replace_durably(temporary, path)
    except OSError as exc:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        hint = "free some space and run the same command again; the ledger holds every dialogue"
        raise DataError(f"{path} could not be written: {exc.strerror or exc}", hint) from exc
    return count


def replace_durably(temporary: Path, path: Path) -> None:
    """Rename a finished file into its place so that a power cut leaves the old one or the new one, whole."""
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_dialogues(folder: Path) -> Iterator[Dialogue]:
    """Every dialogue of a run's `dialogues/` folder, shard by shard.

    Raises DataError where a shard is torn, foreign or of a schema that this version does not know.
    """
    for path in sorted(folder.glob("*.parquet")):
        try:
            with pq.ParquetFile(path) as file:
                _check_schema(path, file.schema_arrow)
                for batch in file.iter_batches(batch_size=ROWS_PER_GROUP):
                    yield from map(from_row, batch.to_pylist())
        except (pa.ArrowInvalid, OSError) as exc:
            raise DataError(f"{path} cannot be read as Parquet: {exc}", "it is not a shard that we wrote") from exc


def _check_schema(path: Path, schema: pa.Schema) -> None:
    version = (schema.metadata or {}).get(b"damhwa.schema_version", b"none").decode()
    if version not in map(str, KNOWN_VERSIONS):
        known = " or ".join(map(str, KNOWN_VERSIONS))
        raise DataError(f"{path} has schema version {version}, expected {known}", "read it with its own damhwa")


def to_columns(dialogues: Sequence[Dialogue]) -> list[pa.Array]:
    """Dialogues as the columns of `SCHEMA`, in its order."""
    return [pa.array(_list_values(dialogues, field.name), field.type) for field in SCHEMA]


def _list_values(dialogues: Sequence[Dialogue], name: str) -> list[object]:
    if name == "messages":
        return [[{"role": each.role, "content": each.content} for each in row.messages] for row in dialogues]
    if name == "media":
        return [[asdict(each) for each in row.media] or None for row in dialogues]
    return [getattr(row, name) for row in dialogues]


def from_row(row: dict[str, object]) -> Dialogue:
    """The dialogue of a row of `SCHEMA`, which is used up."""
    messages, media = row.pop("messages"), row.pop("media", None) or []
    row.pop("turns")
    assert isinstance(messages, list)
    assert isinstance(media, list)
    return Dialogue(
        messages=tuple(Message(**message) for message in messages),
        media=tuple(Medium(**medium) for medium in media),
        **row,  # type: ignore[arg-type]
    )
