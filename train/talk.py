"""What the terminal and the page share: who answers, how a reply is drawn, and what leaves a context that is full."""

import json
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from datagen.errors import DataError, SpecError, UsageError
from datagen.form_file import FormReader
from datagen.spec import Persona

Messages = Sequence[dict[str, str]]
"""`{"role", "content"}` each: the system prompt where there is one, then user and assistant in turns, user first."""
Speak = Callable[[Messages, Event], Generator[str, None, None]]
"""Gives the pieces of a reply until it is whole or the event is set. Raises TooLongError, ProviderError."""


class TooLongError(Exception):
    """The messages leave the model no room for a reply."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a token is drawn. `temperature` 0: the likeliest one. `seed` None: another reply every time."""

    temperature: float = 0.8
    top_p: float = 0.95
    max_new_tokens: int = 512
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Partner:
    """Who answers, and through what. `system_prompt` None: the model's own, from its chat template."""

    model: str
    speak: Speak
    id: str = ""
    name: str = "모델"
    system_prompt: str | None = None

    @classmethod
    def of(cls, model: str, speak: Speak, persona: Persona | None) -> "Partner":
        if persona is None:
            return cls(model, speak)
        return cls(model, speak, persona.id, persona.name, persona.system_prompt)


def find_persona(place: Path | None, file: Path | None) -> Persona | None:
    """The persona of a file, else that a model's folder was trained or merged with; None where neither tells.

    Raises SpecError where the file is wrong, DataError where the folder's own record is.
    """
    if file is not None:
        reader = FormReader()
        persona = reader.validate(file, reader.read_yaml(file), Persona)
        if persona is None:
            raise SpecError(reader.problems, "the persona")
        return persona
    records = [place / name for name in ("manifest.json", "lineage.json")] if place else []
    for record in filter(Path.is_file, records):
        try:
            return Persona.model_validate(json.loads(record.read_text(encoding="utf-8"))["persona"])
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise DataError(f"{record} tells no persona: {exc}", "give one with --persona FILE") from exc
    return None


def answer(partner: Partner, messages: Messages, stop: Event) -> Generator[str | int, None, None]:
    """The reply's pieces; before them, where not all fits, how many of the oldest exchanges were left out.

    Raises UsageError where the last message alone is too long, ProviderError where the model fails; what came stands.
    """
    system = [{"role": "system", "content": partner.system_prompt}] if partner.system_prompt else []
    too_few, enough, last = -1, None, (len(messages) - 1) // 2
    left = 0  # then 1, 2, 4 … until it is enough, and then between the last two
    while too_few < last and not stop.is_set():
        is_least = left == too_few + 1
        # A reply that is left in the middle sets its event, so one that only shows that it fits has its own.
        with closing(partner.speak([*system, *messages[2 * left :]], stop if is_least else Event())) as pieces:
            try:
                first = next(pieces, "")
            except TooLongError:
                too_few = left
            else:
                if is_least:
                    yield from [left] if left else []
                    yield first
                    yield from pieces
                    return
                enough = left
        left = (too_few + enough + 1) // 2 if enough is not None and enough > too_few else min(2 * left or 1, last)
    if not stop.is_set():
        raise UsageError("the message does not fit the model's context", "say it in fewer words")
