"""The filters once more, on a text that a person changed: what curation would say of it, before it counts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from curation.filter import decide
from curation.filters import FILTERS
from curation.finding import Finding
from curation.settings import CurationSettings
from curation.subject import PersonaSheet, Subject
from datagen.record import Dialogue, Message


@dataclass(frozen=True, slots=True)
class Recheck:
    """What the filters look with."""

    settings: CurationSettings
    personas: Mapping[str, PersonaSheet]

    def find(self, dialogue: Dialogue, messages: tuple[Message, ...]) -> list[Finding]:
        """All findings about these turns, as if they were the dialogue's."""
        subject = Subject.of(messages, self.personas.get(dialogue.persona), dialogue.id, dialogue.topic)
        findings: list[Finding] = []
        for each in FILTERS:
            own = self.settings.filters[each.code]
            if own.enabled:
                findings += decide(each.code, own, each.measure(subject, own))
        return findings


def warm_up(recheck: Recheck) -> None:
    """Load what the filters load at their first look: the morphology takes a second, which no reviewer should wait."""
    turns = (Message("user", "오늘 좀 지쳤어."), Message("assistant", "많이 힘들었구나. 여기 앉아서 쉬어요."))
    for persona in recheck.personas.values():
        subject = Subject.of(turns, persona)
        for each in FILTERS:
            list(each.measure(subject, recheck.settings.filters[each.code]))


def list_rows(findings: list[Finding]) -> list[dict[str, Any]]:
    """As findings.parquet has them: rules as the settings spell them."""
    rows = ({name: getattr(each, name) for name in Finding.__slots__} for each in findings)
    return [row | {"rule": row["rule"].replace("_", "-")} for row in rows]


def list_new(findings: Sequence[Finding], before: Sequence[Finding]) -> list[Finding]:
    """What an edit brings about: findings that the text did not have yet, or that weigh more now."""
    had = Counter((each.code, each.rule, each.message, each.verdict) for each in before)
    new = []
    for each in findings:
        place = (each.code, each.rule, each.message, each.verdict)
        had[place] -= 1
        if had[place] < 0:
            new.append(each)
    return new


def is_dropped(findings: list[Finding]) -> bool:
    return any(each.verdict == "drop" for each in findings)
