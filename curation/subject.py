"""What a filter looks at: one dialogue, its utterances taken apart once for all filters, and who speaks.

A stage direction is what stands between single asterisks (`*밝게 웃으며*`). `speech` is the utterance with its
directions blanked out by spaces, so that a span found in it is the same span of the stored text.
"""

import re
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Utterance:
    """One message. `index` counts from 0 over the whole dialogue."""

    index: int
    role: Role
    text: str
    speech: str
    """The text with directions blanked out: of the same length, so that spans stay true."""

    @classmethod
    def of(cls, text: str, role: Role = "assistant", index: int = 0) -> "Utterance":
        return cls(index, role, text, blank_directions(text))

    @property
    def directions(self) -> tuple[Span, ...]:
        """The stage directions, asterisks included."""
        if "*" not in self.text:
            return ()
        return tuple(Span(*found.span()) for found in _DIRECTION.finditer(self.text))


def blank_directions(text: str) -> str:
    return _DIRECTION.sub(lambda found: " " * len(found[0]), text) if "*" in text else text


@dataclass(frozen=True, slots=True)
class Subject:
    """One dialogue under judgement. `persona` None: nothing is known of who answers."""

    id: str
    topic: str
    persona: PersonaSheet | None
    utterances: tuple[Utterance, ...]
    persona_utterances: tuple[Utterance, ...]
    whole: str
    """All utterances, a line break between them: what is nowhere in it need not be looked for in each."""

    @classmethod
    def of(
        cls, messages: tuple[Message, ...], persona: PersonaSheet | None, id_: str = "", topic: str = ""
    ) -> "Subject":
        utterances = tuple([Utterance.of(each.content, each.role, index) for index, each in enumerate(messages)])
        answers = tuple([each for each in utterances if each.role == "assistant"])
        return cls(id_, topic, persona, utterances, answers, "\n".join([each.text for each in utterances]))
