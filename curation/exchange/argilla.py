"""Argilla 2: records as `dataset.records.to_json` writes and `from_json` reads them, and the settings of the dataset.

The dialogue is a chat field. Argilla takes responses of its own users alone, so a verdict is a response where the
reviewer's user id is known, and a suggestion by that reviewer where it is not; the reviews as a whole lie in the
metadata. Form of the files: argilla 2.8, `records/_io/_json.py` and `Settings.from_json`.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from curation.exchange.answers import QUESTIONS, REASONS, VERDICTS, Answers, Shown, Signature
from curation.exchange.cards import Card
from curation.exchange.foreign import ImportContext, ImportResult, Intake
from curation.exchange.transcript import render_text
from curation.reviews import Review
from curation.row import BadRowError, read_messages

RECORDS_FILE, SETTINGS_FILE = "records.json", "settings.json"
_REVIEWS: TypeAdapter[list[Review]] = TypeAdapter(list[Review])
_TITLES = {
    "verdict": "판정",
    "reason": "사유",
    "turn": "몇 번째 말인가요?",
    "note": "메모",
    "edited": "고친 글 (고칠 때만)",
}


class _Foreign(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Metadata(_Foreign):
    revision: int = Field(default=1, ge=1)
    reviews: str = "[]"


class _Fields(_Foreign):
    dialogue: list[dict[str, str]]


class _Response(_Foreign):
    value: Any = None
    user_id: str | None = None
    status: str | None = None


class _Record(_Foreign):
    id: str = Field(min_length=1)
    fields: _Fields
    metadata: _Metadata = _Metadata()
    responses: dict[str, list[_Response]] = {}


def render_files(cards: Sequence[Card], users: Mapping[str, str]) -> dict[str, str]:
    """File name → content. `users`: reviewer → user id in Argilla."""
    records = [_make_record(card, users) for card in cards]
    return {
        RECORDS_FILE: json.dumps(records, ensure_ascii=False, indent=1) + "\n",
        SETTINGS_FILE: json.dumps(_make_settings(cards), ensure_ascii=False, indent=1) + "\n",
    }


def _make_record(card: Card, users: Mapping[str, str]) -> dict[str, Any]:
    dialogue = card.dialogue
    about = {name: card.decision[name] for name in ("status", "split", "model", "provider") if card.decision[name]}
    about |= {"topic": dialogue.topic, "persona": dialogue.persona, "revision": card.revision}
    suggestions: dict[str, Any] = {}
    responses: dict[str, list[dict[str, Any]]] = {}
    for review in card.reviews:
        for name, value in _list_values(review).items():
            if review.reviewer in users:
                responses.setdefault(name, []).append({"value": value, "user_id": users[review.reviewer]})
            else:
                suggestions[name] = {"value": value, "score": None, "agent": review.reviewer}
    if card.reviews:
        about["reviews"] = _REVIEWS.dump_json(list(card.reviews), exclude_none=True).decode()
    return {
        "id": dialogue.id,
        "fields": {
            "dialogue": [{"role": each.role, "content": each.content} for each in dialogue.messages],
            "findings": "\n".join(card.list_findings()) or "–",
            **({"media": card.media} if card.media else {}),
        },
        "metadata": about,
        "suggestions": suggestions,
        "responses": responses,
        "vectors": {},
        "status": "pending",
        "_server_id": None,
    }


def _list_values(review: Review) -> dict[str, str]:
    answers = Answers.of(review)
    values = {name: getattr(answers, name) for name in QUESTIONS}
    return {name: str(value) for name, value in values.items() if value is not None}


def _make_settings(cards: Sequence[Card]) -> dict[str, Any]:
    reasons = dict(REASONS)
    for card in cards:
        reasons |= {each.reason: each.reason for each in card.reviews if each.reason and each.reason not in reasons}
    most = max((len(card.dialogue.messages) for card in cards), default=2)
    turns = {str(number): str(number) for number in range(1, max(2, most) + 1)}
    options = {"verdict": VERDICTS, "reason": reasons, "turn": turns}
    return {
        "guidelines": "대화를 읽고 판정해 주세요. 플래그에는 사유를, 고칠 때는 고친 글 전체를 적어 주세요.",
        "fields": [
            {
                "name": "dialogue",
                "title": "대화",
                "required": True,
                "settings": {"type": "chat", "use_markdown": False},
            },
            {
                "name": "findings",
                "title": "거르개가 본 것",
                "required": False,
                "settings": {"type": "text", "use_markdown": False},
            },
            *([_MEDIA_FIELD] if any(card.media for card in cards) else []),
        ],
        "questions": [_make_question(name, options.get(name)) for name in QUESTIONS],
        "metadata": [
            {"name": name, "title": name, "settings": {"type": "terms"}, "visible_for_annotators": True}
            for name in ("topic", "persona", "split", "status")
        ],
        "vectors": [],
        "allow_extra_metadata": True,
        "distribution": {"strategy": "overlap", "min_submitted": 1},
        "mapping": None,
    }


_MEDIA_FIELD = {
    "name": "media",
    "title": "사진과 녹음",
    "required": False,
    "settings": {"type": "text", "use_markdown": True},
}
"""Its own image field takes one picture, and there is none for sound: HTML in Markdown has room for both."""


def _make_question(name: str, options: Mapping[str, str] | None) -> dict[str, Any]:
    settings: dict[str, Any] = {"type": "text", "use_markdown": False}
    if options is not None:
        labels = [{"value": value, "text": told} for value, told in options.items()]
        settings = {"type": "label_selection", "options": labels, "visible_options": None}
    return {"name": name, "title": _TITLES[name], "required": name == "verdict", "settings": settings}


def parse_records(records: list[object], context: ImportContext) -> ImportResult:
    """The reviews of a records file; places are numbers of records, from 1, and users."""
    intake = Intake(context)
    for number, value in enumerate(records, 1):
        place = f"record {number}"
        try:
            record = _Record.model_validate(value)
            text = render_text(read_messages(list(record.fields.dialogue)))
        except ValidationError as exc:
            intake.note_invalid(place, exc)
            continue
        except BadRowError as exc:
            intake.note(place, f"the dialogue is none: {exc}")
            continue
        _take_record(intake, place, record, Shown(record.id, text, record.metadata.revision))
    return intake.close()


def _take_record(intake: Intake, place: str, record: _Record, shown: Shown) -> None:
    sent: list[Review] = []
    try:
        sent = _REVIEWS.validate_json(record.metadata.reviews)
    except ValidationError as exc:
        intake.note_invalid(f"{place}, metadata.reviews", exc)
    for review in sent:
        intake.keep(review)
    by_user: dict[str, dict[str, object]] = {}
    for name, responses in record.responses.items():
        for each in responses:
            if name not in QUESTIONS:
                intake.note(place, f"the question '{name}' is not known; a response is left out")
            elif each.status in ("draft", "discarded"):
                intake.note(place, f"{name}: a response that is {each.status} is left out")
            else:
                by_user.setdefault(each.user_id or "", {})[name] = each.value
    for user, values in by_user.items():
        _take_user(intake, f"{place}, user {user or '–'}", (shown, sent), (user, values))


def _take_user(
    intake: Intake, place: str, judged: tuple[Shown, Sequence[Review]], given: tuple[str, Mapping[str, object]]
) -> None:
    user, values = given
    answered: dict[str, str] = {}
    for name, value in values.items():
        if not isinstance(value, str):
            intake.note(place, f"{name} has {value!r:.40} for its value; it is left out")
        elif value:
            answered[name] = value
    turn = answered.pop("turn", None)
    if turn is not None and not (turn.isdecimal() and len(turn) < 5):
        intake.note(place, f"turn '{turn:.40}' is no number of a turn; it is left out")
        turn = None
    answers = Answers(**answered, turn=None if turn is None else int(turn))
    reviewer = intake.context.names.get(user) or user or "argilla"
    intake.take(place, judged, answers, Signature(reviewer, intake.context.at))
