"""report.json: its keys, as types. Everything is a plain JSON value; shares lie in 0..1, numbers are rounded.

`build.build_report` writes it, `page.render_report` and `card.render_card` read nothing else.
"""

from typing import Literal, TypedDict

VERSION = 1


class Counts(TypedDict):
    """Dialogues by what became of them."""

    accepted: int
    reserve: int
    waiting: int
    dropped: int
    duplicate: int
    set_aside: int


class Spending(TypedDict):
    """`drafts`, `tokens`: paid for in all, also those that never became dialogues. Null: not known."""

    drafts: int | None
    tokens: int | None
    cost_usd: float | None
    cost_per_accepted_usd: float | None
    passed: float | None
    """Accepted and reserve, as a share of the drafts (of the dialogues where drafts are not known)."""


class Headline(TypedDict):
    dialogues: int
    quota: int | None
    topics: int
    topics_met: int | None
    counts: Counts
    spending: Spending


class TopicRow(TypedDict):
    """`topic` null: all topics beyond the largest 200, added up."""

    topic: str | None
    category: str
    quota: int | None
    dialogues: int
    counts: Counts
    spending: Spending


class SplitRow(TypedDict):
    split: str
    dialogues: int
    share: float
    topics: int


class ReasonColumn(TypedDict):
    """`draft`: rejected before it became a dialogue; `curation`: afterwards."""

    code: str
    stage: Literal["draft", "curation"]


class ReasonRow(TypedDict):
    topic: str | None
    counts: list[int]


class Reasons(TypedDict):
    """The first reason of everything that was rejected: a column a reason, most frequent first within its stage."""

    columns: list[ReasonColumn]
    rows: list[ReasonRow]


class RuleRow(TypedDict):
    """Dialogues in which a rule found something, accepted or not."""

    code: str
    rule: str
    dropped: int
    noted: int


class Bin(TypedDict):
    """`start` ≤ value < `end`; `end` null: no upper bound."""

    start: float
    end: float | None
    count: int


class Distribution(TypedDict):
    count: int
    minimum: float
    median: float
    mean: float
    p95: float
    maximum: float
    bins: list[Bin]


class SpeechRow(TypedDict):
    """`noted`, `dropped`: dialogues with such a `speech-level` finding; a dropped one is not counted as noted."""

    persona: str
    level: str | None
    dialogues: int
    noted: int
    dropped: int


class Measures(TypedDict):
    """Of the same number of dialogues on both sides, since every one of these depends on it."""

    dialogues: int
    distinct_1: float
    distinct_2: float
    self_bleu: float
    compression_ratio: float
    opening_bits: float
    opening_kinds: float
    reply_bits: float
    reply_kinds: float
    near_duplicates: float


class CoverageRow(TypedDict):
    """`name`: `situation`, `opening` or a facet; values count per topic. `available`: in the spec, else in all rows."""

    name: str
    used: int
    available: int


class Coverage(TypedDict):
    dialogues: int
    combinations: int
    from_spec: bool
    rows: list[CoverageRow]


class Diversity(TypedDict):
    this: Measures | None
    baseline: Measures | None
    threshold: float
    coverage: Coverage | None


class LeakageFigures(TypedDict):
    highest: float | None
    threshold: float
    pair: list[str] | None
    compared: int
    passed: bool


class Map(TypedDict):
    """Columns of equal length; `topic` counts in `topics`."""

    topics: list[str]
    x: list[float]
    y: list[float]
    id: list[str]
    line: list[str]
    topic: list[int]
    status: list[str]
    split: list[str | None]


class Mark(TypedDict):
    start: int
    end: int
    verdict: str


class Excerpt(TypedDict):
    """One message, or its middle. `marks` count in `text`; `flagged`: a finding is about the whole message."""

    index: int
    role: str
    text: str
    cut_before: bool
    cut_after: bool
    flagged: bool
    marks: list[Mark]


class Quote(TypedDict):
    """A dialogue as far as it is shown. `turns`: of the whole."""

    id: str
    turns: int
    messages: list[Excerpt]


class Evidence(TypedDict):
    code: str
    rule: str
    message: int | None
    evidence: str
    score: float
    threshold: float
    verdict: str


class Example(TypedDict):
    topic: str
    persona: str
    quote: Quote
    findings: list[Evidence]
    keeper: Quote | None
    similarity: float | None


class ExampleGroup(TypedDict):
    code: str
    dialogues: int
    examples: list[Example]


class ShownPair(TypedDict):
    left: Quote
    right: Quote
    similarity: float


class Duplicates(TypedDict):
    """`removed`: dropped for a keeper. `kinds`, `similarities`: of all but the keepers. `largest`: of a cluster."""

    removed: int
    kinds: dict[str, int]
    largest: int
    largest_share: float
    bands: int
    rows: int
    threshold: float
    curve: list[list[float]]
    similarities: list[Bin]
    pairs: list[ShownPair]


class Figure(TypedDict):
    """A figure by its name, with `/` between a group and it."""

    name: str
    value: str


class Report(TypedDict):
    version: int
    dataset: str
    source: str
    created_at: str
    versions: dict[str, str]
    providers: dict[str, int]
    models: dict[str, int]
    personas: dict[str, int]
    simulated: int
    """Accepted dialogues that the offline simulator made (all dialogues where none is accepted)."""
    headline: Headline
    topics: list[TopicRow]
    splits: list[SplitRow]
    reasons: Reasons
    rules: list[RuleRow]
    characters: Distribution | None
    turns: Distribution | None
    speech: list[SpeechRow]
    diversity: Diversity
    leakage: LeakageFigures
    map: Map
    duplicates: Duplicates
    examples: list[ExampleGroup]
    judge: list[Figure]
    reviews: dict[str, int] | None
    settings: str
