"""What people's verdicts do to the rows: who is vouched for, who is out, and what goes with it.

accept  stays in whatever a filter says.
flag    is out with all that resembles it, so that a bad dialogue does not come back as its own near-copy. A flagged
        duplicate is out alone: what resembles it is what the reviewer kept.
edit    is judged by the edited text: what a filter drops is out, alone, and its place is free. A person's word stands
        above a model's opinion, so the judge and moderation drop no edit.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from curation.finding import Finding
from curation.opinions import judge, moderation
from curation.reviews import DROPS_ALONE, Review, Reviews
from curation.rows import Rows
from curation.settling.neighbours import Neighbours
from curation.settling.split_memory import SPLITS, Codes
from curation.settling.ties import list_ties
from curation.verdicts import Findings

Mask = npt.NDArray[np.bool_]
HUMAN = "human"
"""Code of the findings that people made."""
STRADDLES = "edit-straddles-splits"
"""Rule of the finding that an edited text resembles a dialogue of another split."""
_OPINIONS = (judge.CODE, moderation.CODE)


def list_reviewed(rows: Rows, reviews: Reviews) -> Iterator[tuple[int, Review]]:
    """The rows that somebody judged, each with the verdict that counts."""
    if reviews.by_id:
        number = {id_: row for row, id_ in enumerate(rows.ids) if rows.is_readable[row]}
        for id_, review in reviews.by_id.items():
            if id_ in number:
                yield number[id_], review


def mark_reviewed(rows: Rows, reviews: Reviews, *verdicts: str) -> Mask:
    """[n] The rows with one of these verdicts."""
    mask = np.zeros(len(rows), dtype=np.bool_)
    mask[[row for row, review in list_reviewed(rows, reviews) if review.verdict in verdicts]] = True
    return mask


def list_flagged(rows: Rows, reviews: Reviews) -> list[int]:
    """Rows that people flagged; of an edited dialogue the text as generated too."""
    flagged = [row for row, review in list_reviewed(rows, reviews) if review.verdict == "flag"]
    return flagged + [rows.replaced[row] for row in flagged if row in rows.replaced]


def mark_banned(rows: Rows, reviews: Reviews) -> Mask:
    """[n] The flagged rows that take with them what resembles them."""
    mask = np.zeros(len(rows), dtype=np.bool_)
    mask[[row for row in list_flagged(rows, reviews) if reviews.by_id[rows.ids[row]].reason not in DROPS_ALONE]] = True
    return mask


def mark_eligible(rows: Rows, reviews: Reviews, findings: Findings) -> Mask:
    """[n] The rows that may be kept."""
    edited, accepted = mark_reviewed(rows, reviews, "edit"), mark_reviewed(rows, reviews, "accept")
    spared = accepted | (edited & ~findings.dropped(len(rows), beside=_OPINIONS))
    straddling = [row for row, each in findings.items if (each.code, each.rule) == (HUMAN, STRADDLES)]
    spared[straddling] = False
    eligible: Mask = rows.is_readable & (spared | ~findings.dropped(len(rows)))
    return eligible


def list_human(rows: Rows, reviews: Reviews) -> Iterator[tuple[int, Finding]]:
    """A finding that drops for each flag."""
    for row, review in list_reviewed(rows, reviews):
        if review.verdict == "flag":
            told = " · ".join(part for part in (review.reason, review.note) if part) or "검수자가 플래그함"
            yield row, Finding(HUMAN, review.reason or "flag", review.turn, None, None, told, 1.0, 1.0, "drop")


def list_straddling(
    rows: Rows, neighbours: Neighbours, remembered: Codes, threshold: float
) -> Iterator[tuple[int, Finding]]:
    """A finding that drops for each edited text that resembles a dialogue of another split than its own.

    A row never leaves the split that it was given, so such a text can be in none. One without a split is a new row
    among others, and settled like one.
    """
    edited = np.zeros(len(rows), dtype=np.bool_)
    edited[list(rows.replaced)] = True
    if not edited.any():
        return
    for tie in list_ties(neighbours, remembered, edited & (remembered >= 0), threshold):
        own = SPLITS[remembered[tie.row]]
        at = 1 if tie.splits[0] == own else 0
        other, similarity = rows.ids[tie.neighbours[at]], tie.similarity[at]
        told = f"고친 글이 {tie.splits[at]}의 대화와 닮음: {other} ({own}에 있던 대화)"
        yield tie.row, Finding(HUMAN, STRADDLES, None, None, None, told, similarity, threshold, "drop")


def forget_rejected_edits(rows: Rows, eligible: Mask, remembered: Codes) -> Codes:
    """The splits remembered, without those of edited texts that never were in one."""
    edited = [row for row in rows.replaced if not eligible[row]]
    remembered = remembered.copy()
    remembered[edited] = -1
    return remembered
