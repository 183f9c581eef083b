"""The dashboard over the wire: figures of a run, and what becomes of a topic's lot."""

from typing import Literal

from pydantic import Field

from review_ui.api.forms import Form

Disposition = Literal["release", "full-review", "regenerate"]
NextStep = Literal["continue", "release", "full-review", "regenerate"]


class DashboardQuery(Form):
    language: Literal["ko", "en"] = "ko"
    """Of the labels of findings and reasons."""


class AuditView(Form):
    """The random review of a topic's present lot, and its sequential test (2 % of defects against 8 %)."""

    reviewed: int
    good: int
    defects: int
    open: int
    """Drawn, and undecided."""
    later: int
    """Of those, put off by somebody."""
    disputed: int
    """Two disagree: these say nothing until a third looked, and no lot passes before."""
    bound: float | None
    """The highest defect rate, 0..1, that the sample is compatible with (95 %, one-sided); null without reviews."""
    verdict: Literal["open", "pass", "fail"]
    good_needed: int | None
    """How many more good ones in a row would pass; null once it is decided."""
    defects_to_fail: int
    """How many further defects in a row would fail."""
    log_likelihood_ratio: float
    pass_bound: float
    fail_bound: float
    next_steps: tuple[NextStep, ...]
    """What may follow; all but `continue` can be posted as a disposition."""


class DispositionView(Form):
    """What an author decided about a lot. `round`: which lot of the topic it was."""

    disposition: Disposition
    round: int
    reviewer: str
    at: float


class TopicView(Form):
    """A topic. `lot` = accepted + edited + flagged + released + waiting: what curation would publish."""

    name: str
    category: str
    quota: int | None
    round: int
    lot: int
    accepted: int
    edited: int
    flagged: int
    released: int
    """Undecided, and accepted with their lot."""
    waiting: int
    again: int
    """Missing from the quota, so that the next build makes them: quota - (lot - flagged), never below 0."""
    seconds: int
    """Waiting for a second, blind look."""
    thirds: int
    """Waiting for a third: two disagree."""
    audit: AuditView
    disposition: DispositionView | None
    """Of the present lot."""


class TotalsView(Form):
    """The topics' sums; `quota` null where no topic has one."""

    quota: int | None
    lot: int
    accepted: int
    edited: int
    flagged: int
    released: int
    waiting: int
    again: int
    seconds: int
    thirds: int


class ReasonView(Form):
    """How many dialogues of a topic are flagged for a reason; those that left the lot since, among them."""

    topic: str
    reason: str
    label: str
    count: int


class EstimateView(Form):
    """A coefficient with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


class AgreementView(Form):
    """Of dialogues that two looked at blind. Null: undefined."""

    pairs: int
    percent: EstimateView | None
    ac1: EstimateView | None
    alpha: EstimateView | None


class ReviewerView(Form):
    """`today`: decisions of this day, where the service runs; `count`: of all days.

    `median_ms`: looked at, on the last day with any.
    """

    name: str
    today: int
    count: int
    median_ms: float | None


class FacetView(Form):
    """A value to filter by, and how many dialogues in triage had it when curation was last taken over."""

    value: str
    label: str
    count: int


class FacetsView(Form):
    """`least`, `most`: the range of scores; null where there is none."""

    findings: tuple[FacetView, ...]
    personas: tuple[FacetView, ...]
    models: tuple[FacetView, ...]
    whys: tuple[FacetView, ...]
    least: float | None
    most: float | None


class DashboardAnswer(Form):
    topics: tuple[TopicView, ...]
    totals: TotalsView
    reasons: tuple[ReasonView, ...]
    agreement: AgreementView
    reviewers: tuple[ReviewerView, ...]
    leases: int
    """How many dialogues somebody looks at just now."""
    facets: FacetsView


class DispositionForm(Form):
    """What becomes of a lot. `round`: the lot that was on the screen; one that was regenerated since is refused."""

    disposition: Disposition
    round: int = Field(ge=1, le=1_000_000)


class DispositionAnswer(Form):
    """`count`: dialogues that it concerned; `is_new` False: it was decided so before."""

    disposition: Disposition
    round: int
    count: int
    is_new: bool
