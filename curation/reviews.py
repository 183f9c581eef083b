"""What people said of dialogues: an append-only file of verdicts, the last one of a dialogue being the one that counts.

A review never touches the dialogue. It lies in `RUN/reviews.jsonl`, outside the disposable `curated/`, one JSON object
a line; an entry is on the disk before `append_review` returns, and entries of several processes never mix.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from curation.row import MAX_CHARACTERS
from datagen.errors import DataError
from datagen.record import Message, Role, clean_text

REVIEWS_FILE = "reviews.jsonl"
DUPLICATE = "duplicate"
"""The reason of a flag that drops its dialogue alone: what resembles it is what the reviewer kept."""
EDIT_REJECTED = "edit-rejected"
"""The reason of a flag that stands for an edit which the filters dropped: nothing is wrong with what resembles it."""
LOT = "lot"
"""The reason of a verdict that an author gave a whole lot: nobody looked at the dialogue itself."""
DROPS_ALONE = (DUPLICATE, EDIT_REJECTED)
"""Reasons of flags that ban nothing beside their dialogue, and that blame no answer of it."""
AS_GENERATED = 1
"""The revision of a text that nobody edited."""


class ReviewedMessage(BaseModel):
    """One turn of an edited dialogue."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    role: Role
    content: str = Field(min_length=1, max_length=MAX_CHARACTERS)

    @field_validator("content")
    @classmethod
    def _comes_into_its_normal_form(cls, content: str) -> str:
        content = clean_text(content)
        if not content.strip():
            raise ValueError("an edited turn says nothing")
        return content


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
    revision: int | None = Field(default=None, ge=AS_GENERATED)
    """Of the text that was judged, from 1 = as generated, which None means too. Of an edit: the number of the text that
    it made, from 2; None: the next one."""
    event: int | None = Field(default=None, ge=0)
    """The number of the decision in the log of the review page; None: it was not made there."""

    @model_validator(mode="after")
    def _has_what_its_verdict_needs(self) -> Self:
        if (self.verdict == "edit") != bool(self.messages):
            raise ValueError(
                "an edit needs the edited `messages`"
                if self.verdict == "edit"
                else f"`messages` belong to an edit, not to '{self.verdict}'"
            )
        if self.verdict == "edit" and self.revision == AS_GENERATED:
            raise ValueError("an edit makes revision 2 or a later one: 1 is the text as generated")
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
    edits: Mapping[str, Review] = field(default_factory=dict)
    """Of each dialogue whose verdict was given on an edited text the edit that made it, with its revision."""

    def find_edit(self, id_: str) -> Review | None:
        """The edit whose text stands for a dialogue; None: the text as generated does."""
        if id_ in self.edits:
            return self.edits[id_]
        review = self.by_id.get(id_)
        if review is None or review.verdict != "edit":
            return None
        return review if review.revision else review.model_copy(update={"revision": AS_GENERATED + 1})


def list_turns(review: Review) -> tuple[Message, ...]:
    """The turns of an edit; of any other verdict none."""
    return tuple(Message(each.role, each.content) for each in review.messages or ())


def fold_reviews(reviews: Iterable[Review], warning: str | None = None) -> Reviews:
    """The verdict that counts for each dialogue, and the text that it was given on, from all reviews in their order.

    `warning`: what is to be told beside what is found here.
    A verdict on a revision that no edit made is left out and named in `warning`: nobody knows what was judged.
    """
    by_id: dict[str, Review] = {}
    edits: dict[str, Review] = {}
    known: dict[str, dict[int, Review]] = {}
    warnings = [warning] if warning else []
    for review in reviews:
        own = known.setdefault(review.id, {})
        revision = review.revision or AS_GENERATED
        if review.verdict == "edit":
            revision = review.revision or max(own, default=AS_GENERATED) + 1
            own[revision] = review.model_copy(update={"revision": revision})
        if revision != AS_GENERATED and revision not in own:
            warnings.append(f"a review of {review.id} is of revision {revision}, which no edit made; it is left out")
            continue
        by_id[review.id] = review
        edits.pop(review.id, None)
        if revision in own:
            edits[review.id] = own[revision]
    return Reviews(by_id, "\n".join(warnings) or None, edits)


def read_reviews(path: Path) -> Reviews:
    """The last review of each dialogue in a file. Raises DataError as `list_reviews` does."""
    return fold_reviews(*list_reviews(path))


def list_reviews(path: Path) -> tuple[list[Review], str | None]:
    """All reviews of a file, in its order, and a warning or None; no review where the file does not exist.

    A last line without its end is what a crash left: it is left out and named in the warning.
    Raises DataError, naming file and line, for any other line that is no review.
    """
    reviews: list[Review] = []
    torn = None
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    torn = f"{path}:{number}: the last review was cut off while written; it is left out"
                elif line.strip():
                    reviews.append(_parse(path, number, line))
    except FileNotFoundError:
        pass
    except OSError as exc:
        raise DataError(f"{path} cannot be read: {exc.strerror}", "check its permissions") from exc
    return reviews, torn


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
