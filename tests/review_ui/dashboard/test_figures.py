"""The dashboard's figures come from counters; here everything is counted again, event by event."""

from collections import Counter, defaultdict
from random import Random

import pytest
import sqlalchemy as sa

from curation.reviewing.draw import is_second_due
from curation.reviewing.outcome import Outcome, decide_outcome
from curation.reviewing.tables import LOTS, TALLIES
from review_ui.dashboard.figures import Counts, Lot, figure_topic
from review_ui.dashboard.path import Step, read_path
from review_ui.dashboard.reading import Dashboard, read_dashboard
from review_ui.queue.decide import RefusedError, read_entries
from review_ui.statistics.acceptance import bound_defects
from tests.review_ui.queue.lot_room import NOW, Room

TOPICS = ("일상 대화", "농담", "진로 고민")
REVIEWERS = ("검수자 1", "검수자 2", "검수자 3")


def _read(room: Room) -> Dashboard:
    return room.database.read(lambda connection: read_dashboard(connection, room.run, NOW))


def _decide_at_random(room: Room, rng: Random, count: int) -> None:
    ids = {topic: [f"{topic}-{number:03}" for number in range(20)] for topic in TOPICS}
    for topic, own in ids.items():
        room.fill(own, topic=topic)
    known: list[tuple[str, str, str]] = []
    for _ in range(count):
        id_, reviewer = rng.choice(ids[rng.choice(TOPICS)]), rng.choice(REVIEWERS)
        kind = rng.choice(("accept", "accept", "accept", "flag", "edit", "later", "undo"))
        given: dict[str, object] = {}
        if kind == "undo":
            if not known:
                continue
            id_, reviewer, given["undoes"] = rng.choice(known)
        decision = room.make_decision(reviewer, id_, kind, **given)
        try:
            room.database.write(lambda connection, made=decision: room.desk.decide(connection, made, NOW))  # type: ignore[misc]
        except RefusedError:
            continue
        if kind != "undo":
            known.append((id_, reviewer, decision.key))


def _find_outcomes(room: Room) -> dict[str, list[Outcome]]:
    """Topic → what follows from the log for each of its dialogues."""
    outcomes = defaultdict(list)
    for topic in TOPICS:
        for number in range(20):
            id_ = f"{topic}-{number:03}"
            sample = room.read(id_).sample
            entries = room.database.read(lambda connection, of=sample: read_entries(connection, of))  # type: ignore[misc]
            outcomes[topic].append(decide_outcome(entries, is_second_due(id_, room.share)))
    return outcomes


@pytest.mark.parametrize("seed", range(4))
def test_every_figure_equals_a_count_of_the_log(room: Room, seed: int) -> None:
    _decide_at_random(room, Random(seed), 150)
    dashboard, outcomes = _read(room), _find_outcomes(room)
    assert [each.lot.topic for each in dashboard.topics] == sorted(TOPICS)
    for figures in dashboard.topics:
        own = outcomes[figures.lot.topic]
        verdicts, states = Counter(each.verdict for each in own), Counter(each.state for each in own)
        assert figures.counts == Counts(
            lot=20,
            accepted=verdicts["accept"],
            edited=verdicts["edit"],
            flagged=verdicts["flag"],
            waiting=verdicts[None],
            again=verdicts["flag"],
            seconds=states["second"],
            thirds=states["third"],
        )
        settled = Counter(each.verdict for each in own if each.state != "third")
        assert figures.audit.counts.good == settled["accept"]
        assert figures.audit.counts.defect == settled["flag"] + settled["edit"]
        assert figures.audit.counts.disputed == states["third"]
        assert figures.reasons == Counter(each.reason for each in own if each.verdict == "flag")
    pairs = Counter(each.pair for own in outcomes.values() for each in own if each.pair)
    same = sum(count for pair, count in pairs.items() if pair.split("|")[0] == pair.split("|")[1])
    assert dashboard.agreement.pairs == pairs.total() > 0
    assert dashboard.agreement.percent is not None
    assert dashboard.agreement.percent.value == pytest.approx(same / pairs.total())
    decided = Counter(each.reviewer for each in room.list_events() if each.kind in ("accept", "flag", "edit"))
    assert {each.name: (each.today, each.count) for each in dashboard.paces} == {
        name: (count, count) for name, count in decided.items()
    }


@pytest.mark.parametrize("seed", range(3))
def test_the_audits_curve_ends_where_the_counters_are(room: Room, seed: int) -> None:
    _decide_at_random(room, Random(seed), 120)
    for figures in _read(room).topics:
        path = room.database.read(
            lambda connection, topic=figures.lot.topic: read_path(connection, room.run, topic, 1)  # type: ignore[misc]
        )
        assert path[-1] == Step(figures.audit.counts.good, figures.audit.counts.defect)


def test_what_two_disagree_about_says_nothing_of_the_lot_until_a_third_looked(room: Room) -> None:
    room.share = 1.0
    room.fill([f"{number:03}" for number in range(12)])
    for number in range(4):
        room.decide("검수자 1", f"{number:03}")
        room.decide("검수자 2", f"{number:03}", "flag")
    (figures,) = _read(room).topics
    counts = figures.audit.counts
    assert (counts.good, counts.defect, counts.disputed, figures.audit.test.verdict) == (0, 0, 4, "open")
    for number in range(4):
        room.decide("검수자 3", f"{number:03}")
    (figures,) = _read(room).topics
    counts = figures.audit.counts
    assert (counts.good, counts.defect, counts.disputed, figures.audit.test.verdict) == (4, 0, 0, "open")


def test_a_lot_keeps_the_verdict_of_the_moment_when_it_crossed_the_bound(room: Room) -> None:
    room.fill([f"{number:03}" for number in range(60)])
    for number in range(47):
        room.decide("검수자 1", f"{number:03}")
    room.decide("검수자 1", "050", "flag")
    (figures,) = _read(room).topics
    assert (figures.audit.test.verdict, figures.audit.test.good_needed, figures.steps) == ("pass", None, ("release",))
    assert figures.audit.bound == bound_defects(48, 1).bound


def test_without_decisions_nothing_is_claimed(room: Room) -> None:
    room.fill(["001", "002"])
    dashboard = _read(room)
    (figures,) = dashboard.topics
    assert figures.audit.bound is None
    assert dashboard.agreement.pairs == 0
    assert not dashboard.paces
    assert figures.steps == ("continue",)


def test_what_is_missing_from_the_quota_is_made_again_and_never_less_than_nothing() -> None:
    lot = Lot("농담", "intellectual", 40, 1, None, None, None, None)
    assert figure_topic(lot, {"lot": 38, "verdict:flag": 3, "state:open": 35}).counts.again == 5
    assert figure_topic(lot, {"lot": 45, "verdict:flag": 3, "state:open": 42}).counts.again == 0


def test_the_dashboard_asks_for_no_sample_of_its_own(room: Room) -> None:
    """Counters alone: emptied, they make the figures empty whatever the samples say."""
    room.fill(["001", "002"])
    room.decide("검수자 1", "001")
    room.database.write(lambda connection: connection.execute(sa.delete(TALLIES)))
    (figures,) = _read(room).topics
    assert figures.counts == Counts(again=2)
    room.database.write(lambda connection: connection.execute(sa.delete(LOTS)))
    assert not _read(room).topics
