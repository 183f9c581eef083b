"""The simulator's grammar of long dialogues: beats that either side can say in either speech level.

A beat is one thing to talk about: what the user says of it, and what the persona answers. Facts are words that the user
says of itself and keeps to (a destination, a date); the persona speaks of a fact only where it can be read in what it
is shown, so that a long dialogue remembers. The YAML in `grammar/duet` is the grammar; `duet` speaks it.
"""

import re
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field
from ruamel.yaml import YAML

from datagen.simulator.grammar import GRAMMAR_DIR, SpeechLevel

_SLOT = re.compile(r"\{([^{}:]+)(?::[^{}]*)?\}")


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Lines(_Form):
    """The same said in both levels."""

    banmal: tuple[str, ...] = Field(min_length=1)
    jondaetmal: tuple[str, ...] = Field(min_length=1)

    def of(self, level: SpeechLevel) -> tuple[str, ...]:
        return self.banmal if level == "banmal" else self.jondaetmal


class Beat(_Form):
    """One thing to talk about."""

    user: Lines
    persona: Lines
    after: tuple[str, ...] = ()
    """Facts that must have been told before."""


class DuetBank(_Form):
    """The beats of a topic; of every topic where it names none."""

    topics: tuple[str, ...]
    facts: dict[str, tuple[str, ...]] = {}
    words: dict[str, tuple[str, ...]] = {}
    open: tuple[Beat, ...] = ()
    middle: tuple[Beat, ...]
    close: tuple[Beat, ...] = ()


class Reactions(_Form):
    """What a user says before it goes on."""

    user: Lines
    directions: tuple[str, ...]


class Repertoire(_Form):
    """All that can be said about a topic."""

    facts: dict[str, tuple[str, ...]]
    words: dict[str, tuple[str, ...]]
    open: tuple[Beat, ...]
    middle: tuple[Beat, ...]
    """The topic's own."""
    small_talk: tuple[Beat, ...]
    close: tuple[Beat, ...]
    reactions: Reactions

    @property
    def beats(self) -> tuple[Beat, ...]:
        return (*self.open, *self.middle, *self.small_talk, *self.close)


def list_slots(line: str) -> list[str]:
    """The slots of a line."""
    return _SLOT.findall(line)


def read_bank(path: Path) -> DuetBank:
    """Read one file. Raises pydantic's ValidationError where it does not have the form above."""
    return DuetBank.model_validate(YAML(typ="safe").load(path.read_text(encoding="utf-8")))


@cache
def find_repertoire(topic: str) -> Repertoire:
    """What there is to say about a topic; small talk where nobody wrote anything for it."""
    folder = GRAMMAR_DIR / "duet"
    banks = [read_bank(path) for path in sorted(folder.glob("topic-*.yaml"))]
    own = next((bank for bank in banks if topic in bank.topics), None)
    general = read_bank(folder / "small-talk.yaml")
    reactions = Reactions.model_validate(YAML(typ="safe").load((folder / "reactions.yaml").read_text(encoding="utf-8")))
    return Repertoire(
        facts={**general.facts, **(own.facts if own else {})},
        words={**general.words, **(own.words if own else {})},
        open=own.open if own and own.open else general.open,
        middle=own.middle if own else (),
        small_talk=general.middle,
        close=(*(own.close if own else ()), *general.close),
        reactions=reactions,
    )
