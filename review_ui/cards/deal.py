"""Deal cards: put together what the database, Parquet and curation know of the samples that somebody claimed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from curation.edits import put_text
from curation.lookup import compare_texts
from curation.reviewing.outcome import list_standing
from curation.reviewing.tables import EVENTS, SAMPLES
from datagen.errors import DataError
from datagen.record import Dialogue, Message
from review_ui.api.forms import Card, DecisionView, FindingView, NeighbourView, TurnView, WhyView
from review_ui.cards.card import (
    explain_why,
    view_dialogue,
    view_findings,
    view_persona,
    view_scenario,
    view_turns,
)
from review_ui.cards.recheck import list_rows
from review_ui.queue.claim import Mode
from review_ui.queue.decide import read_entries
from review_ui.reviewed_run import ReviewedRun, Snapshot
from review_ui.words import Language, say

NEIGHBOURS_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Reader:
    """For whom cards are dealt. `judged`: topics whose audit is over."""

    reviewer: str
    mode: Mode
    language: Language
    judged: Sequence[str]


@dataclass(frozen=True, slots=True)
class Shown:
    """The text that somebody gets to see. `revision` names it; `original` None: it is the original."""

    revision: int
    messages: tuple[Message, ...]
    original: tuple[Message, ...] | None


def deal(run: ReviewedRun, connection: sa.Connection, samples: Sequence[int], reader: Reader) -> list[Card]:
    """The cards of these samples, in their order. Raises DataError where a text is not there any more."""
    snapshot = run.look()
    rows = connection.execute(sa.select(SAMPLES).where(SAMPLES.c.sample.in_(samples))).all()
    found = {row.sample: row for row in rows}
    ordered = [found[sample] for sample in samples if sample in found]
    dialogues = load_texts(run, ordered)
    return [_Dealer(run, connection, snapshot, reader).deal(*pair) for pair in zip(ordered, dialogues, strict=True)]


def load_texts(run: ReviewedRun, rows: Sequence[Any]) -> list[Dialogue]:
    """The dialogues of these samples as they were generated, with their recordings.

    Raises DataError where one is not there any more.
    """
    dialogues = run.texts.load([(row.file, row.row) for row in rows])
    for row, dialogue in zip(rows, dialogues, strict=True):
        if dialogue.id != row.id:  # a decision about it would be about another text
            told = f"where the text of {row.id} should lie, there is that of {dialogue.id}"
            raise DataError(told, "run `damhwa curate` again: it measures anew")
    recordings = run.look().media.recordings
    return [recordings.add_to(dialogue) for dialogue in dialogues]


def is_blind(connection: sa.Connection, sample: Any, reviewer: str, judged: Sequence[str]) -> bool:
    """Whether a reviewer must not know what curation and others think of a sample: it is the audit's, and they have
    yet to decide."""
    if sample.pool != "audit" or (sample.verdict is None and sample.topic in judged):
        return False
    return find_mine(connection, sample, reviewer) is None


def pick_text(connection: sa.Connection, sample: Any, reviewer: str, original: tuple[Message, ...]) -> Shown:
    """The text that a reviewer sees: as it counts now; for who looks again blindly, as the first one saw it."""
    if sample.verdict != "edit":
        return Shown(sample.revision, original, None)
    if sample.state in ("second", "third"):
        seen = {each.reviewer for each in read_entries(connection, sample.sample)}
        if reviewer not in seen:
            return Shown(1, original, None)
    query = sa.select(EVENTS.c.messages).where(EVENTS.c.event == sample.event)
    edited = json.loads(connection.execute(query).scalar_one())
    return Shown(sample.revision, tuple(Message(each["role"], each["content"]) for each in edited), original)


@dataclass(frozen=True, slots=True)
class _Dealer:
    run: ReviewedRun
    connection: sa.Connection
    snapshot: Snapshot
    reader: Reader

    def deal(self, sample: Any, dialogue: Dialogue) -> Card:
        shown = pick_text(self.connection, sample, self.reader.reviewer, dialogue.messages)
        mine = find_mine(self.connection, sample, self.reader.reviewer)
        is_hidden = self.reader.mode == "audit" and mine is None
        rows = self.snapshot.shelf.list_findings(sample.id)
        if sample.revision > 1:  # what curation said may be about another revision than the one that is shown
            rows = list_rows(self.snapshot.recheck.find(dialogue, shown.messages))
        return Card(
            id=sample.id,
            revision=shown.revision,
            mode=self.reader.mode,
            topic=sample.topic,
            category=dialogue.category,
            persona=view_persona(sample.persona, self.snapshot.source.personas.get(sample.persona)),
            scenario=view_scenario(dialogue),
            model=sample.model,
            turns=self._view_turns(dialogue, shown),
            original=view_turns(shown.original) if shown.original else None,
            why=self._explain(sample, rows),
            findings=None if is_hidden else self._view_findings(rows),
            cluster=None if is_hidden else sample.cluster,
            neighbours=None if is_hidden else self._list_neighbours(sample, dialogue),
            held_until=sample.held_until if sample.holder == self.reader.reviewer else 0.0,
            state="open" if is_hidden else sample.state,
            verdict=None if is_hidden else sample.verdict,
            mine=mine,
        )

    def _view_turns(self, dialogue: Dialogue, shown: Shown) -> tuple[TurnView, ...]:
        """With the recordings of the text that is shown: an edited one may have been spoken anew."""
        return view_dialogue(self.snapshot.media.recordings.add_to(put_text(dialogue, shown.messages)))

    def _explain(self, sample: Any, rows: Sequence[Mapping[str, Any]]) -> WhyView:
        language = self.reader.language
        if self.reader.mode == "audit":
            return WhyView(code="audit", text=say("why.audit", language, topic=sample.topic))
        return explain_why(sample.why, rows, self.snapshot.limits, language)

    def _view_findings(self, rows: Sequence[Mapping[str, Any]]) -> tuple[FindingView, ...]:
        return view_findings(rows, self.snapshot.limits, self.reader.language)

    def _list_neighbours(self, sample: Any, dialogue: Dialogue) -> tuple[NeighbourView, ...]:
        if sample.cluster is None:
            return ()
        query = sa.select(SAMPLES).where(SAMPLES.c.run == sample.run, SAMPLES.c.cluster == sample.cluster)
        rows = self.connection.execute(query.where(SAMPLES.c.sample != sample.sample).limit(4 * NEIGHBOURS_SHOWN)).all()
        others = load_texts(self.run, rows)
        similarities = compare_texts(dialogue, others)
        ranked = sorted(zip(similarities, rows, others, strict=True), key=lambda each: (-each[0], each[1].id))
        return tuple(self._view_neighbour(*each) for each in ranked[:NEIGHBOURS_SHOWN])

    def _view_neighbour(self, similarity: float, row: Any, dialogue: Dialogue) -> NeighbourView:
        is_audits = row.pool == "audit" and (row.verdict is not None or row.topic not in self.reader.judged)
        shown = pick_text(self.connection, row, self.reader.reviewer, dialogue.messages)
        return NeighbourView(
            id=row.id,
            revision=shown.revision,
            similarity=round(similarity, 4),
            status=row.status,
            verdict=None if is_audits else row.verdict,
            can_decide=not is_audits,
            turns=self._view_turns(dialogue, shown),
        )


def find_mine(connection: sa.Connection, sample: Any, reviewer: str) -> DecisionView | None:
    """The reviewer's own decision about a sample that stands."""
    if sample.verdict is None:
        return None
    standing = {each.reviewer: each.event for each in list_standing(read_entries(connection, sample.sample))}
    if reviewer not in standing:
        return None
    row = connection.execute(sa.select(EVENTS).where(EVENTS.c.event == standing[reviewer])).one()
    return view_decision(row, sample, is_undone=False)


def view_decision(row: Any, sample: Any, is_undone: bool, undoes: str | None = None) -> DecisionView:
    """An event as the page gets it; `sample`: anything with id and topic."""
    names = ("key", "kind", "mode", "reviewer", "reason", "note", "turn", "at", "looked_ms")
    values = {name: getattr(row, name) for name in names}
    return DecisionView(id=sample.id, topic=sample.topic, is_undone=is_undone, undoes=undoes, **values)
