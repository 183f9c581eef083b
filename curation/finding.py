"""Observations, limits and findings: what a filter saw, where the line is drawn, and what follows.

A filter only observes: a rule, a place, evidence in words, and a score. Whether that drops the dialogue is decided
afterwards by the rule's limit, so a changed threshold decides anew without looking at a single dialogue again.
"""

from dataclasses import dataclass
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

Verdict = Literal["drop", "note"]


@dataclass(frozen=True, slots=True)
class Observation:
    """What a filter saw. The finding's place is `message` (None: the whole dialogue) and its characters."""

    rule: str
    """Which of the filter's rules; its limit in the settings has the same name (`too_short` ↔ `too-short`)."""
    score: float
    """In the unit that the rule's limit documents."""
    evidence: str
    """In words, for a person, in Korean: what is wrong here, quoting it where that is short."""
    message: int | None = None
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """An observation that passed a limit. `code` is the filter's name."""

    code: str
    rule: str
    message: int | None
    start: int | None
    end: int | None
    evidence: str
    score: float
    threshold: float
    verdict: Verdict


class _Limit(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    drop: float | None = None
    """The score from which on the dialogue is dropped; None: never."""
    note: float | None = None
    """The score from which on a note is made; None: never."""


class AtLeast(_Limit):
    """A limit for scores that are worse the higher they are."""

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        if self.drop is not None and self.note is not None and self.note > self.drop:
            raise ValueError(f"note {self.note:g} is above drop {self.drop:g}, so nothing would ever be noted")
        return self

    def judge(self, score: float) -> tuple[Verdict, float] | None:
        """The verdict and the threshold that was passed; None where the score is harmless."""
        if self.drop is not None and score >= self.drop:
            return "drop", self.drop
        return ("note", self.note) if self.note is not None and score >= self.note else None


class AtMost(_Limit):
    """A limit for scores that are worse the lower they are."""

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        if self.drop is not None and self.note is not None and self.note < self.drop:
            raise ValueError(f"note {self.note:g} is below drop {self.drop:g}, so nothing would ever be noted")
        return self

    def judge(self, score: float) -> tuple[Verdict, float] | None:
        """The verdict and the threshold that was passed; None where the score is harmless."""
        if self.drop is not None and score <= self.drop:
            return "drop", self.drop
        return ("note", self.note) if self.note is not None and score <= self.note else None


Limit = AtLeast | AtMost
