"""Look dialogues up by id in what curation wrote: the tables of `curated/`, and the texts that were judged."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.duplicates.grams import make_gram_sets, read_turns
from curation.normal_form import fold
from curation.recordings import Recordings
from datagen.errors import DataError
from datagen.record import Dialogue
from datagen.store import SCHEMA, from_row

GRAM_CHARACTERS = 3
_HINT = "run `damhwa curate` again: it makes curated/ anew"
_MEASURED, _EDITED = "measured", "edited"
"""Folders of the texts as generated, and of those that people edited."""


def read_table(path: Path, columns: Sequence[str]) -> pa.Table:
    """Some columns of a file. Raises DataError where it cannot be read or lacks one."""
    try:
        with pq.ParquetFile(path) as file:
            if missing := [name for name in columns if name not in file.schema_arrow.names]:
                raise DataError(f"{path} has no column {', '.join(missing)}", _HINT)
            return file.read(columns)
    except (OSError, pa.ArrowException) as exc:
        raise DataError(f"{path} cannot be read: {exc}", _HINT) from exc


def find_rows(table: pa.Table, id_: str) -> list[dict[str, Any]]:
    """The rows of a table that are about a dialogue."""
    rows: list[dict[str, Any]] = table.filter(pc.equal(table.column("id"), id_)).to_pylist()
    return rows


def suggest_ids(decisions: pa.Table, id_: str) -> str:
    """A hint with ids that exist, those first that hold the one that does not."""
    ends = decisions.filter(pc.match_substring(decisions.column("id"), id_)).column("id").slice(0, 3).to_pylist()
    examples = ends or decisions.column("id").slice(0, 3).to_pylist()
    return f"{'did you mean' if ends else 'ids look like'} {', '.join(examples)}; all are in curated/decisions.parquet"


def load_texts(folder: Path, ids: Sequence[str]) -> dict[str, Dialogue]:
    """Dialogues by id, with the texts that were judged, edited where somebody edited them, and their recordings.

    Raises DataError where a text is missing or cannot be read.
    """
    found = _load(folder / ".curation" / _EDITED, ids)
    found |= load_originals(folder, [each for each in ids if each not in found])
    recordings = Recordings.read(folder, ids)
    return {id_: recordings.add_to(dialogue) for id_, dialogue in found.items()}


def load_originals(folder: Path, ids: Sequence[str]) -> dict[str, Dialogue]:
    """Dialogues by id, as they were generated. Raises DataError where one is missing or cannot be read."""
    found = _load(folder / ".curation" / _MEASURED, ids)
    if missing := [each for each in ids if each not in found]:
        raise DataError(f"the text of {missing[0]} is not in {folder}/.curation", f"run `damhwa curate {folder}` again")
    return found


def _load(measured: Path, ids: Sequence[str]) -> dict[str, Dialogue]:
    found: dict[str, Dialogue] = {}
    for path in sorted(measured.glob("*.parquet")):
        mask = pc.is_in(read_table(path, ["id"]).column("id"), value_set=pa.array(ids, pa.string()))
        if pc.any(mask).as_py():
            for row in read_table(path, SCHEMA.names).filter(mask).to_pylist():
                found.setdefault(row["id"], from_row(row))
    return found


def compare_texts(dialogue: Dialogue, others: list[Dialogue]) -> list[float]:
    """The true Jaccard similarity of a dialogue to each of the others."""
    folded = [[fold(message.content) for message in each.messages] for each in (dialogue, *others)]
    grams = make_gram_sets(read_turns(pa.array(folded, pa.list_(pa.string()))), GRAM_CHARACTERS).sets
    ends = grams.offsets.tolist()
    sets = [set(grams.values[start:end].tolist()) for start, end in pairwise(ends)]
    return [len(sets[0] & each) / max(1, len(sets[0] | each)) for each in sets[1:]]
