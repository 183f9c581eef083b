"""A run's pictures and recordings: files in `media/`, each named by its sha256, whole or absent, never edited.

A dialogue names them in `media` (`record.Medium`). What is written in a row is believed only as far as the file agrees.
"""

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import get_ident

from datagen.errors import DataError
from datagen.media_type import MEDIA_TYPES, MediaType, recognise
from datagen.record import Dialogue, Medium

FOLDER = "media"
_BESIDE = ".writing"


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A picture or recording by its content, before a message has it."""

    type: MediaType
    sha256: str
    size: int
    """Bytes."""

    @classmethod
    def of(cls, content: bytes, claim: str = "") -> "MediaFile":
        """What these bytes are. Raises BadMediumError as `recognise` does."""
        return cls(recognise(content, claim), hashlib.sha256(content).hexdigest(), len(content))

    @property
    def path(self) -> str:
        """Relative to the run's folder."""
        return f"{FOLDER}/{self.sha256}{self.type.suffix}"

    def show_in(self, message: int) -> Medium:
        """As one message, counted from 0, shows or says it."""
        return Medium(message, self.type.kind, self.path, self.sha256, self.type.name, self.size)


def store_medium(run: Path, content: bytes, claim: str = "") -> MediaFile:
    """Put a picture or recording into the run's folder; it is on the disk, whole, when this returns.

    `claim`: its media type or suffix, where somebody said one. Content that lies there already is not written again.
    Raises BadMediumError where the bytes are no such thing, DataError where the disk does not take them.
    """
    found = MediaFile.of(content, claim)
    place = run / found.path
    if not _holds(place, found):
        _write(place, content)
    return found


def _holds(place: Path, wanted: MediaFile) -> bool:
    with suppress(OSError):
        is_same = place.stat().st_size == wanted.size and _hash(place) == wanted.sha256
        return is_same and not place.is_symlink()  # `find_medium` follows none
    return False


def _write(place: Path, content: bytes) -> None:
    """Beside its place, flushed, renamed. The name beside is this thread's own: two may store the same picture."""
    from datagen.store import replace_durably  # pyarrow takes 0.3 s to import, and a run of text alone stores nothing

    beside = place.with_name(f".{place.name}.{os.getpid()}-{get_ident()}{_BESIDE}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content)
        replace_durably(beside, place)
    except OSError as exc:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        hint = "free some space and run the same command again"
        raise DataError(f"{place} could not be written: {exc.strerror or exc}", hint) from exc


def sweep_media(run: Path) -> None:
    """Delete what a crash left half written. For who holds the run."""
    for path in (run / FOLDER).glob(f".*{_BESIDE}"):
        path.unlink(missing_ok=True)


def check_medium(run: Path, medium: Medium) -> str | None:
    """What is wrong with a file that a row names: not there, or not what the row says; None: it is as it should be."""
    place = find_medium(run, medium)
    if place is None:
        return f"{medium.path!r:.100} is no name of a file in {FOLDER}/: expected the sha256 with its suffix"
    try:
        size = place.stat().st_size
        if size != medium.size:
            return f"{medium.path} has {size:,} bytes, the row says {medium.size:,}"
        if (digest := _hash(place)) != medium.sha256:
            return f"{medium.path} has the sha256 {digest}, the row says {medium.sha256}"
    except FileNotFoundError:
        return f"{medium.path} is not there"
    except OSError as exc:
        return f"{medium.path} cannot be read: {exc.strerror}"
    return None


def check_media(dialogue: Dialogue, run: Path) -> tuple[tuple[Medium, str], ...]:
    """Those of a dialogue's files that are missing or not what the row says, each with what is wrong."""
    checked = ((medium, check_medium(run, medium)) for medium in dialogue.media)
    return tuple((medium, wrong) for medium, wrong in checked if wrong is not None)


def find_medium(run: Path, medium: Medium) -> Path | None:
    """Where a row's file lies, if anywhere; None where the row names something else than a file of `media/`.

    Rows come from anywhere: a path that leads out of the folder, also by a link, or to a file of another name than its
    hash is none.
    """
    known = {f"{FOLDER}/{medium.sha256}{each.suffix}" for each in MEDIA_TYPES if each.kind == medium.kind}
    is_hash = len(medium.sha256) == 64 and set(medium.sha256) <= set("0123456789abcdef")
    place = run / medium.path
    return place if is_hash and medium.path in known and not place.is_symlink() else None


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
