"""Exported tables on disk: each as JSONL and as Parquet, and what may be replaced by them."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from curation.release.formats import Row
from datagen.errors import UsageError

MANIFEST = "export.json"
"""What tells a folder of ours from any other."""
CARD = "README.md"

_ROWS_PER_GROUP = 200
"""Rows held in memory: about 0.6 MB of Korean dialogues."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows to be written. `configuration` None: the dataset has only one, and its files lie at the top."""

    configuration: str | None
    split: str
    schema: pa.Schema
    rows: Iterator[Row]


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """`path` is relative to the export, with slashes."""

    path: str
    rows: int
    bytes: int
    sha256: str


def write_table(folder: Path, table: Table) -> tuple[WrittenFile, ...]:
    """Write `split.jsonl` and `split.parquet`; nothing at all where there is no row."""
    place = folder / table.configuration if table.configuration else folder
    place.mkdir(exist_ok=True)
    lines, columns = place / f"{table.split}.jsonl", place / f"{table.split}.parquet"
    count = 0
    with lines.open("wb") as stream, pq.ParquetWriter(columns, table.schema, compression="zstd") as writer:
        while group := [
            {name: row[name] for name in table.schema.names} for row in islice(table.rows, _ROWS_PER_GROUP)
        ]:
            stream.writelines(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in group)
            writer.write_table(pa.Table.from_pylist(group, schema=table.schema))
            count += len(group)
    if count == 0:
        lines.unlink()
        columns.unlink()
        return ()
    return tuple(_describe(folder, path, count) for path in (lines, columns))


def _describe(folder: Path, path: Path, rows: int) -> WrittenFile:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return WrittenFile(path.relative_to(folder).as_posix(), rows, path.stat().st_size, digest)


def check_replaceable(out: Path) -> None:
    """Raise UsageError unless `out` is new, empty, or an earlier export with nothing of others in it."""
    hint = "give a new folder with -o"
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise UsageError(f"{out} is not a folder", hint)
    if not out.is_dir() or not any(out.iterdir()):
        return
    known = _list_known(out / MANIFEST)
    if known is None:
        raise UsageError(f"{out} is not empty, and no earlier export", hint)
    strange = sorted(
        path for path in out.rglob("*") if path.is_file() and path.relative_to(out).as_posix() not in known
    )
    if strange:
        raise UsageError(f"{strange[0]} is not of the earlier export, and would be lost", hint)


def _list_known(manifest: Path) -> set[str] | None:
    """The files that an export has; None where the manifest is missing or not ours."""
    try:
        files = json.loads(manifest.read_text(encoding="utf-8"))["files"]
        return {MANIFEST, CARD, *(str(each["path"]) for each in files)}
    except (OSError, ValueError, LookupError, TypeError):
        return None
