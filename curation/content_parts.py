"""Pictures and recordings that come with other people's rows: inside content parts, as files beside the data, or both.

Everything is taken into `media/` of the folder that the curated data goes to, once all of a row is in order. Nothing
here trusts the row: no address is fetched, no file outside the data's folder is opened, and its bytes say what it is.
"""

import base64
import binascii
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.row import MEDIA_PARTS, BadRowError
from datagen.media import check_medium, find_medium, store_medium
from datagen.media_type import MAX_BYTES, BadMediumError, recognise
from datagen.record import MediaKind, Medium

MAX_FILES = 64
"""Pictures and recordings of one dialogue: more is a file gone wrong."""
_NAMES: dict[MediaKind, str] = {"image": "picture", "audio": "recording"}


@dataclass(frozen=True, slots=True)
class MediaPlaces:
    """`source`: where files may be read from; `out`: whose `media/` they go to."""

    source: Path
    out: Path

    def beside(self, file: str) -> "Intake":
        return Intake(self, Path(file).parent)


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes the files of the rows of one data file. `folder`: where that lies."""

    places: MediaPlaces
    folder: Path

    def take(self, turns: Sequence[Any], named: tuple[Medium, ...]) -> tuple[Medium, ...]:
        """Store what these raw turns hold, and what the `media` column names.

        Raises BadRowError where any of it is not in order; nothing is stored then. DataError where the disk is full.
        """
        found = [(each.message, self._read_named(each)) for each in named]
        for number, turn in enumerate(turns):
            for part in turn["content"] if isinstance(turn["content"], list) else ():
                if part["type"] in MEDIA_PARTS:
                    found.append((number, self._read_part(number + 1, part)))
        if len(found) > MAX_FILES:
            raise BadRowError(f"{len(found):,} pictures and recordings, expected at most {MAX_FILES}")
        return tuple(store_medium(self.places.out, content).show_in(number) for number, content in found)

    def _read_named(self, medium: Medium) -> bytes:
        wrong: str | None = None
        for folder in (self.folder, *self.folder.parents[:2]):  # shards lie in RUN/dialogues, RUN/curated/train
            wrong, place = check_medium(folder, medium), find_medium(folder, medium)
            if wrong is None and place is not None:
                return place.read_bytes()
        raise BadRowError(f"a file of `media`: {wrong}")

    def _read_part(self, turn: int, part: dict[str, Any]) -> bytes:
        kind = MEDIA_PARTS[part["type"]]
        where = f"turn {turn}: the {_NAMES[kind]}"
        content = self._read_value(where, kind, part.get(part["type"]))
        try:
            found = recognise(content)
        except BadMediumError as exc:
            raise BadRowError(f"{where}: {exc}") from exc
        if found.kind != kind:
            raise BadRowError(f"{where} is {found.name}, expected a {_NAMES[kind]}")
        return content

    def _read_value(self, where: str, kind: MediaKind, value: object) -> bytes:
        """The bytes of a part's value: base64, a `data:` URL or a path, by itself or in an object."""
        given = value if isinstance(value, dict) else {"url": value}
        if isinstance(content := given.get("bytes"), bytes):
            return content
        if isinstance(encoded := given.get("data"), str):
            return _decode(where, kind, encoded)
        name = next((each for each in map(given.get, ("url", "path")) if isinstance(each, str) and each), None)
        if name is None:
            raise BadRowError(f"{where} has neither data nor a path")
        head, separator, rest = name.partition(",")
        if head[:5].lower() == "data:":
            if not separator or not head.lower().endswith(";base64"):
                raise BadRowError(f"{where} is a data: URL without base64")
            return _decode(where, kind, rest)
        return self._read_file(where, kind, name)

    def _read_file(self, where: str, kind: MediaKind, name: str) -> bytes:
        shown = f"{name[:100]!r}"
        if "://" in name[:20] or name[:5].lower() in ("file:", "http:"):
            told = f"{where} lies at {shown}, and addresses are never fetched"
            raise BadRowError(f"{told}: download it, and give its path or a data: URL")
        try:
            for place in self._list_candidates(name):
                size = place.stat().st_size
                if size > MAX_BYTES[kind]:
                    raise BadRowError(f"{where} {shown} has {size:,} bytes, expected at most {MAX_BYTES[kind]:,}")
                return place.read_bytes()
        except (OSError, ValueError, RuntimeError) as exc:  # no name of a file, or one that goes in circles
            raise BadRowError(f"{where} {shown} cannot be read: {exc}") from exc
        raise BadRowError(f"{where} {shown} is no file in the data's own folder")

    def _list_candidates(self, name: str) -> Iterator[Path]:
        """Files of that name beside the data file or at the top of the data, by their true places: links lead out."""
        if Path(name).is_absolute():
            return
        allowed = self.places.source.resolve()
        for folder in (self.folder, self.places.source):
            place = (folder / name).resolve()
            if place.is_relative_to(allowed) and place.is_file():
                yield place


def _decode(where: str, kind: MediaKind, encoded: str) -> bytes:
    if len(encoded) > 2 * MAX_BYTES[kind]:  # a third more, and line breaks
        raise BadRowError(f"{where} has {len(encoded):,} characters, expected at most {MAX_BYTES[kind]:,} bytes")
    try:
        return base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise BadRowError(f"{where} is no base64: {exc}") from exc
