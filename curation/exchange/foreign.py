"""What every reader of another tool's file gives back, and how it tells what it did not understand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from curation.exchange.answers import AnswerError, Answers, Shown, Signature, find_sent, make_review
from curation.reviews import Review


@dataclass(frozen=True, slots=True)
class ImportContext:
    """`at`: for answers without a time; `names`: user id in the tool → reviewer."""

    path: Path
    at: datetime
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ImportResult:
    """`problems`: all that was not understood, as `file:place: what`."""

    reviews: tuple[Review, ...]
    problems: tuple[str, ...]


@dataclass(slots=True)
class Intake:
    """Collects the reviews of a file, and what is wrong with the rest."""

    context: ImportContext
    reviews: list[Review] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    _kept: set[Review] = field(default_factory=set)

    def note(self, place: str, what: str) -> None:
        self.problems.append(f"{self.context.path}:{place}: {what}")

    def note_invalid(self, place: str, exc: ValidationError) -> None:
        first = exc.errors()[0]
        within = ".".join(map(str, first["loc"]))
        self.note(place, f"{within}: {first['msg']}" if within else first["msg"])

    def take(self, place: str, judged: tuple[Shown, Sequence[Review]], answers: Answers, by: Signature) -> None:
        """Take what somebody answered. `judged`: the text that was shown, and the reviews that went out with it."""
        shown, sent = judged
        if (review := find_sent(shown, answers, sent)) is not None:
            self.keep(review)
            return
        try:
            review, lost = make_review(shown, answers, by)
        except AnswerError as exc:
            self.note(place, str(exc))
            return
        self.keep(review)
        if lost is not None:
            self.note(place, lost)

    def keep(self, review: Review) -> None:
        """Take a review, once."""
        if review not in self._kept:
            self._kept.add(review)
            self.reviews.append(review)

    def close(self) -> ImportResult:
        return ImportResult(tuple(self.reviews), tuple(self.problems))
