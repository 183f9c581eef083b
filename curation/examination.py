"""Examine the dialogues of a source: all that is decided about each of them, before anything is written.

    measure → rows → edits → findings → opinions → duplicates → settlement → leakage

The order matters in two places: an edit takes the place of its text before anything is judged; and what a filter drops
neither keeps nor drops a near-copy, so findings come before duplicates.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from curation.against import Contamination, find_contamination
from curation.damaged_media import list_damaged
from curation.duplicates.completion import complete_pairs
from curation.duplicates.index import DuplicateIndex
from curation.duplicates.pairs import Pairs as FoundPairs
from curation.edits import FOLDER, put_edits
from curation.engine import ONE_MACHINE, Engine
from curation.finding import Finding
from curation.kept_index import list_folded
from curation.measure import Ruler
from curation.memory import release_memory
from curation.opinions.desk import Desk
from curation.opinions.gather import Opinions, gather_opinions
from curation.opinions.judge import DISPUTABLE
from curation.opinions.material import Material
from curation.opinions.semantic import SemanticPairs, add_pairs, list_notes, select_new
from curation.overused import list_overused
from curation.people import (
    forget_rejected_edits,
    list_flagged,
    list_human,
    list_straddling,
    mark_banned,
    mark_eligible,
    mark_reviewed,
)
from curation.reviewing.draw import SIZE, draw_turn
from curation.reviewing.read import read_all_reviews
from curation.reviews import Reviews
from curation.rows import Rows, read_rows
from curation.settings import CurationSettings
from curation.settling.keepers import LargeCluster, Rank, find_large_cluster, label_clusters
from curation.settling.leakage import Leakage, check_leakage
from curation.settling.neighbours import Neighbours, Pairs
from curation.settling.settlement import Judged, Settlement, SettleSettings, Status, settle
from curation.settling.share_out import Strata
from curation.settling.split_memory import Codes, Split, read_memory, recall_splits
from curation.source import Source
from curation.verdicts import Findings, decide_findings
from datagen.errors import DataError, UsageError

Mask = npt.NDArray[np.bool_]
MOST_COMPARED = 300_000
"""Pairs across the splits that are compared one by one, for the highest similarity of a set without leaks."""
MEMORY_FILE = "splits.parquet"
NOT_COUNTED = (Status.DUPLICATE, Status.SET_ASIDE, Status.DROPPED)


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where one source is curated, and how. `folder` holds `curated/`, the cache and the memory."""

    folder: Path
    source: Source
    settings: CurationSettings
    review_share: float = 0.0
    """Share of each topic's dialogues, 0..1, that waits for a person's verdict."""
    against: tuple[Path, ...] = ()
    """Other data: what resembles any of it is dropped."""

    @property
    def cache(self) -> Path:
        return self.folder / ".curation"


@dataclass(frozen=True, slots=True)
class Similar:
    """Who resembles whom."""

    index: DuplicateIndex
    pairs: FoundPairs
    """At or above the looser threshold, as they were found."""
    neighbours: Neighbours
    clusters: npt.NDArray[np.int64]
    """[n] The row with the smallest id in each row's cluster, at the threshold of removal."""
    large: LargeCluster | None
    semantic: SemanticPairs | None
    """Pairs that mean the same and are no duplicates by their letters; None: nobody asked."""


@dataclass(frozen=True, slots=True)
class Found:
    """Pairs as the index lists them, before anybody is ranked."""

    index: DuplicateIndex
    pairs: FoundPairs
    neighbours: Neighbours


@dataclass(frozen=True, slots=True)
class Examination:
    """All that was decided."""

    work: Workplace
    rows: Rows
    findings: Findings
    opinions: Opinions
    similar: Similar
    reviews: Reviews
    settlement: Settlement
    leakage: Leakage
    compared: int
    """Pairs across the splits whose similarity was taken."""
    remembered: dict[str, Split]
    contamination: Contamination | None

    def list_flagged(self) -> list[int]:
        """Rows that people flagged; of an edited dialogue the text as generated too."""
        return list_flagged(self.rows, self.reviews)

    def count_reasons(self) -> dict[str, dict[str, int]]:
        """Topic → reason → dialogues that do not count, the most frequent first."""
        topics, counts = self.rows.column("topic"), defaultdict[str, Counter[str]](Counter)
        codes = self.findings.first_codes()
        for row, status in enumerate(self.settlement.status.tolist()):
            if status in NOT_COUNTED and self.rows.is_readable[row]:
                counts[topics[row]][codes.get(row, Status(status).word)] += 1
        return {topic: dict(each.most_common()) for topic, each in counts.items()}


def examine(
    work: Workplace,
    tell: Callable[[int], None] = lambda _: None,
    desk: Desk | None = None,
    engine: Engine = ONE_MACHINE,
) -> Examination:
    """Decide about every dialogue of the source; `tell` is called with the number of rows that were measured.

    `desk`: where models are asked, if the settings say so; None: one of the folder's own. `engine`: where the two heavy
    stages run. Raises DataError where nothing could be read, and what `gather_opinions` raises.
    """
    ruler = Ruler.of(work.source, dict(work.settings.filters), work.folder)
    rows = read_rows(engine.measure(work.source, ruler, work.cache / "measured", tell))
    _check_readable(work, rows)
    index = engine.index(work.cache / "index", work.settings.index_settings, rows.files)
    reviews = read_all_reviews(work.folder)
    rows = put_edits(rows, reviews, ruler, work.cache / FOLDER)
    if rows.replaced:  # never kept: the next file of dialogues takes the place of these rows
        index.add(list_folded(rows.files[-1:]))
    pairs = index.pairs(index.settings.split_threshold)
    neighbours = _join(rows, index, pairs)
    findings = decide_findings(rows.files, work.settings.filters)
    findings += list_damaged(rows, work.folder)
    dropped = findings.dropped(len(rows)), findings.dropped(len(rows), beside=DISPUTABLE)
    material = Material(rows, work.source.personas, *dropped)
    opinions = gather_opinions(desk or Desk(work.folder), work.settings, material)
    findings += opinions.findings
    contamination = _find_contamination(work, rows, index)
    findings += contamination.list_findings() if contamination else ()
    order = _rank(rows, findings, reviews, opinions).order(neighbours)
    counting = (rows.is_readable & ~findings.dropped(len(rows)))[order]
    findings += list_overused(rows, order[counting], work.settings.opening)
    findings += list_human(rows, reviews)
    rank = _rank(rows, findings, reviews, opinions)
    similar = _complete(work, rows, Found(index, pairs, neighbours), rank, opinions.semantic)
    findings += _note_semantic(work, rows, similar)
    memory = read_memory(work.folder / MEMORY_FILE)
    remembered = recall_splits(rows.ids, memory)
    findings += list_straddling(rows, similar.neighbours, remembered, work.settings.splits.threshold)
    eligible = mark_eligible(rows, reviews, findings)
    waiting = _draw_waiting(rows, work.review_share) & ~rank.reviewed
    strata = Strata(rows.column("topic"), rows.column("persona"))
    judged = Judged(similar.neighbours, strata, rank, eligible, mark_banned(rows, reviews), waiting)
    settlement = settle(judged, forget_rejected_edits(rows, eligible, remembered), _list_settle_settings(work))
    leakage, compared = _find_leakage(work, similar, settlement.split)
    release_memory()
    return Examination(
        work, rows, findings, opinions, similar, reviews, settlement, leakage, compared, memory, contamination
    )


def _check_readable(work: Workplace, rows: Rows) -> None:
    if rows.ids:
        return
    if not rows.unreadable:
        raise UsageError(
            f"{work.source.folder} holds no dialogue yet", "fill it with `damhwa generate` or `damhwa build`"
        )
    shown = "\n".join(f"{each.file}{f':{each.row}' if each.row else ''}: {each.what}" for each in rows.unreadable[:10])
    more = f"\n… and {len(rows.unreadable) - 10:,} more" if len(rows.unreadable) > 10 else ""
    hint = "a dialogue is a `messages` or `text` column of role and content, user first, in turn"
    raise DataError(f"nothing in {work.source.folder} could be read:\n{shown}{more}", hint)


def _find_contamination(work: Workplace, rows: Rows, index: DuplicateIndex) -> Contamination | None:
    found = find_contamination(index, work.against, work.settings.splits.threshold)
    if found is None:
        return None
    return replace(found, hits=tuple(hit for hit in found.hits if rows.is_readable[hit.row]))


def _join(rows: Rows, index: DuplicateIndex, pairs: FoundPairs) -> Neighbours:
    return Neighbours.of(rows.ids_apart(), index.representatives(), Pairs(pairs.left, pairs.right, pairs.similarity))


def _complete(work: Workplace, rows: Rows, found: Found, rank: Rank, said: SemanticPairs | None) -> Similar:
    """Add the pairs that the best rows of large clusters need to be kept: which these are, the findings say.

    `said`: pairs that a model says mean the same; those join the others where the settings say that they drop.
    """
    pairs = complete_pairs(found.index, found.pairs, rank.order(found.neighbours))
    is_larger = len(pairs) != len(found.pairs)
    settings, semantic = work.settings.duplicates, work.settings.semantic
    if said is not None and semantic is not None:
        representatives = found.index.representatives()
        said = select_new(said, pairs, representatives, settings.threshold)
        if semantic.drop:
            pairs, is_larger = add_pairs(pairs, said, representatives), True
    neighbours = _join(rows, found.index, pairs) if is_larger else found.neighbours
    clusters = label_clusters(neighbours, settings.threshold, rows.is_readable)
    large = find_large_cluster(neighbours, clusters[rows.is_readable], settings.max_cluster_share)
    return Similar(found.index, pairs, neighbours, clusters, large, said)


def _note_semantic(work: Workplace, rows: Rows, similar: Similar) -> Iterator[tuple[int, Finding]]:
    """Nothing where such pairs drop: then the clusters name them."""
    settings = work.settings.semantic
    if similar.semantic is not None and settings is not None and not settings.drop:
        yield from list_notes(similar.semantic, rows.ids, settings.threshold)


def _rank(rows: Rows, findings: Findings, reviews: Reviews, opinions: Opinions) -> Rank:
    reviewed = mark_reviewed(rows, reviews, "accept", "edit")
    return Rank(reviewed, opinions.scores, findings.count_notes(len(rows)), rows.numbers("characters"))


def _list_settle_settings(work: Workplace) -> SettleSettings:
    asked = work.source.quotas
    quotas = None if asked is None else {topic: quota for topic, (_, quota) in asked.items()}
    return SettleSettings(quotas, work.settings.duplicates.threshold, work.settings.splits)


def _find_leakage(work: Workplace, similar: Similar, split: Codes) -> tuple[Leakage, int]:
    leakage = check_leakage(similar.neighbours, split, work.settings.splits.threshold)
    return _find_highest(similar.index, split) if leakage.highest is None else (leakage, len(similar.pairs))


def _find_highest(index: DuplicateIndex, split: Codes) -> tuple[Leakage, int]:
    """No pair across the splits reaches the threshold: how near the nearest comes, where all can be compared."""
    held_out, train = np.flatnonzero(split > 0), np.flatnonzero(split == 0)
    validation, test = held_out[split[held_out] == 1], held_out[split[held_out] == 2]
    if not 0 < len(held_out) * len(train) + len(validation) * len(test) <= MOST_COMPARED:
        return Leakage(None, None, 0), 0
    left = np.concatenate((np.repeat(held_out, len(train)), np.repeat(validation, len(test))))
    right = np.concatenate((np.tile(train, len(held_out)), np.tile(test, len(validation))))
    similarity, _ = index.compare(left, right)
    at = int(similarity.argmax())
    return Leakage(float(similarity[at]), (int(left[at]), int(right[at])), 0), len(left)


def _draw_waiting(rows: Rows, share: float) -> Mask:
    """A share of the rows that follows from their ids alone, so that the same ones wait at every call."""
    if share <= 0:
        return np.zeros(len(rows), dtype=np.bool_)
    return np.fromiter((draw_turn(id_) for id_ in rows.ids), np.int64, len(rows)) < share * SIZE
