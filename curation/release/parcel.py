"""What is sent out: the files of a curated folder or of an export, with counts and a fingerprint.

Data, card and reports only. What could not be read (`unreadable.parquet`) and whatever else lies in the folder stays.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from curation.release.curated_set import SIMULATOR, open_curated
from curation.release.files import CARD, MANIFEST
from curation.release.shown import locate_medium
from curation.settling.split_memory import SPLITS
from datagen.errors import DataError, UsageError
from datagen.media import FOLDER as MEDIA_FOLDER

ALWAYS = (CARD, "report.html", "report.json")
EXTRAS = ("findings.parquet", "clusters.parquet", "decisions.parquet")
"""Beside the data on request: they quote dropped dialogues."""
_DATA_SUFFIXES = (".parquet", ".jsonl")
_HASH = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ParcelFile:
    """`path` is the one in the repository, with slashes."""

    path: str
    local: Path
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Parcel:
    """Files to be sent. `fingerprint`: sha256 over the paths and contents of all of them."""

    files: tuple[ParcelFile, ...]
    counts: dict[str, int]
    """Split → rows; of an export of several configurations `configuration/split`."""
    fingerprint: str
    is_simulated: bool

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)

    @property
    def media(self) -> int:
        """Pictures and recordings among the files."""
        return sum(PurePosixPath(file.path).parent.name == MEDIA_FOLDER for file in self.files)

    def is_stale(self, path: str) -> bool:
        """Whether a file of the repository is data that this parcel replaces: a shard, split or picture."""
        place = PurePosixPath(path)
        if place.parent == PurePosixPath(MEDIA_FOLDER) and _HASH.fullmatch(place.stem):
            return all(file.path != path for file in self.files)
        if place.suffix not in _DATA_SUFFIXES or any(file.path == path for file in self.files):
            return False
        if place.parent == PurePosixPath("."):
            return place.stem in SPLITS
        ours = {str(PurePosixPath(file.path).parent) for file in self.files} - {"."}
        return str(place.parent) in ours | set(SPLITS)


def pack(folder: Path, extras: tuple[str, ...] = ()) -> Parcel:
    """The parcel of an export, of a run, or of its `curated/`.

    Raises UsageError where there is nothing to send, DataError where a file is torn, or the card is missing.
    """
    if unknown := sorted(set(extras) - set(EXTRAS)):
        raise UsageError(f"'{unknown[0]}' cannot be sent along", f"known: {', '.join(EXTRAS)}")
    if (folder / MANIFEST).is_file():
        return _pack_export(folder)
    curated = open_curated(folder)
    shards = [path for split in SPLITS for path in curated.list_shards(split)]
    beside = [curated.folder / name for name in (*ALWAYS, *extras) if (curated.folder / name).is_file()]
    if missing := [name for name in extras if not (curated.folder / name).is_file()]:
        raise DataError(f"{curated.folder} has no {missing[0]}", "run `damhwa curate RUN` again: it writes it anew")
    media = {medium.path: medium for row in curated.read_media() for medium in row}
    shown = [locate_medium(curated.run, media[path]) for path in sorted(media)]
    files = (*_describe(curated.folder, [*shards, *beside]), *_describe(curated.run, shown))
    counts = {split: count for split, count in curated.counts.items() if count}
    announced = SIMULATOR in _read_card(curated.folder)
    return Parcel(files, counts, _fingerprint(files), announced or curated.is_simulated())


def _pack_export(folder: Path) -> Parcel:
    try:
        about = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        listed = {str(each["path"]): str(each["sha256"]) for each in about["files"]}
        rows = {str(name): dict(splits) for name, splits in about["rows"].items()}
        is_simulated = bool(about["simulated"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as exc:
        raise DataError(f"{folder / MANIFEST} is damaged: {exc!r}", "export again") from exc
    announced = SIMULATOR in _read_card(folder)
    files = tuple(_describe(folder, [folder / name for name in (*listed, MANIFEST, CARD)]))
    for file in files:
        if listed.get(file.path, file.sha256) != file.sha256:
            raise DataError(f"{file.local} was changed since it was exported", "export again")
    counts = {
        split if name == "default" else f"{name}/{split}": int(count)
        for name, splits in rows.items()
        for split, count in splits.items()
    }
    return Parcel(files, counts, _fingerprint(files), announced or is_simulated)


def _read_card(folder: Path) -> str:
    try:
        return (folder / CARD).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise DataError(
            f"{folder / CARD}, the dataset's card, cannot be read: {exc}", "curate or export again"
        ) from exc


def _describe(folder: Path, paths: list[Path]) -> Iterator[ParcelFile]:
    for path in paths:
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = path.stat().st_size
        except OSError as exc:
            raise DataError(f"{path} cannot be read: {exc.strerror}", "curate or export again") from exc
        yield ParcelFile(path.relative_to(folder).as_posix(), path, size, digest)


def _fingerprint(files: tuple[ParcelFile, ...]) -> str:
    lines = sorted(f"{file.path}\0{file.sha256}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
