"""Whatever is decided, undone, repeated and judged, in whatever order: what is derived equals the log, from scratch."""

from itertools import count
from random import Random

import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from curation.reviewing.draw import is_second_due
from curation.reviewing.outcome import decide_outcome
from curation.reviewing.tables import EVENTS, LOTS, SAMPLES
from review_ui.queue.decide import Decision, RefusedError, read_entries
from tests.review_ui.queue.lot_room import NOW, Room, forbid_change

AUDITED = tuple(f"exa-data-{number:04}" for number in range(1, 5))
TRIAGED = ("exa-data-0005", "exa-data-0006")
REVIEWERS = ("검수자 1", "검수자 2", "검수자 3")
SHARE = 0.5
DERIVED = ("state", "verdict", "reason", "event", "pair", "later")


class Reviewing(RuleBasedStateMachine):
    """Each example is a run of its own in one database."""

    def __init__(self, room: Room) -> None:
        super().__init__()
        self.room = room
        self.sent: list[Decision] = []

    @initialize()
    def fill(self) -> None:
        self.room.fill(AUDITED)
        self.room.fill(TRIAGED, "triage", is_lot=False)

    @rule(
        reviewer=st.sampled_from(REVIEWERS),
        id_=st.sampled_from(AUDITED + TRIAGED),
        kind=st.sampled_from(["accept", "flag", "edit", "later"]),
        is_triage=st.booleans(),
        is_blind=st.booleans(),
        is_rejected=st.booleans(),
    )
    def decide(self, reviewer: str, id_: str, kind: str, is_triage: bool, is_blind: bool, is_rejected: bool) -> None:
        self._send(
            self.room.make_decision(
                reviewer,
                id_,
                kind,
                mode="triage" if is_triage or id_ in TRIAGED else "audit",
                revision=1 if is_blind else self.room.read(id_).revision,
                is_rejected=is_rejected and kind == "edit",
            )
        )

    @rule(reviewer=st.sampled_from(REVIEWERS), chosen=st.randoms(use_true_random=False))
    def undo(self, reviewer: str, chosen: Random) -> None:
        if self.sent:
            undone = chosen.choice(self.sent)
            self._send(self.room.make_decision(reviewer, undone.sample_id, "undo", mode=undone.mode, undoes=undone.key))

    @rule(chosen=st.randoms(use_true_random=False))
    def send_again(self, chosen: Random) -> None:
        if self.sent:
            decision = chosen.choice(self.sent)
            stored = self.room.database.write(lambda connection: self.room.desk.decide(connection, decision, NOW))
            assert not stored.is_new

    @rule(verdict=st.sampled_from([None, "pass", "fail"]))
    def judge(self, verdict: str | None) -> None:
        change = sa.update(LOTS).where(LOTS.c.run == self.room.run).values(verdict=verdict)
        self.room.database.write(lambda connection: connection.execute(change))

    def _send(self, decision: Decision) -> None:
        before = self.room.count_tallies()
        try:
            stored = self.room.database.write(lambda connection: self.room.desk.decide(connection, decision, NOW))
        except RefusedError:
            assert self.room.count_tallies() == before
            return
        assert stored.is_new
        assert stored.revision == self.room.read(decision.sample_id).revision
        self.sent.append(decision)

    @invariant()
    def counters_equal_a_count_from_scratch(self) -> None:
        assert self.room.count_tallies() == self.room.recount()

    @invariant()
    def what_a_sample_says_follows_from_the_log_alone(self) -> None:
        self.room.database.read(self._compare)

    def _compare(self, connection: sa.Connection) -> None:
        kept = 0
        for row in connection.execute(sa.select(SAMPLES).where(SAMPLES.c.run == self.room.run)):
            is_due = row.pool == "audit" and is_second_due(row.id, SHARE)
            outcome = decide_outcome(read_entries(connection, row.sample), is_due)
            assert [getattr(row, name) for name in DERIVED] == [getattr(outcome, name) for name in DERIVED]
            made = sa.select(sa.func.max(EVENTS.c.made_revision)).where(EVENTS.c.sample == row.sample)
            assert row.revision == (connection.execute(made).scalar_one() or 1)
            kept += len(read_entries(connection, row.sample))
        assert kept == len(self.sent)


def test_what_is_derived_always_equals_the_log(room: Room) -> None:
    forbid_change(room)
    runs, keys = count(2), count(1)

    class InRoom(Reviewing):
        def __init__(self) -> None:
            super().__init__(Room(room.database, SHARE, next(runs), keys))

    run_state_machine_as_test(
        InRoom,
        settings=settings(
            max_examples=12,
            stateful_step_count=20,
            phases=[Phase.generate, Phase.shrink],
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
