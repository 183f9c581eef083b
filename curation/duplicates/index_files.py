"""The index on disk: a folder a segment, never changed, and a manifest that names those that count.

`manifest.json` is written last, beside its place, and renamed: whatever is interrupted, the folder holds the old index
or the new one, whole. Folders that no manifest names are removed by the next save. Arrays are read by mapping them, so
opening costs nothing and looking up touches what it needs.
"""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from curation.duplicates.grams import GramSets
from curation.duplicates.pairs import Measured
from curation.duplicates.rows import Rows
from curation.duplicates.segment import Run, Segment
from curation.duplicates.settings import DuplicateSettings
from datagen.errors import DataError
from datagen.store import replace_durably

VERSION = 2
"""Raised with every change of what the arrays mean."""
MANIFEST = "manifest.json"
_MAPPED_FROM_BYTES = 1 << 20


class _UnfitError(Exception):
    """What lies there is not this index. The message says why."""


def write_segments(
    folder: Path, segments: Sequence[tuple[str | None, Segment]], settings: DuplicateSettings
) -> list[str]:
    """Write the segments that have no name yet, and the manifest of all; returns their names. Raises DataError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = [name or write_segment(folder, segment) for name, segment in segments]
        sizes = {name: {path.name: path.stat().st_size for path in (folder / name).iterdir()} for name in names}
        manifest = {
            "version": VERSION,
            "settings": settings.describe_index(),
            "segments": [{"name": name, "files": sizes[name]} for name in names],
        }
        temporary = folder / f".{MANIFEST}.writing"
        temporary.write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        replace_durably(temporary, folder / MANIFEST)
        _remove_others(folder, {*names, MANIFEST})
    except OSError as exc:
        hint = "free some space and run the same command again; the index that was there is untouched"
        raise DataError(f"the duplicate index {folder} could not be written: {exc.strerror or exc}", hint) from exc
    return names


def read_segments(folder: Path, settings: DuplicateSettings) -> tuple[list[tuple[str | None, Segment]], str | None]:
    """The segments with their names, or none and the reason why what lies there cannot be used."""
    if not (folder / MANIFEST).is_file():
        return [], "the folder holds no manifest" if folder.is_dir() and any(folder.iterdir()) else None
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        _check_manifest(manifest, settings)
        segments = [(each["name"], read_arrays(folder / each["name"], each["files"])) for each in manifest["segments"]]
        _check_sequence([segment for _, segment in segments])
    except _UnfitError as exc:
        return [], str(exc)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        return [], f"the index is damaged: {exc}"
    return list(segments), None


def _check_manifest(manifest: Any, settings: DuplicateSettings) -> None:
    if manifest["version"] != VERSION:
        raise _UnfitError(f"the index is of version {manifest['version']}, this is {VERSION}")
    for name, now in settings.describe_index().items():
        if (then := manifest["settings"].get(name)) != now:
            raise _UnfitError(f"{name.replace('_', '-')} was {then}, is {now}")


def _list_arrays(segment: Segment) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    yield "first", np.array([segment.first])
    for name in ("row_to_member", "rows", "digests", "sketches"):
        yield name, getattr(segment, name)
    yield "gram_offsets", segment.grams.sets.offsets
    yield "gram_values", segment.grams.sets.values
    yield "gram_turns", segment.grams.turns
    for name, run in (("band", segment.bands), ("turn", segment.turns)):
        yield f"{name}_keys", run.keys
        yield f"{name}_members", run.members
    for name in ("key", "jaccard", "containment"):
        yield f"pair_{name}", getattr(segment.pairs, name)


def write_segment(folder: Path, segment: Segment) -> str:
    """Write one segment into a folder of its own within `folder`, and return its name. Raises OSError."""
    name = f"segment-{segment.first:09d}-{uuid4().hex[:8]}"
    (folder / name).mkdir()
    try:
        for array, values in _list_arrays(segment):
            write_array(folder / name / f"{array}.npy", values)
    except OSError:
        shutil.rmtree(folder / name, ignore_errors=True)  # or each try would take more of a full disk
        raise
    for each in (folder / name, folder):
        _sync_folder(each)
    return name


def write_array(path: Path, values: npt.NDArray[Any]) -> None:
    """Write an array and flush it to the disk. Raises OSError."""
    with path.open("wb") as file:
        np.save(file, values, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_arrays(folder: Path, files: dict[str, int]) -> Segment:
    """The segment in a folder. `files`: name → bytes of each of its arrays."""
    arrays = {name.removesuffix(".npy"): _read_checked(folder / name, size) for name, size in files.items()}
    segment = Segment(
        int(arrays["first"][0]),
        arrays["row_to_member"],
        arrays["rows"],
        arrays["digests"],
        GramSets(Rows(arrays["gram_offsets"], arrays["gram_values"]), arrays["gram_turns"]),
        arrays["sketches"],
        Run(arrays["band_keys"], arrays["band_members"]),
        Run(arrays["turn_keys"], arrays["turn_members"]),
        Measured(*(arrays[f"pair_{name}"] for name in ("key", "jaccard", "containment"))),
    )
    lengths = {len(segment.digests), len(segment.grams), len(segment.sketches)}
    grams = {int(segment.grams.sets.offsets[-1]), len(segment.grams.sets.values)}
    if lengths != {len(segment)} or grams != {len(segment.grams.turns)}:
        raise _UnfitError(f"the index is damaged: the arrays of {folder.name} are not of one length")
    return segment


def open_segment(folder: Path) -> Segment:
    """The segment in a folder that no manifest names yet. Raises OSError, ValueError, KeyError where it is none."""
    return read_arrays(folder, {path.name: path.stat().st_size for path in folder.glob("*.npy")})


def _read_checked(path: Path, size: int) -> npt.NDArray[Any]:
    found = path.stat().st_size
    if found != size:
        raise _UnfitError(f"the index is damaged: {path.name} has {found} bytes, expected {size}")
    return read_array(path)


def read_array(path: Path) -> npt.NDArray[Any]:
    """An array of a segment; a large one is mapped. Raises OSError, ValueError."""
    size = path.stat().st_size
    array: npt.NDArray[Any] = np.load(path, mmap_mode="r" if size >= _MAPPED_FROM_BYTES else None, allow_pickle=False)
    return np.asarray(array)


def _check_sequence(segments: Sequence[Segment]) -> None:
    expected = 0
    for segment in segments:
        if segment.first != expected:
            raise _UnfitError(f"the index is damaged: a segment starts at {segment.first}, expected {expected}")
        expected += len(segment)
    rows = sum(len(segment.row_to_member) for segment in segments)
    for segment in segments:
        for name, numbers, end in (("row_to_member", segment.row_to_member, expected), ("rows", segment.rows, rows)):
            if numbers.size and not 0 <= int(numbers.min()) <= int(numbers.max()) < end:
                raise _UnfitError(f"the index is damaged: a number in {name} is not among {end:,}")
        ends = segment.pairs.key & np.uint64(0xFFFFFFFF)  # the larger one of each pair
        if ends.size and int(ends.max()) >= expected:
            raise _UnfitError(f"the index is damaged: a pair names {int(ends.max()):,} of {expected:,}")


def _remove_others(folder: Path, kept: set[str]) -> None:
    for path in folder.iterdir():
        if path.name.startswith("segment-") and path.name not in kept:
            shutil.rmtree(path)
