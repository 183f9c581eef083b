"""Keepers, quotas and splits, decided together."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.settling.keepers import Rank, find_large_cluster, label_clusters
from curation.settling.leakage import check_leakage
from curation.settling.neighbours import Neighbours, Pairs
from curation.settling.places import Places
from curation.settling.settlement import Judged, Settlement, SettleSettings, Status, settle
from curation.settling.share_out import Strata
from curation.settling.split_memory import SPLITS, Split
from curation.settling.splits import SplitSettings
from tests.curation.settling.similar_rows import TOPICS, Row, World, reorderings, settings_of, unhurried, worlds

memories = st.dictionaries(
    st.builds("{}-{:02d}".format, st.integers(0, 9), st.integers(0, 13)), st.sampled_from(SPLITS), max_size=40
)
quotas = st.sampled_from((None, 1, 2, 3))


def words(settlement: Settlement) -> list[str]:
    return [Status(code).word for code in settlement.status]


@unhurried
@given(worlds(), memories, quotas)
def test_a_quota_is_never_passed_and_short_only_where_no_row_is_left(
    world: World, memory: dict[str, Split], quota: int | None
) -> None:
    settlement = world.settle(memory, settings_of(quota))
    taken = dict.fromkeys(TOPICS, 0)
    for row, word in zip(world.rows, words(settlement), strict=True):
        taken[row.topic] += word in ("accepted", "waiting")
    reserve = {row.topic for row, word in zip(world.rows, words(settlement), strict=True) if word == "reserve"}
    if quota is None:
        assert not reserve
        assert (settlement.missing, settlement.unknown_topics) == ({}, [])
        return
    assert settlement.missing == {topic: quota - taken[topic] for topic in TOPICS[:3] if taken[topic] < quota}
    assert not reserve & settlement.missing.keys()
    assert taken[TOPICS[3]] == 0
    assert settlement.unknown_topics == sorted({row.topic for row in world.rows} - {*TOPICS[:3]})


@unhurried
@given(worlds(), memories, quotas)
def test_every_status_is_what_it_says(world: World, memory: dict[str, Split], quota: int | None) -> None:
    settlement = world.settle(memory, settings_of(quota))
    status = words(settlement)
    kept = [at for at, word in enumerate(status) if word in ("accepted", "waiting", "reserve")]
    assert all(world.compare(world.rows[one], world.rows[two]) < 0.5 for one in kept for two in kept if one != two)
    aside = {tie.row for tie in settlement.set_aside}
    for at, row in enumerate(world.rows):
        keeper = int(settlement.keeper[at])
        assert (status[at] == "dropped") == (row.banned or not row.eligible)
        assert (status[at] == "set-aside") == (at in aside)
        assert (status[at] == "duplicate") == (keeper >= 0)
        assert (settlement.split[at] >= 0) == (status[at] in ("accepted", "waiting"))
        assert (status[at] != "waiting") or row.waiting
        assert (status[at] != "accepted") or not row.waiting
        if keeper >= 0:
            assert keeper in kept or (world.rows[keeper].banned and not row.reviewed)
            assert world.compare(row, world.rows[keeper]) == settlement.similarity[at] >= 0.5


@unhurried
@given(worlds(), quotas)
def test_nothing_leaks_and_settling_again_changes_nothing(world: World, quota: int | None) -> None:
    settings = settings_of(quota)
    settlement = world.settle({}, settings)
    memory = world.extend({}, settlement)
    assert check_leakage(world.find_neighbours(), settlement.split, settings.splits.threshold).count == 0
    assert world.tell(world.settle(memory, settings)) == world.tell(settlement)


@unhurried
@given(worlds(), memories, quotas)
def test_settling_again_changes_nothing_whatever_was_remembered(
    world: World, memory: dict[str, Split], quota: int | None
) -> None:
    settlement = world.settle(memory, settings_of(quota))
    again = world.settle(world.extend(memory, settlement), settings_of(quota))
    assert world.tell(again) == world.tell(settlement)
    assert again.set_aside == settlement.set_aside


@unhurried
@given(worlds(), memories, quotas, st.data())
def test_the_order_of_the_input_does_not_matter(
    world: World, memory: dict[str, Split], quota: int | None, data: st.DataObject
) -> None:
    again = data.draw(reorderings(world))
    settings = settings_of(quota)
    assert world.tell(world.settle(memory, settings)) == again.tell(again.settle(memory, settings))


@unhurried
@given(worlds(), quotas, st.data())
def test_adding_rows_neither_moves_nor_displaces_one(world: World, quota: int | None, data: st.DataObject) -> None:
    settings = settings_of(quota)
    rows = tuple(replace(row, banned=False) for row in data.draw(st.permutations(world.rows)))
    memory: dict[str, Split] = {}
    accepted: dict[str, int] = {}
    for size in range(1, len(rows) + 1, 3):
        part = World(rows[:size], world.similar)
        settlement = part.settle(memory, settings)
        now = {row.id: int(code) for row, code in zip(part.rows, settlement.split, strict=True) if code >= 0}
        assert accepted.items() <= now.items()
        assert check_leakage(part.find_neighbours(), settlement.split, settings.splits.threshold).count == 0
        memory, accepted = part.extend(memory, settlement), now


@unhurried
@given(worlds(), quotas, st.data())
def test_whatever_people_accept_or_flag_afterwards_nothing_leaks(
    world: World, quota: int | None, data: st.DataObject
) -> None:
    settings = settings_of(quota)
    memory: dict[str, Split] = {}
    for _ in range(3):
        settlement = world.settle(memory, settings)
        assert check_leakage(world.find_neighbours(), settlement.split, settings.splits.threshold).count == 0
        memory = world.extend(memory, settlement)
        rows = []
        for row, word in zip(world.rows, words(settlement), strict=True):
            answer = data.draw(st.sampled_from(("accept", "flag", "wait"))) if word == "waiting" else "wait"
            accepted = answer == "accept"
            rows.append(
                replace(
                    row,
                    reviewed=row.reviewed or accepted,
                    waiting=row.waiting and not accepted,
                    banned=row.banned or answer == "flag",
                )
            )
        world = World(tuple(rows), world.similar)


@pytest.mark.parametrize(("similarity", "word"), [(0.45, "set-aside"), (0.8, "duplicate")])
def test_a_row_that_ties_two_splits_gives_its_place_to_the_next_even_to_its_own_near_copy(
    similarity: float, word: str
) -> None:
    rows = (
        Row("1", "a", "연애 고민"),
        Row("2", "b", "연애 고민"),
        Row("3", "c", "농담", score=5.0),
        Row("4", "d", "농담", score=4.0),
        Row("5", "e", "농담", score=3.0),
    )
    world = World(rows, {("a", "c"): 0.45, ("b", "c"): 0.45, ("c", "d"): similarity})
    settings = SettleSettings({"농담": 1, "연애 고민": 2}, 0.5, SplitSettings())
    settlement = world.settle({"1": "train", "2": "test"}, settings)
    assert words(settlement) == ["accepted", "accepted", word, "accepted", "reserve"]
    assert [tie.neighbours for tie in settlement.set_aside] == ([(0, 1)] if word == "set-aside" else [])
    assert settlement.missing == {}


def test_a_row_that_left_the_data_set_still_ties() -> None:
    rows = (Row("1", "a", eligible=False), Row("2", "b"), Row("3", "c"))
    world = World(rows, {("a", "c"): 0.45, ("b", "c"): 0.41})
    settlement = world.settle({"1": "test", "2": "train"}, settings_of(3))
    assert words(settlement) == ["dropped", "accepted", "set-aside"]
    assert settlement.set_aside[0].splits == ("test", "train")


def test_a_row_set_aside_drops_no_row_of_the_reserve() -> None:
    rows = (Row("1", "a", "정서적 위로"), Row("2", "b"), Row("3", "c", score=5.0), Row("4", "d", score=4.0))
    world = World(rows, {("a", "c"): 0.45, ("b", "c"): 0.45, ("c", "d"): 0.8})
    settlement = world.settle({"1": "train", "2": "test"}, settings_of(1))
    assert words(settlement) == ["accepted", "accepted", "set-aside", "reserve"]


def test_a_reserve_row_does_not_starve_another_topic() -> None:
    rows = (Row("1", "a", "농담", score=5.0), Row("2", "b", "농담", score=4.0), Row("3", "c", "연애 고민", score=3.0))
    world = World(rows, {("b", "c"): 0.7})
    settlement = world.settle({}, SettleSettings({"농담": 1, "연애 고민": 1}, 0.5, SplitSettings()))
    assert words(settlement) == ["accepted", "duplicate", "accepted"]


def test_a_remembered_row_stays_before_a_better_newcomer() -> None:
    rows = (Row("1", "a", score=2.0), Row("2", "b", score=5.0), Row("3", "c", score=4.0))
    world = World(rows, {("a", "b"): 0.7})
    settlement = world.settle({"1": "test"}, SettleSettings({"농담": 1}, 0.5, SplitSettings()))
    assert words(settlement) == ["accepted", "duplicate", "reserve"]
    assert settlement.split.tolist() == [2, -1, -1]


def test_a_waiting_row_holds_its_place_and_a_flag_gives_it_to_the_reserve() -> None:
    held = Row("1", "a", score=5.0, waiting=True)
    settings = SettleSettings({"농담": 1}, 0.5, SplitSettings())
    world = World((held, Row("2", "b")))
    settlement = world.settle({}, settings)
    assert words(settlement) == ["waiting", "reserve"]
    assert settlement.split[0] >= 0
    flagged = World((Row("1", "a", score=5.0, banned=True), Row("2", "b")))
    assert words(flagged.settle(world.extend({}, settlement), settings)) == ["dropped", "accepted"]


def test_places_are_not_given_twice() -> None:
    places = Places(["농담", "농담", "철학"], {"농담": 1, "연애 고민": 2})
    assert [places.has_room(row) for row in range(3)] == [True, True, False]
    places.take(0)
    assert not places.has_room(1)
    with pytest.raises(ValueError, match="no place left"):
        places.take(1)
    assert (places.list_missing(), places.list_unknown()) == ({"연애 고민": 2}, ["철학"])


def test_a_long_chain_and_a_huge_group_of_copies_are_settled() -> None:
    """150,000 rows each like the next, and 50,000 copies that lie beside both remembered ends of the chain."""
    chain, copies = 150_000, 50_000
    count = chain + copies
    ids = [f"{number:07d}" for number in range(count)]
    representative = np.minimum(np.arange(count), chain)
    pairs = Pairs(
        np.append(np.arange(chain - 1), [chain, chain]),
        np.append(np.arange(1, chain), [0, chain - 1]),
        np.full(chain + 1, 0.6),
    )
    neighbours = Neighbours.of(ids, representative, pairs)
    remembered = np.full(count, -1, dtype=np.int8)
    remembered[0], remembered[chain - 1] = 0, 2
    nothing = np.zeros(count, dtype=np.bool_)
    rank = Rank(nothing, np.full(count, np.nan), np.zeros(count, np.int64), np.zeros(count, np.int64))
    judged = Judged(neighbours, Strata(["농담"] * count, ["exa"] * count), rank, ~nothing, nothing, nothing)
    for threshold, set_aside in ((0.5, 0), (0.7, copies + 1)):
        settlement = settle(judged, remembered, SettleSettings(None, threshold, SplitSettings()))
        assert check_leakage(neighbours, settlement.split, 0.4).count == 0
        assert len(settlement.set_aside) == set_aside
    assert (settlement.status[:chain] == Status.ACCEPTED).sum() == chain - 1
    large = find_large_cluster(neighbours, label_clusters(neighbours, 0.5))
    assert large is not None
    assert large.size == count


def test_a_duplicate_of_two_equally_similar_rows_names_the_same_one_every_time() -> None:
    rows = (Row("1", "a"), Row("2", "b", score=5.0), Row("3", "c"))
    world = World(rows, {("a", "c"): 0.5, ("b", "c"): 0.5})
    memory: dict[str, Split] = {"2": "train"}
    for _ in range(2):
        settlement = world.settle(memory, settings_of(None))
        assert settlement.keeper.tolist() == [-1, -1, 0]
        memory = world.extend(memory, settlement)
