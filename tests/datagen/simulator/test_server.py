"""The simulator over real HTTP, by the real client."""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import openai
import pytest

from datagen.prompt import PromptWriter
from datagen.record import Message
from datagen.scenario import list_dimensions, plan_scenarios
from datagen.simulator.compose import Request, choose_particle, compose, near_duplicate_share
from datagen.simulator.faults import MALFORMED, Draft
from datagen.simulator.grammar import GRAMMAR_DIR, read_grammar
from datagen.simulator.server import Simulator, read_prompt
from datagen.simulator.slips import SLIPS, Slip
from datagen.spec import LoadedSpec
from datagen.spec_file import load_spec
from datagen.transcript import Rejection, Transcript, parse_transcript, render_transcript

StartSimulator = Callable[..., tuple[str, Simulator]]


def open_client(url: str) -> openai.OpenAI:
    return openai.OpenAI(api_key="none", base_url=url, max_retries=0)


def ask_for_three(loaded: LoadedSpec) -> Any:
    topic = loaded.spec.topics[0]
    scenario = next(
        each for each in plan_scenarios(list_dimensions(loaded.spec, topic, ("exa",))) if each.exchanges == 3
    )
    return PromptWriter(loaded).write(scenario, 0, 0).messages


def test_it_answers_on_topic_in_the_length_that_was_asked(start_simulator: StartSimulator) -> None:
    url, _ = start_simulator()
    with open_client(url) as client:
        reply = client.chat.completions.create(model="any", messages=ask_for_three(load_spec("exa-data")))
    assert reply.model == "damhwa-simulator"
    assert reply.usage is not None
    assert reply.usage.completion_tokens > 50
    result = parse_transcript(reply.choices[0].message.content or "", (2, 5))
    assert isinstance(result, Transcript)
    assert len(result.messages) == 6


def test_a_stream_says_the_same_kind_of_thing_in_pieces(start_simulator: StartSimulator) -> None:
    url, _ = start_simulator()
    with open_client(url) as client:
        messages = ask_for_three(load_spec("exa-data"))
        pieces = list(client.chat.completions.create(model="any", messages=messages, stream=True))
    text = "".join(piece.choices[0].delta.content or "" for piece in pieces)
    assert isinstance(parse_transcript(text, (2, 5)), Transcript)
    assert pieces[-1].choices[0].finish_reason == "stop"
    assert len(pieces) > 10


def test_models_and_embeddings_are_there(start_simulator: StartSimulator) -> None:
    url, _ = start_simulator()
    with open_client(url) as client:
        assert [model.id for model in client.models.list()] == ["damhwa-simulator"]
        texts = ["오늘 비가 와서 우산을 챙겼어", "오늘 비가 와서 우산을 샀어", "주말에 영화 보러 갈래?"]
        one, near, far = (item.embedding for item in client.embeddings.create(model="any", input=texts).data)
    assert sum(a * b for a, b in zip(one, near, strict=True)) > 0.4 > sum(a * b for a, b in zip(one, far, strict=True))


def test_a_request_that_is_none_is_a_400(start_simulator: StartSimulator) -> None:
    url, _ = start_simulator()
    wrong: Any = [{"role": "user"}]
    with open_client(url) as client, pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="any", messages=wrong)


def test_a_request_without_a_message_is_a_400(start_simulator: StartSimulator) -> None:
    url, simulator = start_simulator()
    with open_client(url) as client, pytest.raises(openai.BadRequestError, match="at least 1"):
        client.chat.completions.create(model="any", messages=[])
    assert simulator.counts["requests"] == 0


def test_text_in_parts_is_read_as_the_same_text_and_a_prompt_paid_for_again_is_counted(
    start_simulator: StartSimulator,
) -> None:
    url, simulator = start_simulator()
    whole = ask_for_three(load_spec("exa-data"))
    parts: Any = [{**each, "content": [{"type": "text", "text": each["content"]}]} for each in whole]
    with open_client(url) as client:
        first = client.chat.completions.create(model="any", messages=parts)
        assert simulator.counts["paid_again"] == 0
        client.chat.completions.create(model="any", messages=whole)
    assert isinstance(parse_transcript(first.choices[0].message.content or "", (3, 3)), Transcript)
    assert (simulator.counts["paid"], simulator.counts["paid_again"]) == (2, 1)


def test_the_scenario_is_read_back_out_of_every_shipped_prompt() -> None:
    for name in ("exa-data", "gf-persona-data"):
        loaded = load_spec(name)
        writer = PromptWriter(loaded)
        people = {persona.id: persona for persona in loaded.personas}
        for topic in loaded.spec.topics:
            scenarios = plan_scenarios(list_dimensions(loaded.spec, topic, tuple(people)))
            for slot in range(5):
                scenario = next(scenarios)
                prompt = writer.write(scenario, slot, 0)
                persona = people[scenario.persona]
                assert read_prompt([prompt.system, prompt.user]) == Request(
                    topic=topic.name,
                    exchanges=scenario.exchanges,
                    speech_level=persona.speech_level,
                    name=persona.name,
                    situation=scenario.situation,
                    place=dict(scenario.facets)["장소"],
                    user_placeholder="{유저}",
                )


@pytest.mark.parametrize("reason", sorted(MALFORMED))
def test_every_kind_of_malformed_reply_is_rejected_for_its_reason(reason: str) -> None:
    for seed in range(40):
        rng = random.Random(seed)
        messages = compose(Request("일상 대화", 2 + seed % 4, "banmal"), rng)
        text, finish_reason = MALFORMED[reason](Draft(messages, (2, 5), rng))
        result = parse_transcript(text, (2, 5), finish_reason)
        assert isinstance(result, Rejection), text
        assert result.reason == reason, (text, result)


@pytest.mark.parametrize(
    ("word", "pair", "particle"),
    [
        ("붕어빵", ("을", "를"), "을"),
        ("커피", ("을", "를"), "를"),
        ("서울", ("으로", "로"), "로"),
        ("부산", ("으로", "로"), "으로"),
        ("학교", ("이랑", "랑"), "랑"),
        ("3", ("이", "가"), "이"),
        ("AI", ("은", "는"), "는"),
        ("엑사", ("아", "야"), "야"),
    ],
)
def test_a_particle_fits_its_word(word: str, pair: tuple[str, str], particle: str) -> None:
    assert choose_particle(word, *pair) == particle


def test_every_topic_of_the_shipped_specs_has_a_bank_in_the_levels_it_needs() -> None:
    banks = [bank for path in GRAMMAR_DIR.glob("*.yaml") for bank in read_grammar(path).banks]
    served = {(topic, bank.speech_level) for bank in banks for topic in bank.topics}
    assert {bank.speech_level for bank in banks if not bank.topics} == {"banmal", "jondaetmal"}
    missing = []
    for name in ("exa-data", "gf-persona-data"):
        loaded = load_spec(name)
        levels = {persona.speech_level for persona in loaded.personas}
        missing += [(t.name, level) for t in loaded.spec.topics for level in levels if (t.name, level) not in served]
    assert not missing


@pytest.mark.slow
def test_at_most_two_percent_of_the_demo_are_near_duplicates() -> None:
    loaded = load_spec("exa-data")
    dialogues: list[tuple[Message, ...]] = []
    for topic in loaded.spec.topics:
        scenarios = plan_scenarios(list_dimensions(loaded.spec, topic, ("exa",)))
        firsts: Counter[str] = Counter()
        for slot in range(topic.quota):
            scenario = next(scenarios)
            rng = random.Random(f"{topic.name}/{slot}")
            messages = compose(Request(topic.name, scenario.exchanges, "banmal", situation=scenario.situation), rng)
            dialogues.append(messages)
            firsts[messages[0].content] += 1
        assert max(firsts.values()) <= max(3, 0.02 * topic.quota), (topic.name, firsts.most_common(2))
    assert len(dialogues) == 890
    assert near_duplicate_share(dialogues) <= 0.02


@pytest.mark.parametrize("name", sorted(SLIPS))
def test_a_slip_changes_a_dialogue_that_stays_whole(name: str) -> None:
    request = Request(topic="일상 대화", exchanges=3, speech_level="banmal")
    for seed in range(20):
        rng = random.Random(seed)
        messages, before = compose(request, rng), compose(request, rng)
        slipped = SLIPS[name](Slip(messages, request, rng, before))
        assert slipped not in (messages, before)
        result = parse_transcript(render_transcript(slipped), (2, 5))
        assert isinstance(result, Transcript)
        assert result.messages == slipped


def test_the_simulator_slips_as_often_as_it_is_told(start_simulator: StartSimulator) -> None:
    url, simulator = start_simulator(slip=1.0)
    with open_client(url) as client:
        messages = ask_for_three(load_spec("exa-data"))
        for _ in range(5):
            client.chat.completions.create(model="any", messages=messages)
    assert sum(count for name, count in simulator.counts.items() if name.startswith("slip ")) == 5


def test_somebody_who_chats_about_nothing_is_answered(start_simulator: StartSimulator) -> None:
    url, _ = start_simulator()
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        for number in range(40):
            said = [{"role": "user", "content": f"안녕, {number}번째 인사야"}]
            reply = client.chat.completions.create(model="m", messages=said)  # type: ignore[arg-type]
            assert reply.choices[0].message.content
