"""The pictures and recordings of one curated folder: found by their hash, and given out only if they are what rows say.

A request names a hash and nothing else; path and type come from the rows, and both have to be ones that we write.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import pyarrow as pa
import pyarrow.parquet as pq

from curation.recordings import Recordings
from datagen.console import err
from datagen.errors import DataError
from datagen.media import check_medium, find_medium
from datagen.media_type import MEDIA_TYPES
from datagen.record import Medium

SUFFIXES = {each.name: each.suffix for each in MEDIA_TYPES}
"""Media type → suffix: nothing else is given out, and nothing under another type than its own."""
_FOLDERS = ("measured", "edited")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file to answer with."""

    path: Path
    media_type: str


@dataclass(frozen=True, slots=True)
class MediaShelf:
    """Safe to use from several threads. `media`: hash → what a row says of it."""

    folder: Path
    media: Mapping[str, Medium]
    recordings: Recordings = field(default_factory=Recordings)
    """What `damhwa voice` had spoken: beside the rows, which name none of it."""
    _checked: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Hash → time of change and size of the file, as it was when its content was right."""
    _lock: Lock = field(default_factory=Lock)

    @classmethod
    def open(cls, folder: Path) -> "MediaShelf":
        """Of what curation measured, and of what was spoken since. Raises DataError where a file of it is torn."""
        found: dict[str, Medium] = {}
        for name in _FOLDERS:
            for path in sorted((folder / ".curation" / name).glob("*.parquet")):
                found.update((each.sha256, each) for each in _list_media(path))
        recordings = _read_recordings(folder)
        found.update((each.medium.sha256, each.medium) for each in recordings)
        return cls(folder, found, recordings)

    def find(self, sha256: str) -> StoredFile | str:
        """The file of that hash, or why there is none to show."""
        medium = self.media.get(sha256)
        if medium is None:
            return "no dialogue has a picture or recording of that hash"
        path = find_medium(self.folder, medium)
        if path is None or SUFFIXES.get(medium.media_type) != path.suffix:
            return f"the row names {medium.path!r:.100} of the type {medium.media_type!r:.40}, which is none of ours"
        if (wrong := self._check(path, medium)) is not None:
            return wrong
        return StoredFile(path, medium.media_type)

    def _check(self, path: Path, medium: Medium) -> str | None:
        """As `check_medium`; a file that was right is read again only once it was written to."""
        try:
            status = path.stat()
        except OSError:
            return check_medium(self.folder, medium)
        seen = (status.st_mtime_ns, status.st_size)
        with self._lock:
            if self._checked.get(medium.sha256) == seen:
                return None
        wrong = check_medium(self.folder, medium)
        if wrong is None:
            with self._lock:
                self._checked[medium.sha256] = seen
        return wrong


def _read_recordings(folder: Path) -> Recordings:
    """None where the table is torn: dialogues can be judged by their words."""
    try:
        return Recordings.read(folder)
    except DataError as exc:
        err.print(f"warning: {exc.message}; {exc.hint}", style="yellow", markup=False)
        return Recordings()


def _list_media(path: Path) -> Iterator[Medium]:
    try:
        with pq.ParquetFile(path) as file:
            if "media" not in file.schema_arrow.names:  # measured before there were any
                return
            column = file.read(["media"]).column("media").drop_null()
    except (OSError, pa.ArrowException) as exc:
        raise DataError(f"{path} cannot be read: {exc}", "run `damhwa curate` again: it measures anew") from exc
    for media in column.to_pylist():
        yield from (Medium(**each) for each in media)
