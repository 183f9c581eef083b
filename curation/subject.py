"""What a filter looks at: one dialogue, its utterances taken apart once for all filters, and who speaks.

A stage direction is what stands between single asterisks (`*밝게 웃으며*`). `speech` is the utterance with its
directions blanked out by spaces, so that a span found in it is the same span of the stored text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from datagen.record import Message, Role

SpeechLevel = Literal["banmal", "jondaetmal"]

_DIRECTION = re.compile(r"(?<!\*)\*(?!\*)[^*\n]+\*(?!\*)")


@dataclass(frozen=True, slots=True)
class PersonaSheet:
    """What curation knows of a persona. `speech_level` None: not declared, so not judged."""

    id: str
    name: str
    speech_level: SpeechLevel | None = None
    user_placeholder: str = "{유저}"
    system_prompt: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start` to `end` (exclusive) of one utterance."""

    start: int
    end: int


@dataclass(frozen=True)
class Utterance:
    """One message. `index` counts from 0 over the whole dialogue."""

    index: int
    role: Role
    text: str

    @cached_property
    def directions(self) -> tuple[Span, ...]:
        """The stage directions, asterisks included."""
        if "*" not in self.text:
            return ()
        return tuple(Span(*found.span()) for found in _DIRECTION.finditer(self.text))

    @cached_property
    def speech(self) -> str:
        """The text with directions blanked out: of the same length, so that spans stay true."""
        if "*" not in self.text:
            return self.text
        return _DIRECTION.sub(lambda found: " " * len(found[0]), self.text)


@dataclass(frozen=True)
class Subject:
    """One dialogue under judgement. `persona` None: nothing is known of who answers."""

    id: str
    topic: str
    persona: PersonaSheet | None
    utterances: tuple[Utterance, ...]

    @classmethod
    def of(
        cls, messages: tuple[Message, ...], persona: PersonaSheet | None, id_: str = "", topic: str = ""
    ) -> "Subject":
        utterances = tuple(Utterance(index, each.role, each.content) for index, each in enumerate(messages))
        return cls(id_, topic, persona, utterances)

    @property
    def persona_utterances(self) -> Iterator[Utterance]:
        return (each for each in self.utterances if each.role == "assistant")

    @property
    def user_utterances(self) -> Iterator[Utterance]:
        return (each for each in self.utterances if each.role == "user")
