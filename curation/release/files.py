"""Exported tables on disk: each as JSONL and as Parquet, and what may be replaced by them."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from curation.release.formats import Row
from curation.release.shown import locate_medium
from datagen.errors import UsageError
from datagen.record import Medium

MANIFEST = "export.json"
"""What tells a folder of ours from any other."""
CARD = "README.md"

ROWS_PER_GROUP = 200
"""Rows held in memory: about 0.6 MB of Korean dialogues."""
SHOWN_ROWS_PER_GROUP = 20
"""The same of rows that hold pictures and recordings."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows to be written. `configuration` None: the dataset has only one, and its files lie at the top."""

    configuration: str | None
    split: str
    schema: pa.Schema
    rows: Iterator[Row]
    flatten: Callable[[Row], Row] | None = None
    """Makes a row of Parquet from that of a line, where they differ."""
    has_lines: bool = True
    rows_per_group: int = ROWS_PER_GROUP


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """`path` is relative to the export, with slashes."""

    path: str
    rows: int
    bytes: int
    sha256: str


def write_table(folder: Path, table: Table) -> tuple[WrittenFile, ...]:
    """Write `split.jsonl`, if the table has lines, and `split.parquet`; nothing at all where there is no row."""
    place = folder / table.configuration if table.configuration else folder
    place.mkdir(exist_ok=True)
    lines, columns = place / f"{table.split}.jsonl", place / f"{table.split}.parquet"
    count = 0
    names = table.schema.names
    with ExitStack() as stack:
        stream = stack.enter_context(lines.open("wb")) if table.has_lines else None
        writer = stack.enter_context(pq.ParquetWriter(columns, table.schema, compression="zstd"))
        while group := [
            {name: row[name] for name in names if name in row} for row in islice(table.rows, table.rows_per_group)
        ]:
            if stream is not None:
                stream.writelines(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in group)
            flat = group if table.flatten is None else list(map(table.flatten, group))
            writer.write_table(pa.Table.from_pylist(flat, schema=table.schema))
            count += len(group)
    written = (lines, columns) if table.has_lines else (columns,)
    if count == 0:
        for path in written:
            path.unlink()
        return ()
    return tuple(_describe(folder, path, count) for path in written)


def copy_media(folder: Path, run: Path, media: Iterable[Medium]) -> Iterator[WrittenFile]:
    """Copy files of a run into the export's `media/`. Raises DataError where one is missing or altered."""
    for medium in {each.path: each for each in media}.values():
        target = folder / medium.path
        if not target.exists():
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(locate_medium(run, medium), target)
            yield _describe(folder, target, 0)


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
