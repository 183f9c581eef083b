"""Label Studio: a list of tasks as its JSON import and export have it, and the labelling configuration to paste.

The dialogue is a Paragraphs object; findings are predictions on it; each verdict is an annotation of five controls. A
sixth, out of sight, carries the review as a whole: `completed_by` cannot, since Label Studio takes only its own users.
Form of the files: labelstud.io, guide "Task format", tags Paragraphs, Choices, Number, TextArea; label-studio-sdk 2.1.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from curation.exchange.answers import QUESTIONS, REASONS, VERDICTS, Answers, Shown, Signature
from curation.exchange.cards import Card
from curation.exchange.foreign import ImportContext, ImportResult, Intake
from curation.reviews import Review
from curation.row import MAX_TURNS

TASKS_FILE, CONFIG_FILE = "tasks.json", "labelling.xml"
_AUTHORS = {"user": "유저", "assistant": "페르소나"}
_SENT, _FINDING = "sent", "finding"
_TYPES = {
    "verdict": "choices",
    "reason": "choices",
    "turn": "number",
    "note": "textarea",
    "edited": "textarea",
    _SENT: "textarea",
}
"""Control → the type of its results."""


class _Foreign(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Data(_Foreign):
    id: str = Field(min_length=1)
    transcript: str = Field(min_length=1)
    revision: int = Field(default=1, ge=1)


class _User(_Foreign):
    id: int | None = None
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None


class _Annotation(_Foreign):
    result: list[dict[str, Any]]
    was_cancelled: bool = False
    completed_by: int | _User | None = None
    created_at: AwareDatetime | None = None
    updated_at: AwareDatetime | None = None


class _Task(_Foreign):
    data: _Data
    annotations: list[Any]


def render_files(cards: Sequence[Card], _users: Mapping[str, str]) -> dict[str, str]:
    """File name → content. Who reviewed is told by the reviews themselves, so no user ids are needed."""
    has_media = any(card.media for card in cards)
    tasks = [_make_task(number, card, has_media) for number, card in enumerate(cards, 1)]
    return {
        TASKS_FILE: json.dumps(tasks, ensure_ascii=False, indent=1) + "\n",
        CONFIG_FILE: _render_config(cards),
    }


def _make_task(number: int, card: Card, has_media: bool) -> dict[str, Any]:
    dialogue, decision = card.dialogue, card.decision
    regions = list(_list_regions(card))
    return {
        "id": number,
        "data": {
            "id": dialogue.id,
            "revision": card.revision,
            "topic": dialogue.topic,
            "persona": dialogue.persona,
            "dialogue": [{"author": _AUTHORS[each.role], "text": each.content} for each in dialogue.messages],
            "transcript": card.shown.text,
            "findings": "\n".join(card.list_findings()) or "–",
            **({"media": card.media or "–"} if has_media else {}),
            "meta": {name: decision[name] for name in ("status", "split", "model", "provider")},
        },
        "annotations": [_make_annotation(review) for review in card.reviews],
        "predictions": [{"model_version": "damhwa", "result": regions}] if regions else [],
    }


def _list_regions(card: Card) -> Iterator[dict[str, Any]]:
    """The findings that have a place. Offsets count UTF-16 units, as browsers do."""
    for number, each in enumerate(card.findings):
        if each["message"] is None:
            continue
        text = card.dialogue.messages[each["message"]].content
        start, end = (0, len(text)) if each["start"] is None else (each["start"], each["end"])
        place = str(each["message"])
        value = {"start": place, "end": place, "startOffset": _count_units(text[:start])}
        value |= {"endOffset": _count_units(text[:end]), "text": text[start:end], "paragraphlabels": [each["code"]]}
        about = {"id": f"{_FINDING}-{number}", "from_name": _FINDING, "to_name": "dialogue"}
        yield about | {"type": "paragraphlabels", "value": value, "meta": {"text": [each["evidence"]]}}


def _count_units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _make_annotation(review: Review) -> dict[str, Any]:
    answers = Answers.of(review)
    values: dict[str, Any] = {name: getattr(answers, name) for name in QUESTIONS}
    results = [_make_result(name, _TYPES[name], value) for name, value in values.items() if value is not None]
    results.append(_make_result(_SENT, "textarea", review.model_dump_json(exclude_none=True)))
    return {"result": results, "created_at": review.at.isoformat(), "was_cancelled": False, "ground_truth": False}


def _make_result(name: str, type_: str, value: object) -> dict[str, Any]:
    key, held = {"choices": ("choices", [value]), "number": ("number", value), "textarea": ("text", [value])}[type_]
    return {"id": name, "from_name": name, "to_name": "dialogue", "type": type_, "value": {key: held}}


def _render_config(cards: Sequence[Card]) -> str:
    reasons = dict(REASONS)
    for card in cards:
        reasons |= {each.reason: each.reason for each in card.reviews if each.reason and each.reason not in reasons}
    codes = sorted({each["code"] for card in cards for each in card.findings if each["message"] is not None})
    most = max((len(card.dialogue.messages) for card in cards), default=2)
    lines = [
        "<View>",
        '  <Header value="$topic"/>',
        '  <Paragraphs name="dialogue" value="$dialogue" layout="dialogue" nameKey="author" textKey="text"/>',
        '  <Text name="findings" value="$findings"/>',
    ]
    if any(card.media for card in cards):  # what stands in the configuration, every task must have
        lines.append('  <HyperText name="media" value="$media"/>')
    if codes:
        lines.append(f'  <ParagraphLabels name="{_FINDING}" toName="dialogue">')
        lines += [f"    <Label value={quoteattr(code)}/>" for code in codes]
        lines.append("  </ParagraphLabels>")
    lines += _render_choices("verdict", VERDICTS, ' required="true"')
    lines += _render_choices("reason", reasons, "")
    lines += [
        '  <Header value="몇 번째 말인가요?"/>',
        f'  <Number name="turn" toName="dialogue" min="1" max="{most}"/>',
        '  <TextArea name="note" toName="dialogue" placeholder="메모" rows="2" maxSubmissions="1" editable="true"/>',
        '  <Header value="고친 글 (승인·플래그에는 그대로 두세요)"/>',
        '  <TextArea name="edited" toName="dialogue" value="$transcript" rows="9" maxSubmissions="1" editable="true"/>',
        '  <View style="display: none">',
        f'    <TextArea name="{_SENT}" toName="dialogue" maxSubmissions="1"/>',
        "  </View>",
        "</View>",
    ]
    return "\n".join(lines) + "\n"


def _render_choices(name: str, choices: Mapping[str, str], more: str) -> list[str]:
    inside = [f"    <Choice value={quoteattr(told)} alias={quoteattr(value)}/>" for value, told in choices.items()]
    return [f'  <Choices name="{name}" toName="dialogue" choice="single"{more}>', *inside, "  </Choices>"]


def parse_tasks(tasks: list[object], context: ImportContext) -> ImportResult:
    """The reviews of an export in the form "JSON"; places are numbers of tasks and annotations, from 1."""
    intake = Intake(context)
    for number, value in enumerate(tasks, 1):
        place = f"task {number}"
        if isinstance(value, dict) and "annotations" not in value:
            intake.note(place, "there are no `annotations` in it: export as JSON, not as JSON-MIN or CSV")
            continue
        try:
            task = _Task.model_validate(value)
        except ValidationError as exc:
            intake.note_invalid(place, exc)
            continue
        shown = Shown(task.data.id, task.data.transcript, task.data.revision)
        for at, annotation in enumerate(task.annotations, 1):
            _take_annotation(intake, f"{place}, annotation {at}", shown, annotation)
    return intake.close()


def _take_annotation(intake: Intake, place: str, shown: Shown, value: object) -> None:
    try:
        annotation = _Annotation.model_validate(value)
    except ValidationError as exc:
        intake.note_invalid(place, exc)
        return
    if annotation.was_cancelled:
        intake.note(place, "it was skipped, so it holds no verdict")
        return
    values = _read_values(intake, place, annotation.result)
    sent = _read_sent(intake, place, values.pop(_SENT, None))
    turn = values.pop("turn", None)
    if turn is not None and not (isinstance(turn, int | float) and 0 < turn <= MAX_TURNS and turn == int(turn)):
        intake.note(place, f"turn {turn!r:.40} is no number of a turn; it is left out")
        turn = None
    answers = Answers(**values, turn=None if turn is None else int(turn))
    at = annotation.updated_at or annotation.created_at or intake.context.at
    by = Signature(_name_user(annotation.completed_by, intake.context.names), at)
    intake.take(place, (shown, sent), answers, by)


def _read_values(intake: Intake, place: str, results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Control → its value. Regions of findings are predictions that came along, and nobody's answer."""
    values: dict[str, Any] = {}
    for each in results:
        name, type_, value = each.get("from_name"), each.get("type"), each.get("value")
        if name == _FINDING:
            continue
        if not isinstance(name, str) or _TYPES.get(name) != type_ or not isinstance(value, dict):
            intake.note(place, f"a result of type {type_!r:.40} from {name!r:.40} is not known; it is left out")
            continue
        held = value.get({"choices": "choices", "number": "number"}.get(str(type_), "text"))
        texts = [held] if isinstance(held, str) else held
        if type_ == "number":
            values[name] = held
        elif not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            intake.note(place, f"{name} has {held!r:.40} for its value; it is left out")
        elif type_ == "choices" and len(texts) > 1:
            intake.note(place, f"{name} has {len(texts)} answers, expected one; all are left out")
        elif name == "edited" and len(texts) > 1:
            intake.note(place, f"there are {len(texts)} edited texts, the last one is taken")
            values[name] = texts[-1]
        elif text := "\n".join(texts):
            values[name] = _ALIASES.get(name, {}).get(text, text)
    return values


_ALIASES = {
    "verdict": {told: value for value, told in VERDICTS.items()},
    "reason": {told: value for value, told in REASONS.items()},
}
"""What people read, where a tool wrote that and not the value behind it."""


def _read_sent(intake: Intake, place: str, text: str | None) -> list[Review]:
    if text is None:
        return []
    try:
        return [Review.model_validate_json(text)]
    except ValidationError as exc:
        intake.note_invalid(f"{place}, {_SENT}", exc)
        return []


def _name_user(user: int | _User | None, names: Mapping[str, str]) -> str:
    if user is None:
        return "label-studio"
    if isinstance(user, int):
        return names.get(str(user), f"label-studio-{user}")
    full = " ".join(part for part in (user.first_name, user.last_name) if part)
    return names.get(str(user.id)) or user.email or full or f"label-studio-{user.id}"
