"""Contamination: dialogues of ours that resemble other data, such as a benchmark that models are tested with."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from curation.duplicates.across import find_across
from curation.examination import Examination
from curation.normal_form import fold
from curation.row import BadRowError, pick_messages, read_messages
from curation.settling.settlement import Status
from curation.source import RawBatch, list_rows, open_foreign, read_batches
from datagen.errors import DataError


@dataclass(frozen=True, slots=True)
class Contamination:
    """Accepted dialogues that are similar to one of the other data's, the most similar first."""

    compared: int
    """Dialogues of the other data."""
    hits: tuple[tuple[str, str, float], ...]
    """Our id, the other's place (file:row), and their similarity."""

    def describe(self) -> dict[str, Any]:
        shown = [{"id": id_, "other": other, "similarity": round(value, 4)} for id_, other, value in self.hits]
        return {"compared": self.compared, "similar": len(self.hits), "pairs": shown[:100]}


def find_contamination(examination: Examination, others: tuple[Path, ...]) -> Contamination:
    """Compare what was accepted with other data, at the splits' looser threshold.

    Raises DataError where the other data holds no dialogue that can be read.
    """
    places: list[str] = []
    batches = [batch for path in others for batch in _read_folded(path, places)]
    if not places:
        raise DataError(f"--against {others[0]}: no dialogue in it could be read", "it needs `messages` or `text`")
    threshold = examination.work.settings.splits.threshold
    pairs = find_across(examination.similar.index, batches, threshold)
    is_ours = np.isin(examination.settlement.status, (Status.ACCEPTED, Status.WAITING))
    hits = [
        (examination.rows.ids[left], places[right], similarity)
        for left, right, similarity in zip(
            pairs.left.tolist(), pairs.right.tolist(), pairs.similarity.tolist(), strict=True
        )
        if is_ours[left]
    ]
    return Contamination(len(places), tuple(sorted(hits, key=lambda hit: (-hit[2], hit[0], hit[1]))))


def _read_folded(path: Path, places: list[str]) -> Iterator[pa.Array]:
    for file in open_foreign(path, ()).files:
        for batch in read_batches(file):
            if isinstance(batch, RawBatch):
                yield pa.array(list(_fold_rows(batch, places)), pa.list_(pa.string()))


def _fold_rows(batch: RawBatch, places: list[str]) -> Iterator[list[str]]:
    for number, values in list_rows(batch):
        if isinstance(values, dict):
            try:
                messages = read_messages(pick_messages(values))
            except BadRowError:
                continue
            places.append(f"{batch.file}:{number}")
            yield [fold(message.content) for message in messages]
