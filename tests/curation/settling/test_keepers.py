"""Who of the similar rows is kept."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.settling.keepers import Flags, Keepers, choose_keepers, find_large_cluster, label_clusters
from curation.settling.neighbours import Neighbours, Pairs
from tests.curation.settling.similar_rows import Row, World, make_chain, reorderings, unhurried, worlds

THRESHOLD = 0.5


def choose(world: World) -> Keepers:
    banned = np.array([row.banned for row in world.rows], dtype=np.bool_)
    return choose_keepers(
        world.find_neighbours(), world.find_order(), THRESHOLD, Flags(banned, world.find_rank().reviewed)
    )


def tell(world: World, keepers: Keepers) -> dict[str, tuple[bool, str | None, float]]:
    return {
        row.id: (
            bool(keepers.kept[number]),
            world.rows[keepers.keeper[number]].id if keepers.keeper[number] >= 0 else None,
            float(np.nan_to_num(keepers.similarity[number])),
        )
        for number, row in enumerate(world.rows)
    }


@unhurried
@given(worlds())
def test_of_two_similar_rows_one_is_kept_and_every_dropped_one_names_its_most_similar_keeper(world: World) -> None:
    keepers = choose(world)
    kept = [world.rows[number] for number in world.find_order() if keepers.kept[number]]
    banned = sorted((row for row in world.rows if row.banned), key=lambda row: row.id)
    assert all(world.compare(one, two) < THRESHOLD for one in kept for two in kept if one != two)
    for number, row in enumerate(world.rows):
        if row.banned or not row.eligible:
            assert not keepers.kept[number]
            assert keepers.keeper[number] == -1
        elif not keepers.kept[number]:
            keeper = world.rows[keepers.keeper[number]]
            may_be_named = kept if row.reviewed else kept + banned
            assert keeper in may_be_named
            assert world.compare(row, keeper) == keepers.similarity[number] >= THRESHOLD
            assert keepers.similarity[number] == max(world.compare(row, each) for each in may_be_named)
            by_text = {each.text: each for each in (*reversed(banned), *kept) if each in may_be_named}
            best = [each for each in by_text.values() if world.compare(row, each) == keepers.similarity[number]]
            assert keeper == min(best, key=lambda each: each.id)


@unhurried
@given(worlds())
def test_a_row_is_kept_unless_a_better_kept_row_is_similar(world: World) -> None:
    keepers = choose(world)
    banned = [row for row in world.rows if row.banned]
    before: list[Row] = []
    for number in world.find_order().tolist():
        row = world.rows[number]
        against = before if row.reviewed else before + banned
        assert keepers.kept[number] == all(world.compare(row, each) < THRESHOLD for each in against)
        if keepers.kept[number]:
            before.append(row)


@unhurried
@given(worlds(), st.data())
def test_keepers_and_clusters_do_not_depend_on_the_order_of_the_input(world: World, data: st.DataObject) -> None:
    again = data.draw(reorderings(world))
    assert tell(world, choose(world)) == tell(again, choose(again))
    labels = [
        {row.id: each.rows[label].id for row, label in zip(each.rows, found, strict=True)}
        for each in (world, again)
        for found in (label_clusters(each.find_neighbours(), THRESHOLD),)
    ]
    assert labels[0] == labels[1]


@unhurried
@given(worlds())
def test_a_cluster_holds_all_that_can_be_reached_and_is_named_by_its_smallest_id(world: World) -> None:
    labels = label_clusters(world.find_neighbours(), THRESHOLD).tolist()
    for one, row in enumerate(world.rows):
        assert world.rows[labels[one]].id <= row.id
        assert labels[labels[one]] == labels[one]
        for two, other in enumerate(world.rows):
            if world.compare(row, other) >= THRESHOLD:
                assert labels[one] == labels[two]


@unhurried
@given(worlds())
def test_the_named_pair_is_the_one_that_joins_a_row_to_its_keeper(world: World) -> None:
    keepers = choose(world)
    known = [texts for texts in world.similar if {*texts} <= {row.text for row in world.rows}]
    for number, row in enumerate(world.rows):
        keeper, pair = keepers.keeper[number], keepers.pair[number]
        if pair >= 0:
            assert {*known[pair]} == {row.text, world.rows[keeper].text}
        elif keeper >= 0:
            assert row.text == world.rows[keeper].text


def test_a_chain_loses_every_other_row_and_not_all() -> None:
    world = make_chain(9)
    assert choose(world).kept.tolist() == [True, False] * 4 + [True]


def test_the_rank_is_reviewed_then_score_then_notes_then_length_then_id() -> None:
    rows = (
        Row("6-last", "a", length=90),
        Row("5-first-id", "b", length=90),
        Row("4", "c", length=300, notes=1),
        Row("3", "d", length=100),
        Row("2", "e", score=1.0, notes=3),
        Row("1", "f", score=4.0, notes=9),
        Row("0", "g", reviewed=True, notes=9),
    )
    world = World(rows)
    order = [world.rows[number].id for number in world.find_order()]
    assert order == ["0", "1", "2", "3", "5-first-id", "6-last", "4"]


def test_a_row_that_a_filter_dropped_drops_nobody() -> None:
    world = World((Row("1", "a", eligible=False), Row("2", "b")), {("a", "b"): 0.9})
    keepers = choose(world)
    assert keepers.kept.tolist() == [False, True]
    assert keepers.keeper.tolist() == [-1, -1]


def test_all_that_is_similar_to_a_flagged_row_goes_with_it_but_for_what_a_person_accepted() -> None:
    rows = (Row("1", "a", banned=True), Row("2", "a"), Row("3", "b"), Row("4", "c", reviewed=True), Row("5", "d"))
    world = World(rows, {("a", "b"): 0.6, ("a", "c"): 0.6, ("a", "d"): 0.45})
    keepers = choose(world)
    assert keepers.kept.tolist() == [False, False, False, True, True]
    assert keepers.keeper.tolist() == [-1, 0, 0, -1, -1]


def test_a_refused_row_drops_nobody_and_a_later_keeper_claims_it() -> None:
    world = World((Row("1", "a"), Row("2", "b"), Row("3", "c")), {("a", "b"): 0.8})
    keepers = choose_keepers(world.find_neighbours(), world.find_order(), THRESHOLD, may_keep=lambda row: row != 0)
    assert keepers.kept.tolist() == [False, True, True]
    assert keepers.keeper.tolist() == [1, -1, -1]


def test_a_cluster_of_more_than_a_twentieth_is_said() -> None:
    copies = tuple(Row(f"1-{number:03d}", "a") for number in range(12))
    for others, is_large in ((200, True), (300, False)):
        world = World((*(Row(f"2-{number:03d}", f"{number}") for number in range(others)), *copies))
        neighbours = world.find_neighbours()
        found = find_large_cluster(neighbours, label_clusters(neighbours, THRESHOLD))
        assert (found is not None) == is_large
        if found is not None:
            assert (world.rows[found.row].id, found.size) == ("1-000", 12)


def test_of_a_pair_that_is_given_twice_the_higher_similarity_counts() -> None:
    pairs = Pairs(np.array([0, 1, 1]), np.array([1, 0, 1]), np.array([0.3, 0.6, 0.9]))
    neighbours = Neighbours.of(["1", "2"], np.arange(2), pairs)
    assert (neighbours.similarity.tolist(), neighbours.pair.tolist()) == ([0.6], [1])


def test_an_id_that_stands_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="'1' stands at two rows"):
        World((Row("1", "a"), Row("1", "b"))).find_neighbours()


def test_no_rows_and_no_pairs_are_fine() -> None:
    world = World(())
    assert choose(world).kept.tolist() == []
    assert label_clusters(world.find_neighbours(), THRESHOLD).tolist() == []
