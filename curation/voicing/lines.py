"""What of dialogues is to be spoken, by whom, and the key under which each recording is remembered."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from curation.recordings import spell_out
from datagen.record import Dialogue

LONGEST = 4_096
"""Characters that /v1/audio/speech takes at once (OpenAI's API reference, as of 2026)."""


@dataclass(frozen=True, slots=True)
class Casting:
    """Who speaks: the model, the voice of each persona, and in which format."""

    model: str
    voice: str
    """Of personas that have none of their own."""
    format: str
    voices: Mapping[str, str]
    """Persona's id → its own voice."""

    def find_voice(self, persona: str) -> str:
        return self.voices.get(persona, self.voice)


@dataclass(frozen=True, slots=True)
class Line:
    """One utterance of a persona."""

    id: str
    message: int
    text: str
    voice: str
    key: str
    """sha256 of model, voice, format and text: all that decides the recording."""


def list_lines(dialogues: Iterable[Dialogue], casting: Casting) -> Iterator[Line]:
    """What the personas say aloud, in order; utterances that are directions alone are left out."""
    for dialogue in dialogues:
        voice = casting.find_voice(dialogue.persona)
        for at, message in enumerate(dialogue.messages):
            if message.role == "assistant" and (text := spell_out(message.content)):
                yield Line(dialogue.id, at, text, voice, make_key(casting, voice, text))


def make_key(casting: Casting, voice: str, text: str) -> str:
    whole = ["voice", casting.model, voice, casting.format, text]
    return hashlib.sha256(json.dumps(whole, ensure_ascii=False).encode()).hexdigest()
