"""Edit the topics and quotas of a spec file: read, check, forecast, save; the author's comments and lines are kept.

An edit carries the fingerprint of the file that it was made from, so nobody's later change is overwritten. What is to
be saved is checked first, from memory, as `damhwa check` would check it on disk; and it is read back before it counts:
it says what the edit says, and nothing else of the spec has changed.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from datagen.check import describe_forecast, forecast
from datagen.errors import DataError, FileChangedError, Problem, SpecError, UsageError
from datagen.form_file import FormReader
from datagen.spec import Exchanges, LoadedSpec
from datagen.spec_file import load_spec
from datagen.store import replace_durably
from datagen.topic_changes import apply_changes, find_changes
from datagen.topic_forms import SpecEdit, TopicEdit, TopicText
from datagen.topic_lines import TopicChange
from datagen.yaml_words import load_values

MAX_SPEC_BYTES = 8 * 1024 * 1024
"""Of the whole file; a spec by hand has 40 kB."""


@dataclass(frozen=True, slots=True)
class EditableSpec:
    """What of a spec file can be edited. `fingerprint`: SHA-256 of its bytes. `exchanges`: None if wrong."""

    path: Path
    fingerprint: str
    dataset: str
    exchanges: Exchanges | None
    topics: tuple[TopicText, ...]

    def to_edit(self) -> SpecEdit:
        """The edit that changes nothing."""
        topics = tuple(TopicEdit(original=topic.name, **topic.model_dump()) for topic in self.topics)
        return SpecEdit(fingerprint=self.fingerprint, topics=topics)


class _SpecText(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    topics: tuple[TopicText, ...] = ()


def read_spec(path: Path) -> EditableSpec:
    """Read the spec file at `path`, also one that does not pass the check, so that it can be mended.

    Raises SpecError where it is no YAML, or its topics hold something else than texts and numbers; UsageError where
    there is no such file.
    """
    return _read(path, _read_bytes(path))


def check_spec(path: Path, edit: SpecEdit) -> list[Problem]:
    """The problems that `damhwa check` would tell of the edited spec, with the lines of the text to be saved.

    Raises FileChangedError where the file is not the one that the edit was made from.
    """
    try:
        forecast_spec(path, edit)
    except SpecError as error:
        return list(error.problems)
    return []


def forecast_spec(path: Path, edit: SpecEdit) -> dict[str, Any]:
    """Tokens and cost ahead of the edited spec, as `damhwa check --json` prints them.

    Raises SpecError where the check finds something, FileChangedError as `check_spec`.
    """
    loaded = _check(path, _apply(_read_bytes(path), path, edit))
    return describe_forecast(loaded, forecast(loaded))


def save_spec(path: Path, edit: SpecEdit) -> EditableSpec:
    """Write the edit to the file, durably, and return what it holds then. An edit without a change writes nothing.

    Raises SpecError with what the check finds; FileChangedError where the file is not the one that the edit was made
    from; DataError where it cannot be written. In each case, and after a kill, the old file is there, whole.
    """
    place = path.resolve()  # the file itself: a link to it stays a link
    with _lock_folder(place.parent):
        before = _read_bytes(place)
        after = _apply(before, path, edit)
        if after == before:
            return _read(path, before)
        loaded = _check(path, after)
        forecast(loaded)
        _write(place, after, edit.fingerprint)
    return _read(path, after)


def _read_bytes(path: Path) -> bytes:
    if not path.is_file():
        raise UsageError(f"{path}: no such file", "give the path of a spec file")
    try:
        return path.read_bytes()
    except OSError as exc:
        raise DataError(f"{path} cannot be read: {exc.strerror}", "check that the file may be read") from exc


def _read(path: Path, content: bytes) -> EditableSpec:
    reader = FormReader({path: content})
    data = reader.read_yaml(path)
    form = reader.validate(path, data, _SpecText)
    if form is None or not isinstance(data, dict):
        raise SpecError(reader.problems)
    try:
        exchanges = Exchanges.model_validate(data.get("exchanges"))
    except ValidationError:  # the check tells it, with its line
        exchanges = None
    return EditableSpec(path, _fingerprint(content), str(data.get("dataset", "")), exchanges, form.topics)


def _fingerprint(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _check(path: Path, content: bytes) -> LoadedSpec:
    if len(content) > MAX_SPEC_BYTES:
        found = f"the spec would take {len(content):,} bytes, expected at most {MAX_SPEC_BYTES:,}"
        raise UsageError(found, "split it into several specs")
    return load_spec(path, content)


def _apply(content: bytes, path: Path, edit: SpecEdit) -> bytes:
    """The bytes of the edited file; the very same ones where nothing changes."""
    if _fingerprint(content) != edit.fingerprint:
        hint = "read it again and make the change in what it says now"
        raise FileChangedError(f"{path} was changed since it was read: somebody else saved it meanwhile", hint)
    changes = find_changes(_read(path, content).topics, edit.topics)
    if all(not each.fields for each in changes) and _is_same_order(changes, content):
        return content
    mark = b"\xef\xbb\xbf" if content.startswith(b"\xef\xbb\xbf") else b""
    text = content.decode("utf-8-sig")
    has_dos_ends = "\r\n" in text and "\n" not in text.replace("\r\n", "")
    after = apply_changes(text.replace("\r\n", "\n") if has_dos_ends else text, changes)
    return mark + (after.replace("\n", "\r\n") if has_dos_ends else after).encode()


def _is_same_order(changes: list[TopicChange], content: bytes) -> bool:
    topics: Any = load_values(content.decode("utf-8-sig"))
    return [each.index for each in changes] == list(range(len(topics.get("topics") or [])))


@contextmanager
def _lock_folder(folder: Path) -> Iterator[None]:
    """One save at a time in a folder, by whichever process; the lock leaves no file behind."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(path: Path, content: bytes, fingerprint: str) -> None:
    temporary = path.with_name(f".{path.name}.writing")
    try:
        with temporary.open("wb") as file:
            os.fchmod(file.fileno(), path.stat().st_mode & 0o7777)
            file.write(content)
        if _fingerprint(path.read_bytes()) != fingerprint:  # an editor may have saved it in these milliseconds
            raise FileChangedError(f"{path} was changed while it was saved", "read it again and make the change anew")
        replace_durably(temporary, path)
    except OSError as exc:
        raise DataError(f"{path} could not be written: {exc.strerror}", "check free space and permissions") from exc
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
