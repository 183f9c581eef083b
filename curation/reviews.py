"""What people said of dialogues: an append-only file of verdicts, the last one of a dialogue being the one that counts.

A review never touches the dialogue. It lies in `RUN/reviews.jsonl`, outside the disposable `curated/`, one JSON object
a line; an entry is on the disk before `append_review` returns, and entries of several processes never mix.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from datagen.errors import DataError
from datagen.record import Role

REVIEWS_FILE = "reviews.jsonl"


class ReviewedMessage(BaseModel):
    """One turn of an edited dialogue."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    role: Role
    content: str = Field(min_length=1)


class Review(BaseModel):
    """One verdict of one reviewer."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: str = Field(min_length=1)
    """Of the dialogue."""
    verdict: Literal["accept", "flag", "edit"]
    reason: str | None = None
    """Why it was flagged, as a code that can be counted: `speech-level`."""
    note: str | None = None
    """In the reviewer's own words."""
    turn: int | None = Field(default=None, ge=0)
    """The message that is meant, from 0; None: the dialogue as a whole."""
    messages: tuple[ReviewedMessage, ...] | None = None
    """The whole dialogue as the reviewer would have it; with the verdict `edit`, and with no other."""
    reviewer: str = Field(min_length=1)
    at: AwareDatetime

    @model_validator(mode="after")
    def _has_what_its_verdict_needs(self) -> Self:
        if (self.verdict == "edit") != bool(self.messages):
            raise ValueError(
                "an edit needs the edited `messages`"
                if self.verdict == "edit"
                else f"`messages` belong to an edit, not to '{self.verdict}'"
            )
        for number, message in enumerate(self.messages or ()):
            if message.role != ("user", "assistant")[number % 2]:
                raise ValueError(f"edited turn {number + 1} is the {message.role}'s: user and assistant take turns")
        if self.messages and len(self.messages) % 2:
            raise ValueError("the edited dialogue ends with the user's turn, expected the persona's")
        return self


@dataclass(frozen=True, slots=True)
class Reviews:
    """The verdict that counts for each dialogue. `warning` names what a crash left half written; None: nothing."""

    by_id: dict[str, Review]
    warning: str | None = None


def read_reviews(path: Path) -> Reviews:
    """The last review of each dialogue; none where the file does not exist.

    A last line without its end is what a crash left: it is left out and named in `warning`.
    Raises DataError, naming file and line, for any other line that is no review.
    """
    by_id: dict[str, Review] = {}
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    return Reviews(by_id, f"{path}:{number}: the last review was cut off while written; it is left out")
                if line.strip():
                    review = _parse(path, number, line)
                    by_id[review.id] = review
    except FileNotFoundError:
        pass
    except OSError as exc:
        raise DataError(f"{path} cannot be read: {exc.strerror}", "check its permissions") from exc
    return Reviews(by_id)


def append_review(path: Path, review: Review) -> None:
    """Add a review; when this returns, a power cut cannot take it back.

    Raises DataError where the disk does not take it.
    """
    line = review.model_dump_json(exclude_none=True).encode() + b"\n"
    try:
        is_new = not path.exists()
        with _open_locked(path) as descriptor:
            _cut_torn_end(descriptor)
            written = os.write(descriptor, line)
            if written != len(line):
                raise OSError(f"only {written} of {len(line)} bytes were taken")
            os.fsync(descriptor)
        if is_new:
            _sync_folder(path.parent)
    except OSError as exc:
        raise DataError(
            f"{path} could not be written: {exc.strerror or exc}", "free some space, then review again"
        ) from exc


def _parse(path: Path, number: int, line: bytes) -> Review:
    try:
        return Review.model_validate_json(line)
    except ValidationError as exc:
        first = exc.errors()[0]
        place = ".".join(map(str, first["loc"]))
        what = f"{place}: {first['msg']}" if place else first["msg"]
        hint = "mend or delete that line; every other review is kept"
        raise DataError(f"{path}:{number}: not a review: {what}", hint) from exc


@contextmanager
def _open_locked(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _cut_torn_end(descriptor: int) -> None:
    """Drop what a crash left after the last line break, or the next review would be glued to it."""
    end = size = os.fstat(descriptor).st_size
    while end and os.pread(descriptor, 1, end - 1) != b"\n":
        block = os.pread(descriptor, min(4096, end), max(0, end - 4096))
        cut = block.rfind(b"\n")
        end = max(0, end - 4096) + cut + 1 if cut >= 0 else max(0, end - 4096)
    if end != size:
        os.ftruncate(descriptor, end)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
