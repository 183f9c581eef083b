"""Contamination: dialogues of ours that resemble other data, such as a benchmark that models are tested with."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from curation.duplicates.across import find_across
from curation.duplicates.index import DuplicateIndex
from curation.finding import Finding
from curation.normal_form import fold
from curation.row import BadRowError, pick_messages, read_messages
from curation.source import RawBatch, list_rows, open_foreign, read_batches
from datagen.errors import DataError

CODE = "contamination"


@dataclass(frozen=True, slots=True)
class Hit:
    """One of our rows that resembles a dialogue of the other data. `other`: its file and row."""

    row: int
    other: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Contamination:
    """What of ours resembles the other data, each row once, with the dialogue that it resembles most."""

    compared: int
    """Dialogues of the other data."""
    threshold: float
    hits: tuple[Hit, ...]

    def list_findings(self) -> Iterator[tuple[int, Finding]]:
        """A finding that drops for each row."""
        for hit in self.hits:
            evidence = f"견주어 본 데이터의 대화와 닮음: {hit.other}"
            yield hit.row, Finding(CODE, "similar", None, None, None, evidence, hit.similarity, self.threshold, "drop")

    def describe(self, ids: Sequence[str]) -> dict[str, Any]:
        """For programs; the first hundred pairs."""
        pairs = [{"id": ids[hit.row], "other": hit.other, "similarity": round(hit.similarity, 4)} for hit in self.hits]
        return {"compared": self.compared, "similar": len(self.hits), "pairs": pairs[:100]}


def find_contamination(index: DuplicateIndex, others: Sequence[Path], threshold: float) -> Contamination | None:
    """Compare all rows of the index with other data; None where there is none to compare with.

    Raises DataError where the other data holds no dialogue that can be read.
    """
    if not others:
        return None
    places: list[str] = []
    batches = [batch for path in others for batch in _read_folded(path, places)]
    if not places:
        raise DataError(f"--against {others[0]}: no dialogue in it could be read", "it needs `messages` or `text`")
    pairs = find_across(index, batches, threshold)
    best: dict[int, Hit] = {}
    for member, right, value in zip(pairs.left.tolist(), pairs.right.tolist(), pairs.similarity.tolist(), strict=True):
        if member not in best or value > best[member].similarity:
            best[member] = Hit(member, places[right], value)
    representatives = index.representatives().tolist()
    hits = (Hit(row, best[own].other, best[own].similarity) for row, own in enumerate(representatives) if own in best)
    return Contamination(len(places), threshold, tuple(sorted(hits, key=lambda hit: (-hit.similarity, hit.row))))


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
