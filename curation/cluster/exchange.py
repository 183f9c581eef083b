"""The exchange: a folder on storage that all workers see, through which the stages of the index hand on their results.

Every file in it is whole or absent, and named by what it holds, so a stage that is run again skips what is there. The
folder is named by all that decides its content; one of another plan is deleted.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from curation.cluster.additions import Addition
from curation.duplicates.index_files import VERSION
from curation.duplicates.settings import DuplicateSettings


@dataclass(frozen=True, slots=True)
class Exchange:
    """Places in the folder. `number`: of an addition, from 0; `task`: of the meetings."""

    folder: Path

    @classmethod
    def open(
        cls, place: Path, settings: DuplicateSettings, known: Sequence[Path], additions: Sequence[Addition]
    ) -> "Exchange":
        """The exchange of one plan in `place`, with what an interrupted run left of it. Raises OSError."""
        plan = [VERSION, settings.describe_index(), [path.name for path in known]]
        plan += [[(part.path.name, part.first, part.end) for part in each.slices] for each in additions]
        own = place / hashlib.sha256(json.dumps(plan).encode()).hexdigest()[:16]
        own.mkdir(parents=True, exist_ok=True)
        for other in place.iterdir():
            if other != own:
                shutil.rmtree(other)
        for name in ("digests", "members", "segments", "meetings", "pairs"):
            (own / name).mkdir(exist_ok=True)
        return cls(own)

    def digests(self, number: int) -> Path:
        return self.folder / "digests" / f"{number:06d}.npy"

    def members(self, number: int) -> Path:
        return self.folder / "members" / f"{number:06d}.npy"

    def segment(self, number: int) -> Path:
        return self.folder / "segments" / f"{number:06d}"

    def pairs(self, number: int) -> Path:
        return self.folder / "pairs" / f"{number:06d}"

    def meeting(self, task: int) -> Path:
        return self.folder / "meetings" / f"{task:05d}"

    def bounds(self, task: int) -> Path:
        return self.folder / "meetings" / f"{task:05d}.npy"

    def remove(self) -> None:
        shutil.rmtree(self.folder.parent, ignore_errors=True)


def put_folder(written: Path, place: Path) -> None:
    """Put a finished folder into its place; where another worker was faster, its own stays. Raises OSError."""
    try:
        written.rename(place)
    except OSError:
        if not place.is_dir():
            raise
        shutil.rmtree(written)


def put_array(path: Path, values: npt.NDArray[Any]) -> None:
    """Write an array, whole or not at all; two workers that write the same do not meet. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:8]}")
    with temporary.open("wb") as file:
        np.save(file, values, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
