"""What a data author asks for: the dataset, its topics and quotas, its personas, the model.

These are the forms of the YAML files; `spec_file` reads them and finds the mistakes, with line numbers.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from datagen.picture import Picture

MIN_PERSONA_AGE = 19
"""Years. Adulthood in Korea; a spec with a younger persona is refused."""

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=64)]
SpeechLevel = Literal["banmal", "jondaetmal"]
Facets = dict[Text, Annotated[tuple[Text, ...], Field(min_length=1)]]


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Exchanges(_Form):
    """How long a dialogue may be, in exchanges: one user utterance and the persona's answer."""

    min: int = Field(ge=1, le=60)
    max: int = Field(ge=1, le=60)

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min {self.min} is greater than max {self.max}, expected min ≤ max")
        return self


class ProviderSettings(_Form):
    """The `provider:` block. Options of the command line override it."""

    model: Text
    base_url: tuple[str, ...] | str = ()
    """OpenAI-compatible endpoints that share the load; empty: OPENAI_BASE_URL, or OpenAI's own."""
    api_key_env: str = "OPENAI_API_KEY"
    """Name of the environment variable with the key; the key itself stands in no file."""
    temperature: float = Field(0.9, ge=0, le=2)
    max_completion_tokens: int = Field(3000, ge=64)
    """Tokens. Five long exchanges of Korean stay below 1,500; the rest is head-room against runaway replies."""
    concurrency: int = Field(32, ge=1, le=2048)
    """Requests in flight at once."""
    max_tries: int = Field(3, ge=1, le=100)
    """Drafts for one situation before the slot takes another."""
    timeout_s: float = Field(120, gt=0)
    """Seconds for one request, all of it."""
    rpm: int | None = Field(None, ge=1)
    """Requests per minute; None: learned from the endpoint."""
    tpm: int | None = Field(None, ge=1)
    """Tokens per minute; None: no limit of ours."""
    budget_usd: float | None = Field(None, gt=0)
    budget_tokens: int | None = Field(None, ge=1)


class VoiceSettings(_Form):
    """The `voice:` block: how `damhwa voice` has the persona's utterances spoken."""

    model: Text
    voice: Text
    """The voice's name at the endpoint; a persona's own `voice` comes before it."""
    format: Literal["wav", "mp3", "opus"] = "wav"
    base_url: tuple[str, ...] | str = ()
    """OpenAI-compatible endpoints with `/audio/speech`; empty: OPENAI_BASE_URL, or OpenAI's own."""
    api_key_env: str = "OPENAI_API_KEY"
    concurrency: int = Field(8, ge=1, le=256)
    """Requests in flight at once."""
    timeout_s: float = Field(120, gt=0)
    """Seconds for one request, all of it."""
    rpm: int | None = Field(None, ge=1)
    """Requests per minute; None: learned from the endpoint."""
    budget_usd: float | None = Field(None, gt=0)
    """US dollars of one call of `damhwa voice`."""

    def to_provider(self) -> ProviderSettings:
        """As any other model is asked."""
        return ProviderSettings(**self.model_dump(exclude={"voice", "format"}))


class Topic(_Form):
    """One topic with the number of accepted dialogues that it must have."""

    name: Text
    category: Text
    quota: int = Field(gt=0)
    brief: Text
    situations: tuple[Text, ...] = Field(min_length=1)
    facets: Facets = {}
    pictures: Text | None = None
    """A folder or a pattern, relative to the spec: each dialogue is about one of these pictures."""


class Persona(_Form):
    """Who answers. `system_prompt` is also what export and chat templates use."""

    id: Identifier
    name: Text
    age: int = Field(ge=MIN_PERSONA_AGE)
    speech_level: SpeechLevel
    user_placeholder: Text = "{유저}"
    system_prompt: Text
    examples: tuple[str, ...] = ()
    """Transcripts for this persona instead of the spec's; patterns relative to the persona's file."""
    voice: Text | None = None
    """Who speaks for it at the endpoint of the spec's `voice:` block; None: the voice that stands there."""


class Typing(_Form):
    """How somebody writes messages, in words for the model."""

    spelling: Text
    """맞춤법 and spacing."""
    shortening: Text
    """줄임말 and abbreviations."""
    emoticons: Text
    """ㅋㅋ, ㅠㅠ, ^^; none is an answer too."""
    sentences: Text
    """How long they are, and how many come at once."""


class User(_Form):
    """Who a model plays opposite the persona in a duet. `system_prompt` tells it who it is."""

    id: Identifier
    age: int = Field(ge=MIN_PERSONA_AGE)
    mood: Text
    goal: Text
    """What this person wants of the conversation."""
    speech_level: SpeechLevel
    typing: Typing
    system_prompt: Text


class Spec(_Form):
    """A dataset, as its file says it. Paths are relative to the file."""

    dataset: Identifier
    language: Literal["ko"]
    mode: Literal["transcript", "duet"] = "transcript"
    """Whether one request writes a whole dialogue, or two models talk to one another, a request an utterance."""
    seed: int = 0
    personas: tuple[str, ...] = Field(min_length=1)
    users: tuple[str, ...] = ()
    """Of a duet: files of user simulators, or patterns."""
    context_tokens: int = Field(4000, ge=200)
    """Of a duet: tokens of dialogue that a request carries in full, estimated at 0.8 a character; what is older is told
    in a summary. 4,000 hold about 30 exchanges of 160 characters."""
    exchanges: Exchanges
    provider: ProviderSettings
    openings: tuple[Text, ...] = ()
    facets: Facets = {}
    topics: tuple[Topic, ...] = Field(min_length=1)
    examples: tuple[str, ...] = ()
    reply: Literal["transcript", "json"] = "transcript"
    """How the model writes a dialogue down; `json` takes an endpoint that knows `response_format` with a schema."""
    picture_detail: Literal["auto", "low", "high", "original"] = "auto"
    """How closely the endpoint looks at a picture, in its own words; `low` costs least."""
    voice: VoiceSettings | None = None
    """None: `damhwa voice` takes all from its options."""

    @model_validator(mode="after")
    def _replies_as_its_mode_can(self) -> Self:
        if self.mode == "duet" and self.reply != "transcript":
            raise ValueError("reply: json is for whole dialogues, in a duet each reply is one utterance; leave it out")
        return self


class DuetPrompts(_Form):
    """The jinja2 sources of a duet's requests."""

    user: str
    """System message of the user simulator."""
    persona: str
    """System message of the persona."""
    note: str
    """What the stage whispers at the end of the last message: how far the dialogue is."""
    summary: str
    """System message of a summary."""


class Prompts(_Form):
    """The jinja2 sources of the two messages of a request."""

    system: str
    user: str
    picture: str | None = None
    """What is added to the second where a picture comes with it; None: no topic has one."""
    duet: DuetPrompts | None = None


class LoadedSpec(_Form):
    """A spec with everything that it points at: what `generate` needs, and what a run freezes."""

    path: Path
    spec: Spec
    personas: tuple[Persona, ...]
    users: tuple[User, ...] = ()
    examples: dict[str, tuple[str, ...]]
    """Persona id → the transcripts that its requests may show."""
    prompts: Prompts
    own_prompts: frozenset[str] = frozenset()
    """Those of `prompts` that lie beside the spec; the others come with the package."""
    pictures: dict[str, tuple[Picture, ...]] = {}
    """Topic → its pictures, of topics that have any."""
    picture_places: dict[str, Path] = {}
    """sha256 → where that picture lies."""

    @property
    def persona_ids(self) -> tuple[str, ...]:
        return tuple(persona.id for persona in self.personas)

    @property
    def user_ids(self) -> tuple[str, ...]:
        return tuple(user.id for user in self.users)

    @property
    def categories(self) -> dict[str, str]:
        """Topic → its category."""
        return {topic.name: topic.category for topic in self.spec.topics}

    @property
    def quota(self) -> int:
        """Dialogues in all."""
        return sum(topic.quota for topic in self.spec.topics)
