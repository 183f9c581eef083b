"""What is good stays, what is spoilt goes: all filters together, on what people and the simulator wrote."""

from collections.abc import Iterator
from itertools import islice

import pytest

from benchmarks.curation_corpus import compose_dialogues, compose_slips, list_personas, pair_dialogues
from curation.filter import decide
from curation.filters import FILTERS
from curation.finding import Finding
from curation.settings import CurationSettings
from curation.subject import Subject
from datagen.record import Dialogue
from datagen.simulator.slips import SLIPS

COUNT = 1_500
CLEAN = {"people": pair_dialogues, "simulator": compose_dialogues}
NOT_OF_ONE_DIALOGUE = "near-copy"
"""A copy of another dialogue is none of the filters' business."""


@pytest.fixture(scope="module")
def drops() -> "Drops":
    return Drops()


class Drops:
    """The findings that drop a dialogue, with the default settings."""

    def __init__(self) -> None:
        self._settings = CurationSettings().filters
        self._personas = list_personas()

    def find(self, dialogue: Dialogue) -> Iterator[Finding]:
        persona = self._personas[dialogue.persona]
        subject = Subject.of(dialogue.messages, persona, dialogue.id, dialogue.topic)
        for each in FILTERS:
            own = self._settings[each.code]
            yield from (
                found for found in decide(each.code, own, each.measure(subject, own)) if found.verdict == "drop"
            )


@pytest.mark.parametrize("source", CLEAN)
def test_of_clean_dialogues_at_most_one_in_a_hundred_is_dropped(source: str, drops: Drops) -> None:
    told = {}
    for dialogue in islice(CLEAN[source](7), COUNT):
        if found := list(drops.find(dialogue)):
            told[dialogue.id] = [f"{each.code}: {each.evidence}" for each in found]
    assert len(told) <= COUNT // 100, told


@pytest.mark.parametrize("slip", sorted(SLIPS.keys() - {NOT_OF_ONE_DIALOGUE}))
def test_of_spoilt_dialogues_nearly_all_are_dropped(slip: str, drops: Drops) -> None:
    missed = [dialogue for dialogue in compose_slips(slip, 300) if not any(drops.find(dialogue))]
    assert len(missed) <= 300 * 0.02, [[each.content for each in dialogue.messages] for dialogue in missed[:3]]
