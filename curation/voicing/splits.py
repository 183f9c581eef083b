"""Recordings on their way into the splits of a run that is curated already."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from curation.outputs import replace_folder
from curation.recordings import Recordings, mute
from curation.settling.split_memory import SPLITS
from curation.write import write_card
from datagen.store import ROWS_PER_GROUP, SCHEMA, from_row, to_columns


def add_to_splits(curated: Path, recordings: Recordings, licence: str | None) -> None:
    """Write the splits of a run anew with exactly these recordings, and its card; all else in `curated/` stays.

    Nothing happens where nothing was curated. Raises DataError where the disk does not take it.
    """
    if not curated.is_dir():
        return
    counts: dict[str, int] = dict.fromkeys(SPLITS, 0)
    with replace_folder(curated) as fresh:
        for path in sorted(each for each in curated.rglob("*") if each.is_file()):
            target = fresh / path.relative_to(curated)
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".parquet" and path.parent.parent == curated and path.parent.name in SPLITS:
                counts[path.parent.name] += _rewrite_shard(path, target, recordings)
            else:
                shutil.copy2(path, target)
        write_card(fresh, json.loads((fresh / "report.json").read_text(encoding="utf-8")), counts, licence)


def _rewrite_shard(path: Path, target: Path, recordings: Recordings) -> int:
    """Returns the number of rows."""
    with pq.ParquetFile(path) as file, pq.ParquetWriter(target, SCHEMA, compression="zstd") as writer:
        for batch in file.iter_batches(batch_size=ROWS_PER_GROUP):
            dialogues = [recordings.add_to(mute(from_row(row))) for row in batch.to_pylist()]
            writer.write_table(pa.table(to_columns(dialogues), schema=SCHEMA), row_group_size=ROWS_PER_GROUP)
        return int(file.metadata.num_rows)
