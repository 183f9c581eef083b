"""Take over verdicts from elsewhere: `reviews.jsonl`, Argilla, Label Studio.

They go into the log like any decision, with where they come from. Nobody knows what those people saw, so a dialogue of
the audit that they decided about leaves it: such a verdict says nothing about the lot.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from curation.reviewing.outcome import Facts
from curation.reviewing.tables import EVENTS, SAMPLES
from curation.reviews import EDIT_REJECTED, Review
from review_ui.queue.decide import Decision, Desk, RefusedError, change_tallies, encode_messages

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class TakenOver:
    """`stored`: verdicts that are new; `known`: that were there; `refused`: a sentence each."""

    stored: int
    known: int
    refused: tuple[str, ...]


def take_over(connection: sa.Connection, desk: Desk, reviews: Iterable[Review], source: str, now: float) -> TakenOver:
    """Store verdicts, in their order; the same ones again are known and change nothing."""
    stored, refused = 0, []
    keyed = [(_make_key(desk.run, review), review) for review in reviews]
    there = _find_stored(connection, [key for key, _ in keyed])
    fresh = {key: review for key, review in keyed if key not in there}  # a line that stands twice is one verdict
    for key, review in fresh.items():
        query = sa.select(SAMPLES).where(SAMPLES.c.run == desk.run, SAMPLES.c.id == review.id)
        row = connection.execute(query.with_for_update()).one_or_none()
        if row is None:
            refused.append(f"{review.id}: there is no such dialogue to review")
            continue
        mode = "triage"
        if row.pool == "audit":
            mode = "audit" if row.verdict is not None else _leave_audit(connection, row)
        try:
            desk.decide(connection, _to_decision(review, key, row.revision, mode, source), now)
            stored += 1
        except RefusedError as exc:
            refused.append(f"{review.id}: {exc}")
    return TakenOver(stored, len(keyed) - len(fresh), tuple(refused))


def _find_stored(connection: sa.Connection, keys: Sequence[str]) -> set[str]:
    """Those of these keys that the log has: all verdicts are looked at again whenever `curated/` was made anew."""
    there: set[str] = set()
    for start in range(0, len(keys), _CHUNK):
        query = sa.select(EVENTS.c.key).where(EVENTS.c.key.in_(keys[start : start + _CHUNK]))
        there |= set(connection.execute(query).scalars())
    return there


def _to_decision(review: Review, key: str, revision: int, mode: str, source: str) -> Decision:
    turns = [(each.role, each.content) for each in review.messages or ()]
    return Decision(
        key=key,
        sample_id=review.id,
        revision=revision,
        kind=review.verdict,
        mode=mode,
        reviewer=review.reviewer,
        looked_ms=0,
        decided_at=review.at.timestamp(),
        reason=review.reason if review.verdict == "flag" else None,
        note=review.note,
        turn=review.turn,
        messages=encode_messages(turns) if turns else None,
        is_rejected=review.verdict == "flag" and review.reason == EDIT_REJECTED,
        source=source,
    )


def _make_key(run: int, review: Review) -> str:
    whole = json.dumps([run, review.model_dump(mode="json", exclude={"event", "revision"})], ensure_ascii=False)
    return "taken-" + hashlib.sha256(whole.encode()).hexdigest()[:40]


def _leave_audit(connection: sa.Connection, sample: Any) -> str:
    """Move an undecided sample to triage, and return that mode."""
    before = Facts(*(getattr(sample, name) for name in Facts.__slots__))
    connection.execute(sa.update(SAMPLES).where(SAMPLES.c.sample == sample.sample).values(pool="triage"))
    change_tallies(connection, sample.run, sample.topic, before, replace(before, pool="triage"))
    return "triage"
