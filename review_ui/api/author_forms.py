"""The authors' part of what goes over the wire: specs and their edits, checks and forecasts, builds.

The edit itself is `datagen.topic_forms.SpecEdit`. Costs are US dollars, null where a price is unknown.
"""

from typing import Literal

from pydantic import Field

from datagen.topic_forms import TopicText
from review_ui.api.forms import Form, Name, SpecProblem


class TopicForecastView(Form):
    """What a topic will take, rejected drafts included. `combinations`: different scenarios that it can make."""

    name: str
    category: str
    quota: int
    situations: int
    combinations: int
    pictures: int = 0
    requests: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None


class ForecastView(Form):
    """As `damhwa check --json` prints it."""

    dataset: str
    model: str
    quota: int
    requests: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int | None = None
    """Of a duet's prompts, which an endpoint's cache should know."""
    cost_usd: float | None
    batch_cost_usd: float | None
    topics: tuple[TopicForecastView, ...]


class LackView(Form):
    """A topic with fewer dialogues than its quota. `held`: waiting for a person's word; `lacks`: to be made."""

    name: str
    quota: int
    has: int
    held: int
    lacks: int


class NextBuildView(Form):
    """`refusal`: what the build will say instead of going on in this run; null: it will go on."""

    lacks: tuple[LackView, ...]
    refusal: str | None


class SpecItem(Form):
    """`name`: the spec's dataset; `file`: as the command line named it; `problems`: how many the check finds."""

    name: str
    file: str
    run: str
    topics: int
    quota: int
    problems: int


class SpecsAnswer(Form):
    specs: tuple[SpecItem, ...]


class SpecAnswer(Form):
    """A spec as its file is now. `fingerprint`: goes into every edit; `forecast`, `next_build`: null if it is wrong."""

    name: str
    file: str
    run: str
    dataset: str
    fingerprint: str
    quota: int
    topics: tuple[TopicText, ...]
    problems: tuple[SpecProblem, ...]
    forecast: ForecastView | None
    next_build: NextBuildView | None


class SpecCheckAnswer(Form):
    """What `damhwa check` would say of the spec with this edit; `forecast`: null if it finds something."""

    problems: tuple[SpecProblem, ...]
    forecast: ForecastView | None


class BuildForm(Form):
    """`budget_usd`: the build stops before it spends more than this."""

    spec: Name
    budget_usd: float | None = Field(default=None, gt=0, le=1e9)


class TopicProgressView(Form):
    """`accepted`: valid dialogues; `curated`: those that curation accepted, null before the first curation."""

    name: str
    quota: int
    accepted: int
    rejected: int
    curated: int | None
    cost_usd: float | None


class BuildView(Form):
    """A run's build at one moment; figures are the whole run's, `seconds` and `per_minute` of this call.

    `state`: `none` where this service started none, `elsewhere` where another process (`pid`) builds it. `per_minute`:
    valid dialogues a minute; `lines`: the last that the command printed.
    """

    run: str
    spec: str
    state: Literal["none", "elsewhere", "running", "stopping", "done", "stopped", "failed"]
    is_under_way: bool
    pid: int | None
    seconds: float
    quota: int
    accepted: int
    rejected: int
    curated: int | None
    requests: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    per_minute: float | None
    topics: tuple[TopicProgressView, ...]
    exit_code: int | None
    lines: tuple[str, ...]


class BuildsAnswer(Form):
    """`is_offline`: builds ask the simulator."""

    builds: tuple[BuildView, ...]
    is_offline: bool
