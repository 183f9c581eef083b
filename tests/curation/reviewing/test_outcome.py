"""What follows from decisions: the order of events, undo, majority, strictness, and counters that always add up."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.reviewing.outcome import Entry, Facts, Outcome, decide_outcome, list_standing, list_tallies

REVIEWERS = ("검수자 1", "검수자 2", "검수자 3", "검수자 4")


@st.composite
def _entries(draw: st.DrawFn) -> list[Entry]:
    """A log as the service writes it: an undo names an earlier event of the same reviewer that is no undo itself."""
    entries: list[Entry] = []
    for event in range(1, draw(st.integers(0, 10)) + 1):
        reviewer = draw(st.sampled_from(REVIEWERS))
        own = [each.event for each in entries if each.reviewer == reviewer and each.kind != "undo"]
        kinds = ["accept", "flag", "edit", "later", *(["undo"] if own else [])]
        kind = draw(st.sampled_from(kinds))
        entries.append(
            Entry(
                event=event,
                reviewer=reviewer,
                kind=kind,  # type: ignore[arg-type]
                reason="fact" if kind == "flag" else None,
                undoes=draw(st.sampled_from(own)) if kind == "undo" else None,
            )
        )
    return entries


def _log(*told: str) -> list[Entry]:
    """`1 accept`: reviewer 1 accepts; `1 undo 3`: takes event 3 back."""
    entries = []
    for event, each in enumerate(told, 1):
        number, kind, *undoes = each.split()
        reason = "unsafe" if kind == "flag" else None
        who = f"검수자 {number}"
        entries.append(Entry(event, who, kind, reason, int(undoes[0]) if undoes else None))  # type: ignore[arg-type]
    return entries


@given(_entries(), st.booleans(), st.randoms())
def test_the_order_in_which_events_are_read_does_not_matter(
    entries: list[Entry], is_second_due: bool, chance: random.Random
) -> None:
    mixed = list(entries)
    chance.shuffle(mixed)
    assert decide_outcome(mixed, is_second_due) == decide_outcome(entries, is_second_due)


@given(_entries(), st.sampled_from(REVIEWERS), st.sampled_from(["accept", "flag", "edit", "later"]), st.booleans())
def test_undoing_what_was_just_decided_leads_back_to_what_was_before(
    entries: list[Entry], reviewer: str, kind: str, is_second_due: bool
) -> None:
    number = len(entries) + 1
    decided = Entry(number, reviewer, kind)  # type: ignore[arg-type]
    undone = [*entries, decided, Entry(number + 1, reviewer, "undo", undoes=number)]
    assert decide_outcome(undone, is_second_due) == decide_outcome(entries, is_second_due)


@given(_entries())
def test_a_reviewer_stands_with_one_decision_and_never_with_an_undone_one(entries: list[Entry]) -> None:
    standing = list_standing(entries)
    undone = {each.undoes for each in entries}
    assert len({each.reviewer for each in standing}) == len(standing)
    assert all(each.event not in undone and each.kind in ("accept", "flag", "edit") for each in standing)
    for each in standing:
        later = [other for other in entries if other.reviewer == each.reviewer and other.event > each.event]
        assert all(other.kind in ("later", "undo") or other.event in undone for other in later)


@given(_entries(), st.booleans())
def test_the_verdict_that_counts_is_one_that_stands(entries: list[Entry], is_second_due: bool) -> None:
    standing, outcome = list_standing(entries), decide_outcome(entries, is_second_due)
    if not standing:
        assert outcome == Outcome("open", later=outcome.later)
        return
    kinds = [each.kind for each in standing]
    chosen = next(each for each in standing if each.event == outcome.event)
    assert (outcome.verdict, outcome.reason) == (chosen.kind, chosen.reason)
    assert kinds.count(chosen.kind) == max(kinds.count(kind) for kind in kinds)
    assert (outcome.pair is None) == (len(standing) < 2)


@pytest.mark.parametrize(
    ("told", "is_second_due", "expected"),
    [
        ([], True, Outcome("open")),
        (["1 later"], True, Outcome("open", later=1)),
        (["1 later", "1 undo 1"], True, Outcome("open")),
        (["1 later", "2 later", "1 undo 1"], True, Outcome("open", later=1)),
        (["1 later", "2 accept"], False, Outcome("done", "accept", None, 2, later=1)),
        (["1 accept"], False, Outcome("done", "accept", None, 1)),
        (["1 accept"], True, Outcome("second", "accept", None, 1)),
        (["1 accept", "2 accept"], True, Outcome("done", "accept", None, 2, "accept|accept")),
        (["1 accept", "2 flag"], True, Outcome("third", "flag", "unsafe", 2, "accept|flag")),
        (["1 flag", "2 edit"], True, Outcome("third", "flag", "unsafe", 1, "flag|edit")),
        (["1 accept", "2 edit"], True, Outcome("third", "edit", None, 2, "accept|edit")),
        (["1 accept", "2 flag", "3 accept"], True, Outcome("done", "accept", None, 3, "accept|flag")),
        (["1 accept", "2 flag", "3 edit"], True, Outcome("done", "flag", "unsafe", 2, "accept|flag")),
        (["1 flag", "2 accept", "3 flag"], True, Outcome("done", "flag", "unsafe", 3, "flag|accept")),
        (["1 flag", "1 accept"], False, Outcome("done", "accept", None, 2)),
        (["1 accept", "2 flag", "2 undo 2"], True, Outcome("second", "accept", None, 1)),
        (["1 accept", "1 flag", "1 undo 2"], False, Outcome("done", "accept", None, 1)),
        (["1 accept", "1 flag", "1 undo 1"], False, Outcome("done", "flag", "unsafe", 2)),
    ],
)
def test_majority_decides_and_until_then_the_stricter_verdict(
    told: Sequence[str], is_second_due: bool, expected: Outcome
) -> None:
    assert decide_outcome(_log(*told), is_second_due) == expected


_FACTS = st.builds(
    Facts,
    is_lot=st.booleans(),
    round=st.integers(1, 3),
    pool=st.sampled_from(["audit", "triage", "none"]),
    later=st.integers(0, 1),
    state=st.sampled_from(["open", "second", "third", "done"]),
    verdict=st.sampled_from([None, "accept", "flag", "edit"]),
    reason=st.sampled_from([None, "fact", "edit-rejected"]),
    pair=st.sampled_from([None, "accept|flag"]),
)


@given(st.lists(_FACTS))
def test_counters_of_a_lot_add_up(facts: list[Facts]) -> None:
    names = [name for each in facts for name in list_tallies(each)]
    lot = names.count("lot")
    assert sum(name.startswith("state:") for name in names) == lot == sum(each.is_lot for each in facts)
    decided = sum(each.is_lot and each.verdict is not None for each in facts)
    assert sum(name.startswith("verdict:") for name in names) == decided
    assert sum(name.startswith("flag:") for name in names) == sum(each.verdict == "flag" for each in facts)
    audited = [name for name in names if name.startswith("audit:") and not name.endswith(":later")]
    assert len(audited) == sum(each.pool == "audit" for each in facts)


@given(_FACTS)
def test_nothing_counts_twice_in_one_counter_and_nothing_both_in_the_lot_and_beside_it(facts: Facts) -> None:
    names = list_tallies(facts)
    assert len(set(names)) == len(names)
    assert not ("lot" in names and any(name.startswith("beside:") for name in names))
    assert sum(name.endswith(":later") for name in names) <= sum(name.endswith(":open") for name in names)
