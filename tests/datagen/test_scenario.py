from collections import Counter
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.scenario import Dimensions, Scenario, list_dimensions, plan_scenarios, redraw_scenarios
from datagen.spec_file import load_spec


def make_dimensions(
    situations: int = 12, personas: int = 1, facets: tuple[int, ...] = (8, 6), lengths: int = 4
) -> Dimensions:
    return Dimensions(
        seed=7,
        topic="농담",
        situations=tuple(f"상황 {at}" for at in range(situations)),
        personas=tuple(f"p{at}" for at in range(personas)),
        facet_names=tuple(f"facet{at}" for at in range(len(facets))),
        facet_values=tuple(tuple(f"{at}-{value}" for value in range(size)) for at, size in enumerate(facets)),
        lengths=tuple(range(2, 2 + lengths)),
        openings=(None,),
    )


def plan(dimensions: Dimensions, count: int) -> list[Scenario]:
    return list(islice(plan_scenarios(dimensions), count))


def test_the_same_slot_asks_the_same_again() -> None:
    assert plan(make_dimensions(), 60) == plan(make_dimensions(), 60)


def test_a_larger_quota_changes_nothing_for_the_first_slots() -> None:
    assert plan(make_dimensions(), 200)[:40] == plan(make_dimensions(), 40)


def test_another_seed_asks_differently() -> None:
    dimensions = make_dimensions()
    other = Dimensions(**{name: getattr(dimensions, name) for name in Dimensions.__slots__} | {"seed": 8})
    assert plan(dimensions, 20) != plan(other, 20)


SIZES = st.integers(1, 5)


@settings(max_examples=60, deadline=None)
@given(SIZES, st.integers(1, 3), st.lists(st.integers(1, 4), max_size=2), st.integers(1, 3))
def test_no_two_slots_ask_the_same_until_the_combinations_run_out(
    situations: int, personas: int, facets: list[int], lengths: int
) -> None:
    dimensions = make_dimensions(situations, personas, tuple(facets), lengths)
    scenarios = plan(dimensions, dimensions.combinations)
    assert len(set(scenarios)) == dimensions.combinations


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30), st.integers(1, 14), st.integers(1, 120))
def test_no_situation_comes_twice_before_all_were_used(situations: int, personas: int, count: int) -> None:
    used = Counter(scenario.situation for scenario in plan(make_dimensions(situations, personas), count))
    counts = [used[f"상황 {at}"] for at in range(situations)]
    assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("name", ["exa-data", "gf-persona-data"])
def test_facet_values_of_the_shipped_specs_come_out_even(name: str) -> None:
    loaded = load_spec(name)
    for topic in loaded.spec.topics:
        if topic.quota < 30:
            continue
        dimensions = list_dimensions(loaded.spec, topic, tuple(persona.id for persona in loaded.personas))
        scenarios = plan(dimensions, topic.quota)
        assert len(set(scenarios)) == topic.quota
        for index, values in enumerate(dimensions.facet_values):
            used = Counter(scenario.facets[index][1] for scenario in scenarios)
            assert max(used.values()) <= max(1.5 * topic.quota / len(values), 1), (topic.name, used)
        for attribute in ("persona", "exchanges", "opening"):
            used = Counter(getattr(scenario, attribute) for scenario in scenarios)
            assert max(used.values()) - min(used.values()) <= 2, (topic.name, used)


def test_two_facets_of_the_same_size_do_not_move_in_step() -> None:
    scenarios = plan(make_dimensions(facets=(8, 8)), 64)
    assert len({(scenario.facets[0][1], scenario.facets[1][1]) for scenario in scenarios}) > 24


def test_a_redraw_keeps_the_situation_for_max_tries_and_then_leaves_it() -> None:
    dimensions = make_dimensions()
    planned = plan(dimensions, 5)[4]
    for tries in (1, 2):
        first = next(redraw_scenarios(dimensions, 4, planned, tries, max_tries=3))
        assert first.situation == planned.situation
        assert first != planned
    fresh = {next(redraw_scenarios(dimensions, 4, planned, tries, max_tries=3)).situation for tries in (3, 4, 5)}
    assert len(fresh) == 1
    assert planned.situation not in fresh


def test_a_scenario_survives_the_ledger() -> None:
    for scenario in plan(make_dimensions(), 10):
        assert Scenario.from_json(scenario.topic, scenario.to_json()) == scenario
