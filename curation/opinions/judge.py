"""judge (optional): a model reads each dialogue and scores it on a rubric, with a reason.

A score only notes, unless a limit says otherwise: it ranks near-copies, and sends to review first what judge and
filters disagree about. Some dialogues are judged twice, which tells how far the judge agrees with itself.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from curation.filter import FilterSettings
from curation.finding import AtMost, Finding
from datagen.spec import ProviderSettings

CODE = "judge"
DISAGREEMENT = "disagreement"
DIMENSIONS = {"naturalness": "자연스러움", "persona": "페르소나", "topic": "주제", "emotion": "감정"}
"""Dimension of the rubric → what reviewers read."""
PERSONA_PLACE = "{{ persona }}"
GOOD_MEAN = 4.0
"""Mean score from which on a judge likes a dialogue: the rubric's 4 is "a trifle amiss"."""
DISPUTABLE = (
    "speech-level",
    "name",
    "repetition",
    "persona-drift",
    "role-swap",
    "assistant-tell",
    "unfinished",
    "language",
    "script",
)
"""Codes of filters that look at what the rubric asks about. A judge that likes an emoji disputes nothing."""
MAX_REASON = 120
MAX_READ = 20_000
"""Characters of a reply that are searched for scores."""


class JudgeProvider(ProviderSettings):
    """The judge's model: as cold as it goes, and with short replies."""

    temperature: float = Field(0.0, ge=0, le=2)
    max_completion_tokens: int = Field(1000, ge=64)
    """Tokens. The scores take 120; a model that thinks before it answers needs more."""


class JudgeSettings(FilterSettings):
    """The `judge` block: which model is asked, and where its scores (1 to 5, 5 is best) draw a line."""

    provider: JudgeProvider
    rubric: str | None = None
    """The system message, with `{{ persona }}` where the persona's sheet goes; None: `prompts/judge.md`."""
    repeat: float = Field(0.05, ge=0, le=1)
    """Share of the dialogues that are judged twice, for the report of self-consistency."""
    naturalness: AtMost = AtMost(note=2)
    persona: AtMost = AtMost(note=2)
    topic: AtMost = AtMost(note=2)
    emotion: AtMost = AtMost(note=2)
    """2: "to be written again", in the rubric's words. Nothing drops: judges are wrong too often for that."""

    @model_validator(mode="after")
    def _asks_for_scores(self) -> Self:
        missing = [name for name in (PERSONA_PLACE, *DIMENSIONS) if self.rubric is not None and name not in self.rubric]
        if missing:
            raise ValueError(f"the rubric does not mention {', '.join(missing)}: see specs/prompts/judge.md")
        return self


class Scores(BaseModel):
    """A judge's reply."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    naturalness: int = Field(ge=1, le=5)
    persona: int = Field(ge=1, le=5)
    topic: int = Field(ge=1, le=5)
    emotion: int = Field(ge=1, le=5)
    reason: str = ""

    @property
    def mean(self) -> float:
        return fmean(self.score(name) for name in DIMENSIONS)

    def score(self, dimension: str) -> int:
        value: int = getattr(self, dimension)
        return value


def read_scores(reply: str) -> Scores | None:
    """The last scores in a reply, fenced or with words around them; None where there are none in form."""
    found = None
    for value in list_objects(reply[:MAX_READ]):
        try:
            found = Scores.model_validate(value)
        except ValidationError:
            continue
    return found


def list_objects(text: str) -> Iterable[object]:
    """The JSON objects in a text. Braces may stand in their strings: a reason that quotes `{유저}` is usual."""
    decoder = json.JSONDecoder(strict=False)
    at = text.find("{")
    while at >= 0:
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            yield value
        at = text.find("{", end)


def list_findings(scores: Scores, settings: JudgeSettings, is_dropped: bool, is_settled: bool) -> list[Finding]:
    """What the limits make of a dialogue's scores, and a note where judge and filters disagree.

    `is_dropped`: by any filter. `is_settled`: by one that is not among the `DISPUTABLE`.
    """
    findings = []
    reason = _shorten(scores.reason)
    for name, limit in settings.list_limits().items():
        score = float(scores.score(name))
        if (judged := limit.judge(score)) is not None:
            evidence = f"심사 {DIMENSIONS[name]} {score:.0f}점: {reason}"
            findings.append(Finding(CODE, name, None, None, None, evidence, score, judged[1], judged[0]))
    if is_dropped and not is_settled and scores.mean >= GOOD_MEAN:
        told = f"필터는 걸렀지만 심사 평균은 {scores.mean:.1f}점: {reason}"
        findings.append(Finding(CODE, DISAGREEMENT, None, None, None, told, scores.mean, GOOD_MEAN, "note"))
    elif not is_dropped and findings:
        lowest = min(findings, key=lambda each: each.score)
        told = f"필터는 통과했지만 심사 {DIMENSIONS[lowest.rule]} {lowest.score:.0f}점: {reason}"
        place = (None, None, None)
        findings.append(Finding(CODE, DISAGREEMENT, *place, told, lowest.score, lowest.threshold, "note"))
    return findings


def _shorten(reason: str) -> str:
    text = " ".join(reason.split()) or "이유를 밝히지 않음"
    return text if len(text) <= MAX_REASON else f"{text[: MAX_REASON - 1]}…"


@dataclass(frozen=True, slots=True)
class Judgements:
    """What came of judging."""

    first: Sequence[Scores]
    twice: Sequence[tuple[Scores, Scores]]
    """Of the dialogues that were judged twice."""
    unjudged: int
    """Dialogues without scores: refused, or twice answered out of form."""
    disagreements: int


def describe_judgements(found: Judgements) -> Mapping[str, object]:
    """The figures of the report: mean scores, and how far the judge agrees with itself."""
    figures: dict[str, object] = {"judged": len(found.first), "unjudged": found.unjudged}
    if found.first:
        figures["mean score"] = {name: fmean(each.score(name) for each in found.first) for name in DIMENSIONS}
        figures["disagreements with filters"] = found.disagreements
    figures["judged twice"] = len(found.twice)
    if found.twice:
        figures["consistency"] = {name: _describe_wavering(found.twice, name) for name in DIMENSIONS}
    return figures


def _describe_wavering(twice: Sequence[tuple[Scores, Scores]], name: str) -> Mapping[str, float]:
    apart = [abs(one.score(name) - two.score(name)) for one, two in twice]
    return {
        "equal": sum(each == 0 for each in apart) / len(apart),
        "within one point": sum(each <= 1 for each in apart) / len(apart),
        "mean difference": fmean(apart),
    }
