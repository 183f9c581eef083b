"""What a person answered in another tool about one dialogue, and the review that it makes.

The tools know five questions: verdict, reason, turn (from 1, as people count), note, and the text as one would have it.
A review that went out is carried along as a whole, and comes back as it was as long as its answers were left alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, cast

from pydantic import ValidationError

from curation.exchange.transcript import parse_text, render_text
from curation.reviews import AS_GENERATED, Review, ReviewedMessage, list_turns
from curation.row import BadRowError

REASONS = {
    "persona": "페르소나",
    "fact": "사실",
    "unsafe": "안전",
    "speech-level": "말투",
    "duplicate": "중복",
    "broken": "깨진 글",
}
"""Reasons of flags as the review page has them, with what people read."""
VERDICTS = {"accept": "승인", "flag": "플래그", "edit": "고침"}
QUESTIONS = ("verdict", "reason", "turn", "note", "edited")


class AnswerError(Exception):
    """Answers that make no review; the message says why."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The text that was judged. `revision`: from 1 = as generated."""

    id: str
    text: str
    revision: int


@dataclass(frozen=True, slots=True)
class Answers:
    """As they stand in the tool; None: not answered."""

    verdict: str | None = None
    reason: str | None = None
    turn: int | None = None
    """From 1."""
    note: str | None = None
    edited: str | None = None

    @classmethod
    def of(cls, review: Review) -> "Answers":
        turn = None if review.turn is None else review.turn + 1
        edited = render_text(list_turns(review)) if review.messages else None
        return cls(review.verdict, review.reason, turn, review.note, edited)

    def changes(self, shown: Shown) -> bool:
        """Whether the text is another than the one that was shown."""
        return self.edited is not None and self.edited.strip() != shown.text.strip()


@dataclass(frozen=True, slots=True)
class Signature:
    """Who answered, and when."""

    reviewer: str
    at: datetime


def find_sent(shown: Shown, answers: Answers, sent: Sequence[Review]) -> Review | None:
    """Of the reviews that went out the one that came back as it was.

    A tool that fills in the text as it was shown, for people to edit, changes nothing by that.
    """
    if answers.verdict != "edit" and not answers.changes(shown):
        answers = replace(answers, edited=None)
    return next((each for each in sent if Answers.of(each) == answers), None)


def make_review(shown: Shown, answers: Answers, by: Signature) -> tuple[Review, str | None]:
    """The review that the answers make, and what in them could not be taken along.

    Raises AnswerError where they make none.
    """
    is_changed = answers.changes(shown)
    verdict = answers.verdict or ("edit" if is_changed else None)
    if verdict is None:
        raise AnswerError("there is no verdict")
    if verdict not in VERDICTS:
        raise AnswerError(f"the verdict is '{verdict}', expected one of {', '.join(VERDICTS)}")
    if verdict == "accept" and is_changed:  # accepted, as it was rewritten
        verdict = "edit"
    if verdict == "edit" and not is_changed:
        raise AnswerError("the verdict is an edit, but the text is as it was shown")
    lost = "the edited text is left out: the dialogue was flagged" if verdict == "flag" and is_changed else None
    turns = len(parse_text(shown.text))
    if answers.turn is not None and not 1 <= answers.turn <= turns:
        lost = f"turn {answers.turn} is left out: the dialogue has {turns}"
        answers = replace(answers, turn=None)
    return _build(shown, answers, cast(Literal["accept", "flag", "edit"], verdict), by), lost


def _build(shown: Shown, answers: Answers, verdict: Literal["accept", "flag", "edit"], by: Signature) -> Review:
    revision = shown.revision if shown.revision != AS_GENERATED and verdict != "edit" else None
    try:
        messages = None
        if verdict == "edit":
            turns = parse_text(answers.edited or "")
            messages = tuple(ReviewedMessage(role=each.role, content=each.content) for each in turns)
        return Review(
            id=shown.id,
            verdict=verdict,
            reason=answers.reason,
            note=answers.note,
            turn=None if answers.turn is None else answers.turn - 1,
            messages=messages,
            reviewer=by.reviewer,
            at=by.at,
            revision=revision,
        )
    except BadRowError as exc:
        raise AnswerError(f"the edited text is no dialogue: {exc}") from exc
    except ValidationError as exc:
        raise AnswerError(exc.errors()[0]["msg"]) from exc
