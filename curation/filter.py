"""What a filter is: a code, its settings, and a function that observes one dialogue."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from curation.finding import AtLeast, AtMost, Finding, Limit, Observation
from curation.subject import Subject


def _to_kebab(name: str) -> str:
    return name.replace("_", "-")


class FilterSettings(BaseModel):
    """The settings of one filter: a limit per rule (re-decided at will), and what decides how it looks (measured anew).

    Every field has a default and a docstring with unit, range and where the default comes from.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=_to_kebab, validate_by_name=True, serialize_by_alias=True
    )

    enabled: bool = True

    def list_limits(self) -> dict[str, Limit]:
        """Rule → its limit."""
        values = ((name, getattr(self, name)) for name in type(self).model_fields)
        return {name: value for name, value in values if isinstance(value, AtLeast | AtMost)}

    def describe_measuring(self) -> dict[str, Any]:
        """All that decides the scores: the settings without the limits."""
        return self.model_dump(mode="json", exclude=set(self.list_limits()))


Settings = TypeVar("Settings", bound=FilterSettings)


@dataclass(frozen=True, slots=True)
class Filter(Generic[Settings]):
    """One question to a dialogue. `version` is raised with every change that can change a score."""

    code: str
    version: int
    settings: type[Settings]
    measure: Callable[[Subject, Settings], Iterable[Observation]]
    """Observes a dialogue. Answers for any dialogue whatever its text, never raises; linear in the text's length."""


def decide(code: str, settings: FilterSettings, observations: Iterable[Observation]) -> list[Finding]:
    """The findings that the limits make of a filter's observations."""
    limits = settings.list_limits()
    findings = []
    for each in observations:
        if (verdict := limits[each.rule].judge(each.score)) is not None:
            place = (each.message, each.start, each.end)
            findings.append(Finding(code, each.rule, *place, each.evidence, each.score, verdict[1], verdict[0]))
    return findings
