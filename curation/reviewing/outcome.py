"""What follows from the decisions about one dialogue: the verdict that counts, and whether somebody has to look again.

A second, blind look is due at a share of the audited dialogues; where the two disagree, a third decides by majority.
Until then the stricter verdict counts: a doubtful dialogue is better missing than published.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["accept", "flag", "edit"]
State = Literal["open", "second", "third", "done"]
Pool = Literal["audit", "triage", "none"]
_STRICTNESS: tuple[Verdict, ...] = ("accept", "edit", "flag")


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of the log, as far as the outcome needs it. An edit that the filters dropped comes as a flag."""

    event: int
    reviewer: str
    kind: Literal["accept", "flag", "edit", "later", "undo"]
    reason: str | None = None
    undoes: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """`event`: the one whose verdict counts. `pair`: the first two reviewers' verdicts, `accept|flag`. `later`: 1 where
    somebody put it off."""

    state: State
    verdict: Verdict | None = None
    reason: str | None = None
    event: int | None = None
    pair: str | None = None
    later: int = 0


def list_standing(entries: Iterable[Entry]) -> list[Entry]:
    """The decisions in force, one a reviewer, in the order in which the reviewers came.

    Somebody's later decision takes the place of the earlier one; an undo takes back what it names.
    """
    standing: dict[str, Entry] = {}
    for each in sorted(_list_not_undone(entries), key=lambda each: each.event):
        if each.kind in _STRICTNESS:
            standing[each.reviewer] = each
    return list(standing.values())


def _list_not_undone(entries: Iterable[Entry]) -> list[Entry]:
    entries = list(entries)
    undone = {each.undoes for each in entries if each.kind == "undo"}
    return [each for each in entries if each.event not in undone]


def decide_outcome(entries: Iterable[Entry], is_second_due: bool) -> Outcome:
    """What follows from a dialogue's events. `is_second_due`: whether a second look at it is wanted."""
    entries = list(entries)
    standing = list_standing(entries)
    later = int(any(each.kind == "later" for each in _list_not_undone(entries)))
    if not standing:
        return Outcome("open", later=later)
    pair = f"{standing[0].kind}|{standing[1].kind}" if len(standing) > 1 else None
    counting = _pick(standing)
    state: State = "done"
    if len(standing) == 1 and is_second_due:
        state = "second"
    elif len(standing) == 2 and standing[0].kind != standing[1].kind:
        state = "third"
    return Outcome(state, _verdict(counting), counting.reason, counting.event, pair, later)


def _pick(standing: Sequence[Entry]) -> Entry:
    """The last decision of the majority; without one, of the strictest."""
    kinds = [each.kind for each in standing]
    most = max(kinds.count(kind) for kind in kinds)
    leading = {kind for kind in kinds if kinds.count(kind) == most}
    kind = max(leading, key=lambda each: _STRICTNESS.index(each))
    return next(each for each in reversed(standing) if each.kind == kind)


def _verdict(entry: Entry) -> Verdict:
    return next(kind for kind in _STRICTNESS if kind == entry.kind)


@dataclass(frozen=True, slots=True)
class Facts:
    """What of a sample is counted: the columns of that name."""

    is_lot: bool
    round: int
    pool: str
    later: int
    state: str
    verdict: str | None
    reason: str | None
    pair: str | None


def list_tallies(facts: Facts) -> tuple[str, ...]:
    """The names of the counters that a sample counts in.

    Of the lot: `lot`, `state:open|second|third|done`, `verdict:accept|flag|edit`; of its audited part, by round:
    `audit:N:open` (not decided), `audit:N:later` (put off), `audit:N:disputed` (two disagree), `audit:N:good`,
    `audit:N:defect` (flagged, or had to be edited). Of any sample: `flag:REASON`, `pair:A|B`. Beside the lot:
    `beside:open`, `beside:accept` (brought back), …
    """
    names = []
    if facts.is_lot:
        names += ["lot", f"state:{facts.state}"]
        if facts.verdict:
            names.append(f"verdict:{facts.verdict}")
    elif facts.pool == "triage" or facts.verdict:
        names.append(f"beside:{facts.verdict or 'open'}")
    if facts.pool == "audit":
        names.append(f"audit:{facts.round}:{name_audited(facts.state, facts.verdict)}")
        if facts.verdict is None and facts.later:
            names.append(f"audit:{facts.round}:later")
    if facts.verdict == "flag":
        names.append(f"flag:{facts.reason or 'other'}")
    if facts.pair:
        names.append(f"pair:{facts.pair}")
    return tuple(names)


def name_audited(state: str, verdict: str | None) -> Literal["open", "disputed", "good", "defect"]:
    """What a dialogue says about its lot. While two disagree it says nothing yet: a third decides."""
    if verdict is None:
        return "open"
    if state == "third":
        return "disputed"
    return "good" if verdict == "accept" else "defect"
