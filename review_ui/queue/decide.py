"""Take a decision: into the log, and all that follows from it, in one transaction.

The law of the page: a decision names the sample, the revision of the text that was on the screen, and a key that the
screen made for it. What does not match is refused; what comes twice is stored once.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import sqlalchemy as sa

from curation.finding import Finding
from curation.reviewing.draw import is_second_due
from curation.reviewing.outcome import (
    Entry,
    Facts,
    Outcome,
    State,
    Verdict,
    decide_outcome,
    list_tallies,
)
from curation.reviewing.tables import EVENTS, PACES, SAMPLES, TALLIES
from curation.reviews import EDIT_REJECTED
from review_ui.queue import statements
from review_ui.queue.judged import keep_verdict, list_judged
from review_ui.statistics.pace import bucket_of, name_day

_TO_COME = 2**62
"""In place of the number of an event that is not stored yet: later than all others."""
_COPIED = (
    "key",
    "reviewer",
    "kind",
    "mode",
    "revision",
    "note",
    "turn",
    "messages",
    "findings",
    "looked_ms",
    "screen",
    "decided_at",
    "source",
)
Kind = Literal["accept", "flag", "edit", "later", "undo"]
PAGE = "page"
"""Where a decision was taken, if not elsewhere."""
SECOND_SHARE = 0.1
"""Share of the audited dialogues that get a second, blind look."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a reviewer decided, as the screen tells it.

    `sample_id`: the dialogue's id; `revision`: of the text that was on the screen; `turn` counts from 0; `messages`:
    of an edit, the whole dialogue as JSON, with `findings`, what the filters say of it, and `is_rejected`, whether they
    drop it.
    `undoes`: the key of the decision that an undo takes back. Times are seconds since 1970.
    """

    key: str
    sample_id: str
    revision: int
    kind: Kind
    mode: str
    reviewer: str
    looked_ms: int
    decided_at: float
    reason: str | None = None
    note: str | None = None
    turn: int | None = None
    messages: str | None = None
    findings: str | None = None
    is_rejected: bool = False
    undoes: str | None = None
    screen: str = "{}"
    source: str = PAGE


@dataclass(frozen=True, slots=True)
class Stored:
    """A decision that is in the log. `is_new` False: it was there before. `revision`: of the text from now on."""

    event: int
    is_new: bool
    revision: int
    state: State
    verdict: Verdict | None


Code = Literal["unknown", "stale", "mode", "key", "undo"]


class RefusedError(Exception):
    """A decision that does not match. `code` for programs, the message for people."""

    def __init__(self, code: Code, message: str, revision: int | None = None) -> None:
        super().__init__(message)
        self.code: Code = code
        self.revision = revision


@dataclass(frozen=True, slots=True)
class Desk:
    """Where decisions of a run are taken. `share`: of audited dialogues that get a second look, 0..1."""

    run: int
    share: float = SECOND_SHARE

    def decide(self, connection: sa.Connection, decision: Decision, now: float) -> Stored:
        """Store a decision, and what follows from it. Raises RefusedError."""
        known = connection.execute(statements.EVENT, {"key": decision.key}).one_or_none()
        if known is not None:
            return self._repeat(connection, decision, known)
        return self._store(connection, self._lock(connection, decision), decision, now)

    def decide_all(self, connection: sa.Connection, decisions: Sequence[Decision], now: float) -> list[Stored]:
        """Store several, or none: what a comparison of a cluster decides. Raises RefusedError."""
        stored = {
            each.key: self.decide(connection, each, now) for each in sorted(decisions, key=lambda each: each.sample_id)
        }
        return [stored[each.key] for each in decisions]

    def _repeat(self, connection: sa.Connection, decision: Decision, known: Any) -> Stored:
        sample = connection.execute(sa.select(SAMPLES).where(SAMPLES.c.sample == known.sample)).one()
        same = (sample.id, sample.run, known.reviewer, known.kind, known.revision)
        if same != (decision.sample_id, self.run, decision.reviewer, decision.kind, decision.revision):
            raise RefusedError("key", f"the key {decision.key} was used for another decision")
        return Stored(known.event, False, sample.revision, sample.state, sample.verdict)

    def _lock(self, connection: sa.Connection, decision: Decision) -> Any:
        sample = connection.execute(statements.LOCK, {"run": self.run, "id": decision.sample_id}).one_or_none()
        if sample is None:
            raise RefusedError("unknown", f"there is no dialogue {decision.sample_id} to review here")
        if decision.kind != "undo" and decision.revision not in self._list_revisions(connection, sample, decision):
            told = f"{sample.id} has revision {sample.revision}, the screen showed {decision.revision}"
            raise RefusedError("stale", told, sample.revision)
        self._check_mode(connection, sample, decision)
        return sample

    def _list_revisions(self, connection: sa.Connection, sample: Any, decision: Decision) -> tuple[int, ...]:
        """The text's; for somebody who looks again without knowing what others said, what the first one saw too."""
        is_again = sample.state in ("second", "third") and sample.revision != decision.revision == 1
        if is_again and decision.reviewer not in {each.reviewer for each in read_entries(connection, sample.sample)}:
            return (1, sample.revision)
        return (sample.revision,)

    def _check_mode(self, connection: sa.Connection, sample: Any, decision: Decision) -> None:
        """The two modes never mix; triage gets what the audit left once the lot has its verdict.

        What one decided oneself can be undone wherever the dialogue is by now.
        """
        if decision.kind == "undo":
            return
        if decision.mode == "audit" and sample.pool != "audit":
            raise RefusedError("mode", f"{sample.id} is not in the audit: decide about it in triage")
        is_audits = decision.mode == "triage" and sample.pool == "audit"
        if is_audits and (sample.verdict is not None or sample.topic not in list_judged(connection, self.run)):
            raise RefusedError("mode", f"{sample.id} belongs to the audit: decide about it there")

    def _store(self, connection: sa.Connection, sample: Any, decision: Decision, now: float) -> Stored:
        undone = self._find_undone(connection, sample, decision)
        kept = self._read_kept_edit(connection, sample, decision)
        if kept is not None:
            decision = replace(decision, messages=kept)
        entry = to_entry(
            Entry(_TO_COME, decision.reviewer, decision.kind, _name_reason(decision), undone.event if undone else None),
            decision.messages is not None,
        )
        # of a dialogue that is open, and was not put off, no decision stands: nothing before this one counts
        is_fresh = sample.state == "open" and not sample.later
        entries = [*(() if is_fresh else read_entries(connection, sample.sample)), entry]
        outcome = decide_outcome(entries, self._is_second_due(sample, _find_pool(sample, decision)))
        revision = sample.revision + (kept is None and _find_edit(sample) != _find_edit(outcome))
        values = {name: getattr(decision, name) for name in _COPIED}
        values |= {"run": self.run, "sample": sample.sample, "undoes": entry.undoes, "at": now}
        values |= {"reason": _name_reason(decision), "made_revision": revision if revision != sample.revision else None}
        inserted = connection.execute(statements.STORE, values).inserted_primary_key
        assert inserted is not None
        if outcome.event == _TO_COME:
            outcome = replace(outcome, event=inserted[0])
        self._settle(connection, sample, decision, outcome, revision)
        if decision.source == PAGE and decision.kind in ("accept", "flag", "edit"):
            self._count_pace(connection, decision, now)
        return Stored(inserted[0], True, revision, outcome.state, outcome.verdict)

    @staticmethod
    def _read_kept_edit(connection: sa.Connection, sample: Any, decision: Decision) -> str | None:
        """Who accepts an edited text keeps the edit: its turns. None: it is the text as generated that is judged."""
        if decision.kind != "accept" or _find_edit(sample) is None or decision.revision != sample.revision:
            return None
        query = sa.select(EVENTS.c.messages).where(EVENTS.c.event == sample.event)
        return str(connection.execute(query).scalar_one())

    def _find_undone(self, connection: sa.Connection, sample: Any, decision: Decision) -> Any:
        if decision.kind != "undo":
            return None
        undone = connection.execute(statements.EVENT, {"key": decision.undoes or ""}).one_or_none()
        if undone is None or undone.sample != sample.sample:
            raise RefusedError("undo", f"there is no decision {decision.undoes} about {sample.id}")
        if undone.reviewer != decision.reviewer:
            raise RefusedError("undo", f"the decision {decision.undoes} is {undone.reviewer}'s: only they can undo it")
        if undone.kind == "undo":
            raise RefusedError("undo", "an undo cannot be undone: decide again instead")
        return undone

    def _settle(
        self, connection: sa.Connection, sample: Any, decision: Decision, outcome: Outcome, revision: int
    ) -> None:
        """Write what follows into the sample, and change what counts it."""
        values: dict[str, Any] = {
            name: getattr(outcome, name) for name in ("state", "verdict", "reason", "pair", "event", "later")
        }
        values |= {"revision": revision, "pool": _find_pool(sample, decision)}
        is_own = sample.holder == decision.reviewer
        values |= {"holder": None if is_own else sample.holder, "held_until": 0.0 if is_own else sample.held_until}
        connection.execute(statements.SETTLE, {"of": sample.sample} | {f"new_{name}": values[name] for name in values})
        before = Facts(*(getattr(sample, name) for name in Facts.__slots__))
        changed = {name: values[name] for name in ("pool", "later", "state", "verdict", "reason", "pair")}
        change_tallies(connection, self.run, sample.topic, before, replace(before, **changed))
        if sample.pool == "audit":
            keep_verdict(connection, self.run, sample.topic, decision.kind == "undo")

    def _is_second_due(self, sample: Any, pool: str) -> bool:
        return pool == "audit" and is_second_due(sample.id, self.share)

    def _count_pace(self, connection: sa.Connection, decision: Decision, now: float) -> None:
        day = name_day(now)
        values = {"run": self.run, "reviewer": decision.reviewer, "day": day, "bucket": bucket_of(decision.looked_ms)}
        add_counts(connection, PACES, [values | {"count": 1}])


def read_entries(connection: sa.Connection, sample: int) -> list[Entry]:
    """The events of a sample, as far as its outcome needs them."""
    rows = connection.execute(statements.ENTRIES, {"of": sample})
    return [to_entry(Entry(*row[1:]), bool(row[0])) for row in rows]


def _name_reason(decision: Decision) -> str | None:
    return EDIT_REJECTED if decision.is_rejected else decision.reason


def _find_pool(sample: Any, decision: Decision) -> str:
    """The pool that a dialogue is in after the decision: what triage takes from the audit stays in triage."""
    is_taken = sample.pool == "audit" and decision.mode == "triage" and decision.kind != "undo"
    return "triage" if is_taken else str(sample.pool)


def _find_edit(decided: Any) -> int | None:
    """The event whose text takes the place of the original; None: the original stands. Of a sample or an outcome."""
    return decided.event if decided.verdict == "edit" else None


def to_entry(entry: Entry, has_messages: bool) -> Entry:
    """An edit that the filters dropped is a flag; an edited text that was accepted is an edit."""
    if entry.kind == "edit" and entry.reason == EDIT_REJECTED:
        return replace(entry, kind="flag")
    return replace(entry, kind="edit") if entry.kind == "accept" and has_messages else entry


def change_tallies(connection: sa.Connection, run: int, topic: str, before: Facts, after: Facts) -> None:
    """Move a sample from the counters that it counted in to those that it counts in now."""
    change = Counter(list_tallies(after))
    change.subtract(list_tallies(before))
    # in one order everywhere, so that two transactions never wait for each other
    rows = [
        {"run": run, "topic": topic, "name": name, "count": count} for name, count in sorted(change.items()) if count
    ]
    add_counts(connection, TALLIES, rows)


def add_counts(connection: sa.Connection, table: sa.Table, rows: Iterable[dict[str, Any]]) -> None:
    """Add counts to what the rows with these keys count; new ones begin at it."""
    if rows := list(rows):
        connection.execute(statements.add_to(table, connection.dialect.name), rows)


def encode_messages(messages: Iterable[tuple[str, str]]) -> str:
    """Turns of role and content, as an event keeps them."""
    return json.dumps([{"role": role, "content": content} for role, content in messages], ensure_ascii=False)


def encode_findings(findings: Iterable[Finding]) -> str:
    """What the filters said of an edit, as an event keeps it."""
    return json.dumps([asdict(each) for each in findings], ensure_ascii=False)
