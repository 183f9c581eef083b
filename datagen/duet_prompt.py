"""The requests of a duet: each side sees its own system message and the dialogue from its own side.

For the user's model the roles are swapped: what it said is `assistant`. Between two summaries a side's messages only
grow, but for a note at the end of the last one, so that an endpoint's prompt cache serves all but the newest lines.
"""

from dataclasses import dataclass

from jinja2 import Template

from datagen.duet import Duet
from datagen.errors import Problem, SpecError
from datagen.ledger_duets import Kind
from datagen.prompt import SPEECH_LEVELS, Prompt
from datagen.scenario import Scenario
from datagen.spec import DuetPrompts, LoadedSpec, Persona, User
from datagen.template import MISTAKES, describe_mistake, open_environment
from datagen.utterance import END_MARK

_KNOWN = (
    "`persona`, `speech_level`, `topic`, `scenario`, `summary`, of the user's side also `user`, `user_speech_level`, "
    "`end_mark`, `exchanges`, and duet_note.md `side`, `told`, `number`, `exchanges`, `aim`, `is_last`"
)


@dataclass(frozen=True, slots=True)
class _Templates:
    user: Template
    persona: Template
    note: Template
    summary: Template


class DuetWriter:
    """Renders the requests of one spec's duets. Raises SpecError where a template is wrong."""

    def __init__(self, loaded: LoadedSpec) -> None:
        assert loaded.prompts.duet is not None  # the loader sees to it
        self._loaded = loaded
        self._topics = {topic.name: topic for topic in loaded.spec.topics}
        self._personas = {persona.id: persona for persona in loaded.personas}
        self._users = {user.id: user for user in loaded.users}
        self._templates = self._compile(loaded.prompts.duet)

    def find_persona(self, scenario: Scenario) -> Persona:
        return self._personas[scenario.persona]

    def find_user(self, scenario: Scenario) -> User:
        assert scenario.user is not None
        return self._users[scenario.user]

    def write(self, scenario: Scenario, duet: Duet, kind: Kind, number: int) -> Prompt:
        """The request for what comes next in a duet: `kind` and `number` as `Duet.find_next` gives them."""
        try:
            if kind == "summary":
                return self._write_summary(scenario, duet, number)
            if kind == "persona":
                return self._write_persona(scenario, duet)
            return self._write_user(scenario, duet)
        except MISTAKES as exc:
            raise self._wrong_template(exc) from exc

    def _write_user(self, scenario: Scenario, duet: Duet) -> Prompt:
        user, terms = self.find_user(scenario), duet.terms
        system = self._templates.user.render(
            **self._describe(scenario, duet),
            user=user,
            user_speech_level=SPEECH_LEVELS[user.speech_level],
            end_mark=END_MARK,
            exchanges=terms,
        )
        first, *rest = self._note("first", scenario, duet), *duet.window
        note = self._note("user", scenario, duet)
        if not rest:
            return Prompt(system, _join(first, note))
        return Prompt(system, first, turns=(*rest[:-1], _join(rest[-1], note)))

    def _write_persona(self, scenario: Scenario, duet: Duet) -> Prompt:
        system = self._templates.persona.render(**self._describe(scenario, duet))
        *before, last = duet.window
        lines = (*before, _join(last, self._note("persona", scenario, duet)))
        return Prompt(system, lines[0], turns=lines[1:])

    def _write_summary(self, scenario: Scenario, duet: Duet, told: int) -> Prompt:
        persona = self.find_persona(scenario)
        system = self._templates.summary.render(**self._describe(scenario, duet))
        names = ("유저", persona.name)
        texts = duet.texts[duet.told : told]
        return Prompt(system, "\n".join(f"{names[index % 2]}: {text}" for index, text in enumerate(texts)))

    def _describe(self, scenario: Scenario, duet: Duet) -> dict[str, object]:
        persona = self.find_persona(scenario)
        return {
            "persona": persona,
            "speech_level": SPEECH_LEVELS[persona.speech_level],
            "topic": self._topics[scenario.topic],
            "scenario": scenario,
            "summary": duet.summary,
        }

    def _note(self, side: str, scenario: Scenario, duet: Duet) -> str:
        return self._templates.note.render(
            side=side,
            persona=self.find_persona(scenario),
            told=duet.told,
            number=duet.exchange,
            exchanges=duet.terms,
            aim=duet.terms.aim,
            is_last=duet.must_end if side == "user" else duet.is_ending,
            end_mark=END_MARK,
        ).strip()

    def _compile(self, sources: DuetPrompts) -> _Templates:
        environment = open_environment()
        try:
            return _Templates(**{name: environment.from_string(text) for name, text in sources.model_dump().items()})
        except MISTAKES as exc:
            raise self._wrong_template(exc) from exc

    def _wrong_template(self, exc: Exception) -> SpecError:
        folder = self._loaded.path.parent / "prompts"
        what, line = describe_mistake(exc)
        message = f"a duet's prompt template is wrong: {what}"
        return SpecError([Problem(str(folder), line, message, f"templates know {_KNOWN}")])


def _join(text: str, note: str) -> str:
    return f"{text}\n\n{note}" if note else text
