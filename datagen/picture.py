"""Pictures that a topic talks about: found in a folder, told apart by their hash, counted in tokens.

A scenario names its picture with the hash, so that whatever happens to the folder afterwards, a dialogue knows what was
shown; the run keeps the file itself in `media/`.
"""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from math import ceil
from pathlib import Path
from typing import Any

from datagen.errors import DataError
from datagen.media import MediaFile, store_medium
from datagen.media_type import MAX_BYTES, MEDIA_TYPES, BadMediumError, measure_picture
from datagen.record import Medium

FIRST_UTTERANCE = 0
"""The message that shows the picture."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as scenarios and frozen specs know it. `width`, `height`: pixels."""

    name: str
    """Of its file, without the folder."""
    sha256: str
    media_type: str
    size: int
    """Bytes."""
    width: int
    height: int

    @classmethod
    def of(cls, name: str, content: bytes) -> "Picture":
        """Raises BadMediumError where the bytes are no picture, or none of the type that the name's ending says."""
        found = MediaFile.of(content, Path(name).suffix)
        if found.type.kind != "image":
            raise BadMediumError(f"it is a recording ({found.type.name}), expected a picture")
        return cls(name, found.sha256, found.type.name, found.size, *measure_picture(content, found.type))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def to_medium(self) -> Medium:
        """As the first utterance shows it."""
        kind = next(each for each in MEDIA_TYPES if each.name == self.media_type)
        return MediaFile(kind, self.sha256, self.size).show_in(FIRST_UTTERANCE)

    def to_url(self, place: Path) -> str:
        """The `data:` URL of its content at `place`. Raises DataError where that is not this picture any more."""
        try:
            content = place.read_bytes()
        except OSError as exc:
            raise DataError(f"{place} cannot be read: {exc.strerror}", "run the same command again") from exc
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise DataError(f"{place} is not the picture {self.name} any more", "run the same command again")
        return f"data:{self.media_type};base64,{base64.b64encode(content).decode()}"


def list_files(folder: Path, pattern: str) -> list[Path]:
    """The files of a folder, or those that a pattern matches, both relative to `folder`, by name; no hidden ones.

    Raises ValueError or NotImplementedError where the pattern is none.
    """
    place = folder / pattern
    found = place.iterdir() if place.is_dir() else folder.glob(pattern)
    files = (each for each in found if each.is_file() or (each.is_symlink() and not each.exists()))  # links to nothing
    return sorted(each for each in files if not each.name.startswith("."))


def read_picture(path: Path) -> Picture:
    """Raises BadMediumError where the file is no picture, or cannot be read."""
    try:
        path.name.encode()
        status, most = path.stat(), MAX_BYTES["image"]
        if status.st_size > most:
            raise BadMediumError(f"it has {status.st_size:,} bytes, expected at most {most:,}")
        return _read_picture(path, (status.st_mtime_ns, status.st_size, status.st_ino))
    except UnicodeEncodeError as exc:
        raise BadMediumError("its name is not UTF-8, expected a name that rows can tell: rename it") from exc
    except OSError as exc:
        raise BadMediumError(f"it cannot be read: {exc.strerror}") from exc


@lru_cache(maxsize=10_000)
def _read_picture(path: Path, _state: tuple[int, int, int]) -> Picture:
    """Once for each state of a file: the page that edits a spec checks it at every change."""
    return Picture.of(path.name, path.read_bytes())


def stock_pictures(run: Path, pictures: Iterable[Picture], places: Mapping[str, Path]) -> dict[str, Path]:
    """Copy pictures into the run's `media/`, whole, and return sha256 → place there. Raises DataError."""
    return dict(_stock(run, pictures, places))


def _stock(run: Path, pictures: Iterable[Picture], places: Mapping[str, Path]) -> Iterator[tuple[str, Path]]:
    for picture in pictures:
        try:
            stored = store_medium(run, places[picture.sha256].read_bytes())
        except (OSError, BadMediumError) as exc:
            raise DataError(f"{places[picture.sha256]} cannot be copied: {exc}", "run the same command again") from exc
        if stored.sha256 != picture.sha256:
            hint = "leave the pictures alone while a command reads them, then run it again"
            raise DataError(f"{places[picture.sha256]} changed while it was read", hint)
        yield picture.sha256, run / stored.path


_TILES = {"gpt-4o-mini": (2833, 5667)}
"""Model → tokens of a picture as a whole and of each 512-pixel tile, where these are not those of `_TILE`."""
_TILE = (85, 170)
_PATCHES = {"mini": 1.62, "nano": 2.46}
"""The last word of a model's name → tokens of a patch of 32 pixels."""
_MOST_PATCHES = 1536


def count_tokens(picture: Picture, detail: str, model: str) -> int:
    """About what a picture takes of a prompt: an estimate, for pace, budget and forecast; what counts is the bill.

    The rules are OpenAI's (guide "Images and vision", as of 2026): tiles of 512 pixels after scaling into 2048 by 2048
    and to a shortest side of 768, or patches of 32 pixels, 1,536 at most. Other models are taken to have the tiles.
    """
    base = next((name for name in _TILES if model.startswith(name)), "")
    words = model.split("-")
    share = next((tokens for word, tokens in _PATCHES.items() if word in words and not base), None)
    if share is not None:
        patches = ceil(picture.width / 32) * ceil(picture.height / 32)
        return ceil(min(patches, _MOST_PATCHES) * share)
    whole, tile = _TILES.get(base, _TILE)
    if detail == "low":
        return whole
    scale = min(1.0, 2048 / max(picture.width, picture.height))
    scale = min(scale, 768 / min(picture.width, picture.height))
    return whole + tile * ceil(picture.width * scale / 512) * ceil(picture.height * scale / 512)
