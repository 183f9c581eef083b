"""From a scenario to the two messages of a request.

The system message depends on the persona alone, so that an endpoint's prompt cache can serve it.
"""

import hashlib
import json
import random
from dataclasses import dataclass

from jinja2 import Environment, StrictUndefined, TemplateError

from datagen.errors import Problem, SpecError
from datagen.scenario import Scenario
from datagen.spec import LoadedSpec

EXAMPLES_SHOWN = 2

_SPEECH_LEVELS = {"banmal": "반말", "jondaetmal": "존댓말"}


@dataclass(frozen=True, slots=True)
class Prompt:
    """The text of a request, as it is sent."""

    system: str
    user: str

    @property
    def messages(self) -> list[dict[str, str]]:
        return [{"role": "system", "content": self.system}, {"role": "user", "content": self.user}]

    @property
    def sha256(self) -> str:
        """The fingerprint kept in ledger and rows: of the messages as JSON, UTF-8, keys in order, no spaces."""
        text = json.dumps(self.messages, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def characters(self) -> int:
        return len(self.system) + len(self.user)


class PromptWriter:
    """Renders the prompts of one spec. Raises SpecError where a template is wrong."""

    def __init__(self, loaded: LoadedSpec) -> None:
        self._loaded = loaded
        self._topics = {topic.name: topic for topic in loaded.spec.topics}
        environment = Environment(undefined=StrictUndefined, keep_trailing_newline=False, autoescape=False)
        try:
            system = environment.from_string(loaded.prompts.system)
            self._user = environment.from_string(loaded.prompts.user)
            self._systems = {
                persona.id: system.render(persona=persona, speech_level=_SPEECH_LEVELS[persona.speech_level])
                for persona in loaded.personas
            }
        except TemplateError as exc:
            raise self._wrong_template(exc) from exc

    def write(self, scenario: Scenario, slot: int, tries: int) -> Prompt:
        """The prompt of a slot's draft; which examples it shows follows from seed, topic, slot and try."""
        rng = random.Random(f"{self._loaded.spec.seed}/{scenario.topic}/{slot}/{tries}/examples")
        known = self._loaded.examples[scenario.persona]
        examples = rng.sample(known, min(EXAMPLES_SHOWN, len(known)))
        try:
            user = self._user.render(topic=self._topics[scenario.topic], scenario=scenario, examples=examples)
        except TemplateError as exc:
            raise self._wrong_template(exc) from exc
        return Prompt(self._systems[scenario.persona], user)

    def _wrong_template(self, exc: TemplateError) -> SpecError:
        line = getattr(exc, "lineno", None)
        folder = self._loaded.path.parent / "prompts"
        message = f"a prompt template is wrong: {exc.message}"
        hint = "templates know `persona`, `speech_level` (system.md) and `topic`, `scenario`, `examples` (user.md)"
        return SpecError([Problem(str(folder), line, message, hint)])
