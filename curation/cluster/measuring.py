"""Measuring by many workers: into the same measured files as on one machine.

    measured → parts → joined

A file is read by one worker, batch by batch. A large Parquet file is measured in blocks of its row groups instead, side
by side, which are then joined where they lie.
"""

import os
import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from curation.cluster.fleet import Fleet
from curation.measure import (
    MEASURED,
    MeasuredFile,
    Ruler,
    SourcePart,
    is_whole,
    measure_batch,
    measure_file,
    name_measured,
    note_unreadable,
    open_measured,
    prepare_folder,
    remove_others,
)
from curation.source import Source
from datagen.errors import DataError
from datagen.store import replace_durably

BLOCK_ROWS = 5_000
"""Rows from which on row groups of a file are a task: a few seconds of one core."""
_PARTS = ".parts"


@dataclass(frozen=True, slots=True)
class Named:
    """A source file's measured file with its rows, or, where it is not there, the parts that it is measured in."""

    target: Path
    rows: int
    parts: tuple[SourcePart, ...] = ()

    def place(self, part: int) -> Path:
        """Where a part is measured into."""
        return self.target.parent / _PARTS / self.target.stem / f"{part:06d}.parquet"


@dataclass(frozen=True, slots=True)
class MeasureFile:
    """Task: a source file, measured unless it is large. Its content, which only a worker reads, names what is made."""

    path: Path
    root: Path
    ruler: Ruler
    folder: Path

    def run(self) -> Named:
        _check_seen(self.path)
        _check_seen(self.folder)
        target = name_measured(self.path, self.root, self.ruler, self.folder)
        if is_whole(target):
            return Named(target, 0)
        parts = tuple(plan_parts(self.path, self.root))
        if len(parts) > 1:
            return Named(target, 0, parts)
        return Named(target, MeasurePart(parts[0], self.ruler, target).run())


def _check_seen(path: Path) -> None:
    """Raises DataError on a node that lacks the shared storage: it would set whole files aside, and write elsewhere."""
    if not os.path.lexists(path):
        hint = "mount the storage under the same path on all nodes, and run the same command again"
        raise DataError(f"{socket.gethostname()} does not see {path}", hint)


def plan_parts(path: Path, root: Path) -> Iterator[SourcePart]:
    """Blocks of row groups of a Parquet file that can be read, each of `BLOCK_ROWS` or more; else the whole file."""
    try:
        sizes = _count_rows(path) if path.suffix == ".parquet" else []
    except (pa.ArrowException, OSError, ValueError):  # said when it is measured
        sizes = []
    start, rows = 0, 0
    blocks: list[range] = []
    for group, size in enumerate(sizes):
        rows += size
        if rows >= BLOCK_ROWS:
            blocks.append(range(start, group + 1))
            start, rows = group + 1, 0
    if start and rows:
        blocks.append(range(start, len(sizes)))
    if len(blocks) < 2:
        yield SourcePart(path, root)
        return
    for block in blocks:
        yield SourcePart(path, root, block)


def _count_rows(path: Path) -> list[int]:
    with pq.ParquetFile(path) as file:
        return [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]


@dataclass(frozen=True, slots=True)
class MeasurePart:
    """Task: a part of a source file, measured; returns its rows."""

    part: SourcePart
    ruler: Ruler
    target: Path

    def run(self) -> int:
        if not is_whole(self.target):
            _check_seen(self.part.path)
            measure_file(self.part, self.target, lambda batches: (measure_batch(each, self.ruler) for each in batches))
        return open_measured(self.target).rows


@dataclass(frozen=True, slots=True)
class JoinParts:
    """Task: the measured parts of a file as one; returns its rows."""

    named: Named
    ruler: Ruler

    def run(self) -> int:
        target = self.named.target
        parts = [open_measured(self.named.place(part)) for part in range(len(self.named.parts))]
        if any(each.row is None for part in parts for each in part.unreadable):
            whole = SourcePart(self.named.parts[0].path, self.named.parts[0].root)
            return MeasurePart(whole, self.ruler, target).run()  # torn: read up to where it is, as on one machine
        temporary = target.with_name(f".{target.name}.writing")
        try:
            _join(parts, temporary)
            replace_durably(temporary, target)
        except OSError as exc:
            hint = "free some space and run the same command again: what is measured stays measured"
            raise DataError(f"{target} could not be written: {exc.strerror or exc}", hint) from exc
        return sum(part.rows for part in parts)


def _join(parts: Sequence[MeasuredFile], path: Path) -> None:
    with pq.ParquetWriter(path, MEASURED, compression="zstd", compression_level=1) as writer:
        for part in parts:
            with pq.ParquetFile(part.path) as file:
                for group in range(file.num_row_groups):
                    writer.write_table(file.read_row_group(group))
        note_unreadable(writer, (each for part in parts for each in part.unreadable))


def measure_on(
    fleet: Fleet, source: Source, ruler: Ruler, folder: Path, tell: Callable[[int], None] = lambda _: None
) -> list[MeasuredFile]:
    """Measure what is not measured yet into `folder`, as `measure.measure_source` does. Raises DataError."""
    prepare_folder(folder)
    tasks = [MeasureFile(path, source.folder, ruler, folder) for path in source.files]
    names = fleet.run("measured", tasks, lambda named: tell(named.rows))
    large = [named for named in names if named.parts]
    for named in large:
        named.place(0).parent.mkdir(parents=True, exist_ok=True)
    parts = [
        MeasurePart(part, ruler, named.place(number)) for named in large for number, part in enumerate(named.parts)
    ]
    fleet.run("parts", parts, tell)
    fleet.run("joined", [JoinParts(named, ruler) for named in large])
    shutil.rmtree(folder / _PARTS, ignore_errors=True)
    remove_others(folder, {named.target for named in names})
    return [open_measured(named.target) for named in names]
