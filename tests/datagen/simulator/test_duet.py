"""The simulator's long dialogues: they go on for 40 exchanges, remember, and go wrong as they are told to."""

import random
from collections import Counter

import pytest

from datagen.duet import Duet, Terms
from datagen.duet_prompt import DuetWriter
from datagen.scenario import list_dimensions, plan_scenarios
from datagen.simulator.duet import find_facts, read_duet_prompt
from datagen.simulator.duet_grammar import find_repertoire, list_slots
from datagen.simulator.duet_stage import MALFORMED_UTTERANCES, DuetStage
from datagen.simulator.faults import Faults
from datagen.simulator.slips import LONG_SLIPS
from datagen.spec import LoadedSpec
from datagen.spec_file import load_spec
from datagen.utterance import NoUtterance, read_utterance, take_mark_off
from tests.datagen.test_duet import answer

EXCHANGES = 40


@pytest.fixture(scope="module")
def loaded() -> LoadedSpec:
    return load_spec("long-data")


def play(loaded: LoadedSpec, at: int, faults: Faults, stage: DuetStage, exchanges: int = EXCHANGES) -> Duet:
    """One dialogue with the simulator's parts, without a server between."""
    topic = loaded.spec.topics[at % len(loaded.spec.topics)]
    plan = plan_scenarios(list_dimensions(loaded.spec, topic, loaded.persona_ids, users=loaded.user_ids))
    scenario = [next(plan) for _ in range(at + 1)][-1]
    writer, rng = DuetWriter(loaded), random.Random(at)
    duet = Duet(Terms(exchanges, exchanges, exchanges, loaded.spec.context_tokens))
    while (step := duet.find_next()) is not None:
        request = read_duet_prompt([each["content"] for each in writer.write(scenario, duet, *step).messages])
        assert request is not None
        assert request.side == step[0]
        reply, _ = stage.reply(request, faults, False, rng)
        duet = duet.add(*step, *take_mark_off(reply))
    return duet


@pytest.mark.parametrize("at", range(6))
def test_forty_exchanges_go_on_without_a_line_said_twice(loaded: LoadedSpec, at: int) -> None:
    duet = play(loaded, at, Faults(), DuetStage(0, Counter()))
    assert len(duet.texts) == 2 * EXCHANGES
    assert duet.summary
    for side in (duet.texts[::2], duet.texts[1::2]):
        assert len(set(side)) == len(side)


@pytest.mark.parametrize("at", range(6))
def test_the_persona_speaks_of_what_the_user_told_and_of_nothing_else(loaded: LoadedSpec, at: int) -> None:
    duet = play(loaded, at, Faults(), DuetStage(0, Counter()))
    facts = find_repertoire(loaded.spec.topics[at].name).facts
    told: dict[str, str] = {}
    recalled = 0
    for number, text in enumerate(duet.texts):
        found = find_facts(find_repertoire(loaded.spec.topics[at].name), text)
        for name, value in found.items():
            assert told.setdefault(name, value) == value, "the user and the persona keep to it"
            recalled += number % 2
    assert len(told) >= len(facts) // 2
    assert recalled >= 5


def test_the_grammar_names_only_slots_that_can_be_filled() -> None:
    for topic in (*(each.name for each in load_spec("long-data").spec.topics), "아무 주제"):
        repertoire = find_repertoire(topic)
        known = {*repertoire.facts, *repertoire.words, "name", "topic", "direction", "유저"}
        for beat in repertoire.beats:
            for lines in (beat.user, beat.persona):
                assert {slot for line in (*lines.banmal, *lines.jondaetmal) for slot in list_slots(line)} <= known


def test_every_utterance_that_is_spoilt_is_told_by_its_reason(loaded: LoadedSpec) -> None:
    prompt = DuetWriter(loaded).write(
        next(plan_scenarios(list_dimensions(loaded.spec, loaded.spec.topics[0], ("exa",), users=("baker",)))),
        Duet(Terms(20, 40, 30, 2000), ("저 왔어요.",)),
        "persona",
        1,
    )
    request = read_duet_prompt([each["content"] for each in prompt.messages])
    assert request is not None
    for reason, spoil in MALFORMED_UTTERANCES.items():
        reply, finish_reason = spoil(request, "*웃으며* 어서 와, 기다렸어.")
        heard = read_utterance(answer(reply, finish_reason), "엑사")
        assert isinstance(heard, NoUtterance)
        assert heard.reason == reason


def test_every_slip_of_long_dialogues_sets_in_late_and_is_counted(loaded: LoadedSpec) -> None:
    counts: Counter[str] = Counter()
    for at in range(12):
        clean = play(loaded, at, Faults(), DuetStage(at, counts), exchanges=17)
        slipped = play(loaded, at, Faults(slip=1), DuetStage(at, counts), exchanges=17)
        assert clean.texts[:16] == slipped.texts[:16]
        assert clean.texts != slipped.texts
    assert {name.removeprefix("slip ") for name in counts} == {each.code for each in LONG_SLIPS}
