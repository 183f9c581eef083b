"""What a report is made of: tables with a row a dialogue or a finding, and a way to read a few dialogues in full.

The figures come from the tables' columns alone, so a million rows cost no more than their columns; the text of a
dialogue is read only for the few that are sampled, shown or mapped.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypedDict

import pyarrow as pa

from datagen.record import Dialogue

STATUSES = ("accepted", "reserve", "waiting", "dropped", "duplicate", "set-aside")
"""What became of a dialogue. accepted: in the dataset; reserve: as good, but its topic's quota is full; waiting: for a
reviewer; dropped: by a filter or a reviewer; duplicate: of one that was kept; set-aside: it would tie two splits."""

REJECTING = ("dropped", "duplicate", "set-aside")


class Leakage(TypedDict):
    """What a search for similar pairs across the splits found. `compared`: pairs whose similarity was taken."""

    highest: float | None
    threshold: float
    pair: tuple[str, str] | None
    compared: int


class Pair(TypedDict):
    left: str
    right: str
    similarity: float


class Bands(TypedDict):
    """How near-duplicates were looked for. `curve`: similarity → the chance to become a candidate there."""

    bands: int
    rows: int
    threshold: float
    curve: Sequence[tuple[float, float]]
    pairs: Sequence[Pair]


@dataclass(frozen=True, slots=True)
class ReportInput:
    """All that the report tells of one curated dataset. The tables may have more columns than their schemas."""

    dataset: str
    source: str
    """The folder, as a person would write it."""
    quotas: Mapping[str, tuple[str, int]] | None
    """Topic → its category and quota, in the order of the spec; None for a foreign folder."""
    decisions: pa.Table
    findings: pa.Table
    clusters: pa.Table
    load: Callable[[Sequence[str]], list[Dialogue]]
    """The dialogues of these ids, in this order."""
    persona_levels: Mapping[str, str | None]
    """Persona id → `banmal`, `jondaetmal`, or None where none is declared."""
    leakage: Leakage
    bands: Bands
    rejected: Mapping[str, Mapping[str, int]]
    """Topic → reason → drafts rejected before they became dialogues."""
    drafts: Mapping[str, Mapping[str, float | None]]
    """Topic → `drafts`, `cost_usd` (None: price unknown), `tokens`: all that was paid for."""
    baseline: Sequence[Dialogue] | None
    """Dialogues of one plain prompt asked again and again, to compare the diversity with."""
    settings_text: str
    """The curation settings as YAML."""
    created_at: datetime
    versions: Mapping[str, str] = field(default_factory=dict)
    judge: Mapping[str, object] | None = None
    """Figures of the optional judge, by name; a nested mapping is a group."""
    reviews: Mapping[str, int] | None = None
    """`reviewed`, `accepted`, `flagged`, `edited` dialogues, as people judged them; None: nobody has."""
    declared: Mapping[str, Mapping[str, Collection[str]]] | None = None
    """Topic → `situation`, `opening` or a facet's name → the values that the spec declares; None: not known."""
