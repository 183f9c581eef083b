"""The gate of the closed loop: a fresh dialogue counts towards its quota only if curation would accept it as it stands.

The same filters with the same settings as `curate`, and the same notion of a near-duplicate, asked while generation is
under way: what does not count is asked for again at once, not after a round. `curate` has the last word afterwards.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from curation.duplicates.live import LiveIndex
from curation.filter import decide
from curation.filters import FILTERS
from curation.filters.opening import count_allowed
from curation.normal_form import fold
from curation.settings import CurationSettings
from curation.subject import PersonaSheet, Subject
from datagen.record import Message
from datagen.scenario import Scenario

NEAR_DUPLICATE = "near-duplicate"
OPENING = "opening"


@dataclass(slots=True)
class Gate:
    """Call it with each dialogue that was stored. It remembers those that count."""

    settings: CurationSettings
    personas: Mapping[str, PersonaSheet]
    quotas: Mapping[str, int]
    known: LiveIndex
    _openings: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def __call__(self, scenario: Scenario, messages: tuple[Message, ...]) -> str | None:
        """The code of what is wrong with a dialogue; None: it counts."""
        subject = Subject.of(messages, self.personas.get(scenario.persona), topic=scenario.topic)
        folded = [fold(message.content) for message in messages]
        code = self._find_drop(subject) or self._find_repeat(scenario.topic, folded)
        if code is None:
            self.remember(scenario.topic, folded)
        return code

    def remember(self, topic: str, folded: Sequence[str]) -> None:
        """Count a dialogue in: nothing like it will count again."""
        self.known.add(folded)
        for side, line in _pick_openings(folded):
            self._openings[topic, side, line] += 1

    def _find_drop(self, subject: Subject) -> str | None:
        for each in FILTERS:
            own = self.settings.filters[each.code]
            if own.enabled:
                findings = decide(each.code, own, each.measure(subject, own))
                if any(finding.verdict == "drop" for finding in findings):
                    return each.code
        return None

    def _find_repeat(self, topic: str, folded: Sequence[str]) -> str | None:
        opening = self.settings.opening
        if opening.enabled:
            allowed = count_allowed(self.quotas[topic], opening)
            if any(self._openings[topic, side, line] >= allowed for side, line in _pick_openings(folded)):
                return OPENING
        return NEAR_DUPLICATE if self.known.find(folded) is not None else None


def _pick_openings(folded: Sequence[str]) -> tuple[tuple[str, str], tuple[str, str]]:
    """The dialogue's first line and the persona's."""
    return ("user", folded[0]), ("persona", folded[1])
