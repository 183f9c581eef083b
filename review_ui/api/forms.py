"""What goes over the wire, in both directions: the forms of `/api/v1`. The page uses nothing else.

Times are seconds since 1970 (UTC), turns and characters count from 0, `end` is exclusive. Strict in what is taken: an
unknown field or an oversized text is refused with its place.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Mode = Literal["audit", "triage"]
Reason = Literal["persona", "fact", "unsafe", "speech-level", "duplicate", "broken"]
Verdict = Literal["accept", "flag", "edit"]
State = Literal["open", "second", "third", "done"]
Role = Literal["user", "assistant"]
Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{8,64}$")]
"""Of a decision: made by the screen, 122 random bits or so."""
SampleId = Annotated[str, StringConstraints(min_length=1, max_length=512)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=256)]
MAX_NOTE = 2_000
MAX_TURN = 20_000


class Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Problem(Form):
    """Every answer that is no success. `code` for programs; `message` and `hint` for people."""

    code: str
    message: str
    hint: str | None = None
    revision: int | None = None
    """Of the text as it is now, where the screen's was an older one."""
    findings: tuple["FindingView", ...] | None = None
    problems: tuple["SpecProblem", ...] | None = None


class SpecProblem(Form):
    """A mistake, as `damhwa check` tells it. `location`: keys and places (from 0) that lead to the value meant."""

    file: str
    line: int | None
    message: str
    hint: str | None
    location: tuple[int | str, ...]


class FindingView(Form):
    """What a filter saw. `label`: of the code, in the language asked for; `line`: the score that drops, if any does."""

    code: str
    rule: str
    label: str
    message: int | None
    start: int | None
    end: int | None
    evidence: str
    score: float
    threshold: float
    line: float | None
    verdict: Literal["drop", "note"]


class MediumView(Form):
    """A picture that a turn shows, or a recording of it: `GET /runs/{run}/media/{sha256}` has the file.

    `about`: what is to be seen, where the scenario names it.
    """

    kind: Literal["image", "audio"]
    sha256: str
    media_type: str
    size: int
    about: str


class TurnView(Form):
    """One turn. `directions`: its stage directions, asterisks included, as [start, end]."""

    role: Role
    content: str
    directions: tuple[tuple[int, int], ...]
    media: tuple[MediumView, ...] = ()


class PersonaView(Form):
    id: str
    name: str
    speech_level: Literal["banmal", "jondaetmal"] | None
    system_prompt: str


class ScenarioItem(Form):
    name: str
    value: str


class NeighbourView(Form):
    """Another dialogue of the same cluster. `can_decide`: False where it belongs to the audit."""

    id: str
    revision: int
    similarity: float
    status: str
    verdict: Verdict | None
    can_decide: bool
    turns: tuple[TurnView, ...]


class WhyView(Form):
    """Why this dialogue is here: a code, and a sentence in the language asked for."""

    code: str
    text: str


class DecisionView(Form):
    """A decision that was taken. `is_undone`: taken back since."""

    key: str
    id: str
    topic: str
    kind: Literal["accept", "flag", "edit", "later", "undo"]
    mode: Mode
    reviewer: str
    reason: str | None
    note: str | None
    turn: int | None
    at: float
    looked_ms: int
    is_undone: bool
    undoes: str | None = None


class Card(Form):
    """One dialogue to look at.

    In the audit `why` tells nothing of curation, and `findings`, `neighbours` are null until one's own decision.
    """

    id: str
    revision: int
    mode: Mode
    topic: str
    category: str
    persona: PersonaView
    scenario: tuple[ScenarioItem, ...]
    model: str
    turns: tuple[TurnView, ...]
    original: tuple[TurnView, ...] | None
    """As it was generated, where the text was edited since."""
    why: WhyView
    findings: tuple[FindingView, ...] | None
    cluster: str | None
    neighbours: tuple[NeighbourView, ...] | None
    held_until: float
    state: State
    verdict: Verdict | None
    mine: DecisionView | None
    """One's own decision that stands."""


class ClaimForm(Form):
    """Which dialogues are wanted. All but `mode`, `topic`, `count`, `left_out` belong to triage."""

    mode: Mode
    topic: Name | None = None
    persona: Name | None = None
    finding: Name | None = None
    model: Name | None = None
    why: Name | None = None
    least: float | None = None
    most: float | None = None
    text: Annotated[str, StringConstraints(max_length=200)] | None = None
    sample: SampleId | None = None
    """One dialogue in particular."""
    count: int = Field(default=1, ge=1, le=5)
    left_out: tuple[SampleId, ...] = Field(default=(), max_length=500)
    """Ids that the screen holds, or has decided about and has yet to tell."""
    language: Literal["ko", "en"] = "ko"


class ClaimAnswer(Form):
    """`waiting`: how many are left in what was asked for, at most 1,000; `notice`: why there is none."""

    cards: tuple[Card, ...]
    waiting: int
    notice: str | None = None


class TurnEdit(Form):
    turn: int = Field(ge=0, le=10_000)
    content: Annotated[str, StringConstraints(min_length=1, max_length=MAX_TURN)]


class Screen(Form):
    """What was on the screen when it was decided."""

    language: Literal["ko", "en"] = "ko"
    mode: Mode
    findings: int | None = None
    """How many findings were shown; null: they were hidden."""
    width: int | None = Field(default=None, ge=0, le=100_000)
    is_offline: bool = False


class DecisionForm(Form):
    """One decision. `edits` belong to an edit, `reason` to a flag, `undoes` (a key) to an undo."""

    key: Key
    id: SampleId
    revision: int = Field(ge=1)
    kind: Literal["accept", "flag", "edit", "later", "undo"]
    mode: Mode
    reason: Reason | None = None
    note: Annotated[str, StringConstraints(max_length=MAX_NOTE)] | None = None
    turn: int | None = Field(default=None, ge=0, le=10_000)
    edits: tuple[TurnEdit, ...] = Field(default=(), max_length=100)
    undoes: Key | None = None
    looked_ms: int = Field(ge=0, le=2_000_000_000)
    decided_at: float = Field(ge=0, le=1e11)
    screen: Screen


class DecisionAnswer(Form):
    """`is_new` False: the same decision was stored before, and counts once."""

    is_new: bool
    revision: int
    state: State
    verdict: Verdict | None
    findings: tuple[FindingView, ...] | None = None
    """Of an edit: what the filters say of it."""


class CheckForm(Form):
    """An edit to be looked at by the filters, without deciding anything."""

    id: SampleId
    revision: int = Field(ge=1)
    edits: tuple[TurnEdit, ...] = Field(min_length=1, max_length=100)
    language: Literal["ko", "en"] = "ko"


class CheckAnswer(Form):
    findings: tuple[FindingView, ...]
    is_dropped: bool


class ClusterMember(Form):
    id: SampleId
    revision: int = Field(ge=1)


class ClusterForm(Form):
    """What becomes of a cluster that was compared side by side: keep one (the first member), keep all, drop all."""

    key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{8,48}$")]
    choice: Literal["keep-one", "keep-all", "drop-all"]
    mode: Literal["triage"] = "triage"
    members: tuple[ClusterMember, ...] = Field(min_length=2, max_length=50)
    looked_ms: int = Field(ge=0, le=2_000_000_000)
    decided_at: float = Field(ge=0, le=1e11)
    screen: Screen


class ClusterAnswer(Form):
    stored: tuple[DecisionAnswer, ...]


class ReleaseForm(Form):
    """Ids to let go of; null: all that one holds."""

    ids: tuple[SampleId, ...] | None = Field(default=None, max_length=500)


class ReleaseAnswer(Form):
    released: int


class LeaseView(Form):
    id: str
    topic: str
    mode: Literal["audit", "triage", "none"]
    holder: str
    until: float


class LeasesAnswer(Form):
    leases: tuple[LeaseView, ...]
    now: float


class HistoryAnswer(Form):
    decisions: tuple[DecisionView, ...]


class RunView(Form):
    name: str
    samples: int


class RunsAnswer(Form):
    runs: tuple[RunView, ...]


class MeAnswer(Form):
    """Who one is. `csrf`: goes into the header `X-CSRF-Token` of every write."""

    name: str
    role: Literal["reviewer", "author", "admin"]
    csrf: str
