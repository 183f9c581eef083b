"""From a scenario to the two messages of a request.

What requests share comes first, so that an endpoint's prompt cache can serve it: the rules, then the persona (the
system message), then examples, the topic, and at last the scenario. A picture goes with the user message, as a content
part behind its text.
"""

import hashlib
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datagen.budget import TOKENS_PER_CHARACTER
from datagen.errors import Problem, SpecError
from datagen.json_reply import build_response_format, render_json
from datagen.picture import Picture, count_tokens
from datagen.scenario import Scenario
from datagen.spec import LoadedSpec
from datagen.template import MISTAKES, describe_mistake, open_environment
from datagen.transcript import Transcript, parse_transcript

EXAMPLES_SHOWN = 2

SPEECH_LEVELS = {"banmal": "반말", "jondaetmal": "존댓말"}


@dataclass(frozen=True, slots=True)
class ShownPicture:
    """A picture on its way to the endpoint. `tokens`: estimated."""

    picture: Picture
    place: Path
    detail: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Prompt:
    """A request, as it is sent."""

    system: str
    user: str
    picture: ShownPicture | None = None
    response_format: dict[str, Any] | None = None
    """The form that the reply must have, as the endpoint is asked for it; None: text."""
    turns: tuple[str, ...] = ()
    """What was said after that, assistant and user in turn."""

    @property
    def messages(self) -> list[dict[str, Any]]:
        """As the endpoint reads them, the picture's whole content among them. Raises DataError where that is gone."""
        return self._list_messages(self.picture.picture.to_url(self.picture.place) if self.picture else "")

    @property
    def outline(self) -> list[dict[str, Any]]:
        """The messages with the picture's hash, `sha256:…`, in the place of its content."""
        return self._list_messages(f"sha256:{self.picture.picture.sha256}" if self.picture else "")

    def _list_messages(self, url: str) -> list[dict[str, Any]]:
        shown: str | list[dict[str, Any]] = self.user
        if self.picture is not None:
            image = {"type": "image_url", "image_url": {"url": url, "detail": self.picture.detail}}
            shown = [{"type": "text", "text": self.user}, image]
        first: list[dict[str, Any]] = [{"role": "system", "content": self.system}, {"role": "user", "content": shown}]
        roles = ("assistant", "user")
        return first + [{"role": roles[index % 2], "content": turn} for index, turn in enumerate(self.turns)]

    @property
    def sha256(self) -> str:
        """The fingerprint kept in ledger and rows: of the outline as JSON, UTF-8, keys in order, no spaces."""
        text = json.dumps(self.outline, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def characters(self) -> int:
        """Of its text and its schema; a picture counts as the text that would have as many tokens."""
        shown = round(self.picture.tokens / TOKENS_PER_CHARACTER) if self.picture else 0
        schema = len(json.dumps(self.response_format)) if self.response_format else 0
        return len(self.system) + len(self.user) + sum(map(len, self.turns)) + shown + schema


class PromptWriter:
    """Renders the prompts of one spec. Raises SpecError where a template is wrong."""

    def __init__(self, loaded: LoadedSpec) -> None:
        self._loaded = loaded
        spec = loaded.spec
        is_json = spec.reply == "json"
        self._response_format = build_response_format((spec.exchanges.min, spec.exchanges.max)) if is_json else None
        self._examples = {
            persona: [_to_json(text) if is_json else text for text in texts]
            for persona, texts in loaded.examples.items()
        }
        self._topics = {topic.name: topic for topic in loaded.spec.topics}
        environment = open_environment()
        try:
            system = environment.from_string(loaded.prompts.system)
            self._user = environment.from_string(loaded.prompts.user)
            self._picture = environment.from_string(loaded.prompts.picture or "")
            self._personas = {persona.id: persona for persona in loaded.personas}
            self._systems = {
                persona.id: system.render(
                    persona=persona, speech_level=SPEECH_LEVELS[persona.speech_level], reply=loaded.spec.reply
                )
                for persona in loaded.personas
            }
        except MISTAKES as exc:
            raise self._wrong_template(exc) from exc

    def write(self, scenario: Scenario, slot: int, tries: int) -> Prompt:
        """The prompt of a slot's draft; which examples it shows follows from seed, topic, slot and try."""
        examples = self._choose_examples(scenario, slot + tries)
        reply = self._loaded.spec.reply
        try:
            topic = self._topics[scenario.topic]
            user = self._user.render(topic=topic, scenario=scenario, examples=examples, reply=reply)
            shown = self._show_picture(scenario)
            if shown is not None:
                user += "\n\n" + self._picture.render(persona=self._personas[scenario.persona], scenario=scenario)
        except MISTAKES as exc:
            raise self._wrong_template(exc) from exc
        return Prompt(self._systems[scenario.persona], user, shown, self._response_format)

    def _choose_examples(self, scenario: Scenario, turn: int) -> list[str]:
        """Neighbours in the persona's list, each in turn and in the list's order.

        So all are shown equally often in every topic, and a persona has as many beginnings of a prompt as examples, not
        as many as there are pairs of them: benchmarks/README.md has what a prompt cache gains by it.
        """
        known = self._examples[scenario.persona]
        if not known:
            return []
        first = random.Random(f"{self._loaded.spec.seed}/{scenario.topic}/examples").randrange(len(known)) + turn
        return [known[at] for at in sorted({(first + step) % len(known) for step in range(EXAMPLES_SHOWN)})]

    def _show_picture(self, scenario: Scenario) -> ShownPicture | None:
        picture, spec = scenario.picture, self._loaded.spec
        if picture is None:
            return None
        tokens = count_tokens(picture, spec.picture_detail, spec.provider.model)
        return ShownPicture(picture, self._loaded.picture_places[picture.sha256], spec.picture_detail, tokens)

    def _wrong_template(self, exc: Exception) -> SpecError:
        folder = self._loaded.path.parent / "prompts"
        what, line = describe_mistake(exc)
        message = f"a prompt template is wrong: {what}"
        hint = "templates know `persona`, `speech_level`, `reply` (system.md), `topic`, `scenario`, `examples`, `reply`"
        hint += " (user.md) and `persona`, `scenario` (picture.md)"
        return SpecError([Problem(str(folder), line, message, hint)])


def _to_json(example: str) -> str:
    """A transcript in the form that is asked for; one that cannot be read stays as it is."""
    result = parse_transcript(example, (1, 60))
    return render_json(result.messages) if isinstance(result, Transcript) else example
