"""What a model is asked about: the readable dialogues of a source, read a chunk at a time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from curation.rows import Rows
from curation.subject import PersonaSheet
from datagen.record import Dialogue

CHUNK_ROWS = 1_000
"""Dialogues that are in memory at once."""


@dataclass(frozen=True, slots=True)
class Material:
    """The dialogues, who speaks in them, and what the filters made of them."""

    rows: Rows
    personas: Mapping[str, PersonaSheet]
    dropped: npt.NDArray[np.bool_]
    """[n] By any filter."""
    settled: npt.NDArray[np.bool_]
    """[n] Those of them where a judge has no say: an emoji is one, however good the dialogue."""

    def read_chunks(self) -> Iterator[list[tuple[int, Dialogue]]]:
        """The readable dialogues with their row numbers, in order."""
        readable = np.flatnonzero(self.rows.is_readable)
        for at in range(0, len(readable), CHUNK_ROWS):
            chunk = readable[at : at + CHUNK_ROWS].tolist()
            yield list(zip(chunk, self.rows.load(chunk), strict=True))
