"""Structured replies: what is read, what is rejected and why, and whole runs that ask for them."""

import json
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from curation.build import BuildOptions, build
from datagen.endpoint_options import ProviderOptions
from datagen.errors import ProviderError, UsageError
from datagen.json_reply import build_response_format, parse_json_reply, render_json
from datagen.prompt import PromptWriter
from datagen.record import Message, clean_text
from datagen.scenario import list_dimensions, plan_scenarios
from datagen.simulator.compose import Request, compose
from datagen.simulator.faults import Draft
from datagen.simulator.json_faults import JSON_MALFORMED, dress_json
from datagen.simulator.server import Simulator
from datagen.spec_file import load_spec
from datagen.start import generate
from datagen.status import read_rejected
from datagen.store import read_dialogues
from datagen.transcript import (
    Rejection,
    Transcript,
    find_label,
    is_utterance,
    parse_transcript,
    render_transcript,
    trim_utterance,
)

StartSimulator = Callable[..., tuple[str, Simulator]]
StartServer = Callable[[Callable[[web.Request], Awaitable[web.StreamResponse]]], str]
Edit = Callable[[Path, str, str], None]

TALK = (
    Message("user", "나 왔어"),
    Message("assistant", "*웃으며* 어서 와!\n오늘은 어땠어?"),
    Message("user", '"괜찮아"래'),
    Message("assistant", "그래?"),
)

UTTERANCES = st.text(st.sampled_from('가나다 ㅎ~*.!"\\{}[]\n:12humangptser'), max_size=60) | st.text(max_size=20)
UTTERANCES = UTTERANCES.map(clean_text).map(trim_utterance).filter(is_utterance)


@st.composite
def draw_dialogues(draw: st.DrawFn) -> tuple[Message, ...]:
    pairs = draw(st.lists(st.tuples(UTTERANCES, UTTERANCES), min_size=1, max_size=6))
    return tuple(
        message for user, persona in pairs for message in (Message("user", user), Message("assistant", persona))
    )


def write(*pairs: dict[str, Any]) -> str:
    return json.dumps({"exchanges": list(pairs)}, ensure_ascii=False)


def pair(user: Any = "나 왔어", assistant: Any = "어서 와!") -> dict[str, Any]:
    return {"user": user, "assistant": assistant}


def test_a_structured_reply_is_read_with_its_line_breaks() -> None:
    assert parse_json_reply(render_json(TALK), (2, 5)) == Transcript(TALK)


@given(draw_dialogues())
def test_what_was_written_is_read_back(messages: tuple[Message, ...]) -> None:
    result = parse_json_reply(render_json(messages), (1, 60))
    if any(find_label(message.content) for message in messages):  # here nothing of the kind is needed
        assert isinstance(result, Rejection)
        assert result.reason == "label-in-text"
    else:
        assert result == Transcript(messages)
        assert parse_transcript(render_transcript(messages), (1, 60)) == result


@given(draw_dialogues(), st.integers(0, 3))
def test_wrappings_of_models_change_nothing(messages: tuple[Message, ...], seed: int) -> None:
    plain = render_json(messages)
    assert parse_json_reply(dress_json(plain, random.Random(seed)), (1, 60)) == parse_json_reply(plain, (1, 60))


@pytest.mark.parametrize(
    ("reply", "finish_reason", "reason"),
    [
        ("", "stop", "wrong-form"),
        ("그냥 글", "stop", "wrong-form"),
        ("죄송하지만 그 요청에는 응할 수 없습니다.", "stop", "refusal"),
        (render_transcript(TALK), "stop", "wrong-form"),
        ("human1: 죄송해요, 갈 수 없어요\ngpt1: 괜찮아", "stop", "wrong-form"),
        (write(pair("미안해, 오늘은 못 가"), pair())[:-20], "length", "truncated"),
        ('{"exchanges": "없음"}', "stop", "wrong-form"),
        ('{"turns": []}', "stop", "wrong-form"),
        (write(pair(), pair(assistant=3)), "stop", "wrong-form"),
        (write(pair(), {"질문": "a", "답": "b"}), "stop", "wrong-form"),
        ('{"exchanges": [1, 2]}', "stop", "wrong-form"),
        (write(), "stop", "too-few-exchanges"),
        (write(pair()), "stop", "too-few-exchanges"),
        (write(*[pair()] * 6), "stop", "too-many-exchanges"),
        (write(pair(), pair(user=" \n ")), "stop", "empty-utterance"),
        (write(pair(), pair(assistant="\u200b")), "stop", "empty-utterance"),
        (write(pair(), {"assistant": "어서 와!", "user": "나 왔어"}), "stop", "out-of-order"),
        (write(pair(), {"user": "나 왔어"}), "stop", "truncated"),
        (write(pair(), pair()), "length", "truncated"),
        (write(pair(), pair())[:-20], "length", "truncated"),
        (write(pair(), pair())[:-20], "stop", "truncated"),
        (write(pair("human1: 나 왔어"), pair()), "stop", "label-in-text"),
        (write(pair(), pair(assistant="그래.\nUser: 그런데 있잖아")), "stop", "label-in-text"),
    ],
)
def test_what_is_no_whole_dialogue_is_rejected_with_one_reason(reply: str, finish_reason: str, reason: str) -> None:
    result = parse_json_reply(reply, (2, 5), finish_reason)
    assert isinstance(result, Rejection)
    assert result.reason == reason, result
    assert result.detail


@pytest.mark.parametrize("reason", sorted(JSON_MALFORMED))
def test_every_kind_of_malformed_structured_reply_is_rejected_for_its_reason(reason: str) -> None:
    for seed in range(40):
        rng = random.Random(seed)
        messages = compose(Request("일상 대화", 2 + seed % 4, "banmal"), rng)
        text, finish_reason = JSON_MALFORMED[reason](Draft(messages, (2, 5), rng))
        result = parse_json_reply(text, (2, 5), finish_reason)
        assert isinstance(result, Rejection), text
        assert result.reason == reason, (text, result)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["exchanges", "user", "assistant", "x"]), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.one_of(st.text(), JSON.map(lambda value: json.dumps({"exchanges": value})), JSON.map(json.dumps)))
def test_no_reply_makes_it_raise_and_what_it_accepts_is_a_transcript_too(reply: str) -> None:
    result = parse_json_reply(reply, (1, 60))
    if isinstance(result, Transcript):
        assert parse_transcript(render_transcript(result.messages), (1, 60)) == result


@pytest.mark.parametrize(
    "unit", ['{"', '{"a":', "[", '{"exchanges": [', '{"user": "', "\\u", "{ ", '{"a": 1} ', "9" * 50, "\ud800"]
)
def test_long_garbage_is_read_in_linear_time(unit: str) -> None:
    started = time.perf_counter()
    for around in ("", '{"exchanges": ['):
        assert isinstance(parse_json_reply(around + unit * (400_000 // len(unit)), (1, 60)), Rejection)
    assert time.perf_counter() - started < 20  # what is not linear takes minutes


def test_a_brace_before_the_object_is_passed_over() -> None:
    assert parse_json_reply(f"{{유저}}와 나눈 대화: {render_json(TALK)}", (2, 5)) == Transcript(TALK)


def test_the_schema_keeps_to_what_strict_mode_takes() -> None:
    asked = build_response_format((2, 5))
    assert asked["json_schema"]["strict"] is True
    allowed = {"type", "properties", "required", "additionalProperties", "items", "minItems", "maxItems"}

    def check(schema: dict[str, Any]) -> None:
        assert set(schema) <= allowed
        if schema["type"] == "object":
            assert schema["additionalProperties"] is False
            assert schema["required"] == list(schema["properties"])
            for each in schema["properties"].values():
                check(each)
        if schema["type"] == "array":
            check(schema["items"])

    check(asked["json_schema"]["schema"])


def ask_for_json(spec: Path, edit: Edit) -> Path:
    edit(spec, "exchanges:", "reply: json\nexchanges:")
    return spec


def test_the_prompt_asks_for_json_alone_and_shows_examples_in_it(spec: Path, edit: Edit) -> None:
    loaded = load_spec(ask_for_json(spec, edit))
    scenario = next(plan_scenarios(list_dimensions(loaded.spec, loaded.spec.topics[0], ("exa",))))
    prompt = PromptWriter(loaded).write(scenario, 0, 0)
    whole = prompt.system + prompt.user
    assert "human" not in whole
    assert "gpt1" not in whole
    assert '{"exchanges": [{"user": "나 왔어", "assistant": "*손을 흔들며* 어서 와!"}' in prompt.user
    assert f"`exchanges`에 {scenario.exchanges}개" in prompt.user


@pytest.mark.parametrize("malformed", [0.0, 0.3])
def test_a_run_of_structured_replies_meets_its_quotas(
    spec: Path, tmp_path: Path, edit: Edit, start_simulator: StartSimulator, malformed: float
) -> None:
    url, simulator = start_simulator(malformed=malformed, dressed=0.3, refusal=malformed / 3)
    summary = generate(str(ask_for_json(spec, edit)), tmp_path / "run", ProviderOptions((url,)))
    assert summary["accepted"] == len(list(read_dialogues(tmp_path / "run" / "dialogues"))) == 20
    kept = list(read_rejected(tmp_path / "run", None))
    assert len(kept) == simulator.counts["malformed"] + simulator.counts["refusal"]
    assert {attempt.reason for attempt in kept} <= {*JSON_MALFORMED, "refusal"}
    assert "unlabelled" not in {attempt.reason for attempt in kept}


@pytest.mark.slow
def test_everything_behind_generation_takes_structured_replies(spec: Path, tmp_path: Path, edit: Edit) -> None:
    summary = build(
        str(ask_for_json(spec, edit)), tmp_path / "run", BuildOptions(ProviderOptions(offline=True), baseline=6)
    )
    assert summary["accepted"] == 20
    assert len(list((tmp_path / "run" / "baseline").glob("*.parquet"))) == 1
    assert len(list(read_dialogues(tmp_path / "run" / "baseline"))) == 6


def complete(content: str | None, **message: Any) -> web.Response:
    choices = [{"index": 0, "message": {"role": "assistant", "content": content, **message}, "finish_reason": "stop"}]
    return web.json_response({"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": choices})


def test_an_endpoint_that_does_not_know_schemas_stops_the_run_with_a_hint(
    spec: Path, tmp_path: Path, edit: Edit, start_server: StartServer
) -> None:
    async def refuse(request: web.Request) -> web.Response:
        body = await request.json()
        if "response_format" in body:
            error = {"message": "Unknown parameter: 'response_format'", "type": "invalid_request_error"}
            return web.json_response({"error": error}, status=400)
        return complete(render_transcript(TALK))

    url = start_server(refuse)
    generate(str(spec), tmp_path / "as-transcripts", ProviderOptions((url,)))
    with pytest.raises(ProviderError, match="response_format") as caught:
        generate(str(ask_for_json(spec, edit)), tmp_path / "run", ProviderOptions((url,)))
    assert "leave `reply: json` out" in str(caught.value.hint)


def test_a_key_that_no_utf_8_can_hold_is_a_rejection_that_can_be_stored() -> None:
    for reply in (r'{"\ud800": 1}', r'{"exchanges": [{"\ud800": 2, "user": "안녕", "assistant": 7}]}'):
        found = parse_json_reply(reply, (1, 3))
        assert isinstance(found, Rejection)
        assert found.detail.encode()


def test_a_request_that_is_refused_later_is_a_rejection_as_ever(
    spec: Path, tmp_path: Path, edit: Edit, start_server: StartServer
) -> None:
    asked = 0

    async def handle(request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        assert (await request.json())["response_format"]["json_schema"]["strict"] is True
        if asked == 12:
            return web.json_response({"error": {"message": "말썽", "type": "x"}}, status=400)
        if asked == 14:
            return complete(None, refusal="I won't.")
        return complete(render_json(TALK))

    generate(str(ask_for_json(spec, edit)), tmp_path / "run", ProviderOptions((start_server(handle),)))
    assert sorted(str(each.reason) for each in read_rejected(tmp_path / "run", None)) == ["http-400", "refusal"]


def test_the_form_of_replies_is_frozen_with_the_run(
    spec: Path, tmp_path: Path, edit: Edit, start_simulator: StartSimulator
) -> None:
    url, _ = start_simulator()
    generate(str(spec), tmp_path / "run", ProviderOptions((url,)))
    assert "reply:" not in (tmp_path / "run" / "spec.yaml").read_text(encoding="utf-8").partition("prompts:")[0]
    with pytest.raises(UsageError, match=r"\+reply: json"):
        generate(str(ask_for_json(spec, edit)), tmp_path / "run", ProviderOptions((url,)))
    generate(str(spec), tmp_path / "other", ProviderOptions((url,)))
    edit(spec, "reply: json", "reply: transcript")
    with pytest.raises(UsageError, match=r"-reply: json"):
        generate(str(spec), tmp_path / "other", ProviderOptions((url,)))
