"""One duet: what is said next, what a reply must be, and what each side is shown."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datagen.answer import Answer
from datagen.clock import read_clock
from datagen.draft import Draft
from datagen.duet import KEPT_EXCHANGES, Duet, Terms, estimate_tokens
from datagen.duet_drafter import DuetDrafter
from datagen.duet_prompt import DuetWriter
from datagen.group_commit import GroupCommit
from datagen.ledger import Ledger
from datagen.ledger_duets import Utterance
from datagen.provider import Call
from datagen.quota import Slot
from datagen.scenario import Scenario
from datagen.spec import LoadedSpec
from datagen.spec_file import load_spec
from datagen.transcript import Transcript, parse_transcript, render_transcript
from datagen.utterance import Heard, NoUtterance, read_utterance
from tests.conftest import write_spec
from tests.datagen.duet_world import make_duet

SCENARIO = Scenario("일상 대화", "exa", "유저가 출근길에 비를 맞았다", (("장소", "카페"),), None, 4, user="student")


def answer(text: str, finish_reason: str = "stop", declined: bool = False) -> Answer:
    return Answer(text, finish_reason, declined, "m", "p", None, None)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("", "empty-utterance"),
        (" \n[끝]", "empty-utterance"),
        ("유저: 안녕", "label-in-text"),
        ("엑사: 안녕!", "label-in-text"),
        ("**gpt1:** 안녕", "label-in-text"),
        ("안녕 human2: 잘 가", "label-in-text"),
        ("[끝] 아니 잠깐만", "label-in-text"),
        ("【끝】 아니 잠깐만", "label-in-text"),
        ("<think>뭐라고 할까</think>\n안녕!", "label-in-text"),
        ("안녕!\n\n(3번째로 말할 차례다. 아직 끝낼 때가 아니다. 이야기를 이어 간다.)", "label-in-text"),
        ("안녕!" + "그래서 말인데 " * 400_000, "too-long"),
        ("안녕!\n엑사: 응 안녕\n유저: 그래", "several-turns"),
        ("안녕!\nhuman2: 그래", "several-turns"),
        ("죄송하지만 그 요청에는 응할 수 없습니다.", "refusal"),
        ("I'm sorry, but I can't help with that.", "refusal"),
    ],
)
def test_a_reply_that_is_no_single_utterance_says_why(reply: str, reason: str) -> None:
    heard = read_utterance(answer(reply), "엑사")
    assert isinstance(heard, NoUtterance)
    assert heard.reason == reason


def test_a_reply_that_was_cut_or_declined_says_so() -> None:
    reasons = [
        read_utterance(answer("안녕", "length"), "엑사"),
        read_utterance(answer("안녕", "content_filter"), "엑사"),
        read_utterance(answer("안녕", declined=True), "엑사"),
    ]
    assert [each.reason for each in reasons if isinstance(each, NoUtterance)] == [
        "truncated",
        "content-filter",
        "refusal",
    ]


@pytest.mark.parametrize(
    "text", ["미안, 오늘은 못 가겠어", "죄송한데 좀 어렵겠어요", "비율은 3:7이야", "유저라니", "그게 다야 (끝)"]
)
def test_what_people_say_to_one_another_is_no_refusal_and_no_label(text: str) -> None:
    assert read_utterance(answer(text), "엑사") == Heard(text, has_mark=False)


@pytest.mark.parametrize(
    "mark",
    [
        "\n[끝]",
        "\n\n**[끝]**\n",
        " [ 끝 ].",
        "\n[끝]\n[끝]",
        "\n［끝］",
        "\n【끝】",
        "\n(끝)",
        "\n- [끝]",
        '\n> "[끝]"',
        "\n[끝]~",
    ],
)
def test_the_mark_is_heard_and_never_kept(mark: str) -> None:
    assert read_utterance(answer(f"이만 갈게!{mark}"), "엑사") == Heard("이만 갈게!", has_mark=True)


def say(duet: Duet, count: int, length: int = 50) -> Duet:
    """So many exchanges more, with summaries where they fall due."""
    for _ in range(2 * count):
        step = duet.find_next()
        while step is not None and step[0] == "summary":
            duet = duet.add(*step, f"요약 {step[1]}")
            step = duet.find_next()
        assert step is not None
        duet = duet.add(*step, f"{step[1]}".ljust(length, "가"))
    return duet


def test_a_user_ends_between_least_and_most_and_the_persona_has_the_last_word() -> None:
    duet = Duet(Terms(least=2, most=3, aim=2, context_tokens=4000))
    early = duet.add("user", 0, "안녕", has_mark=True)
    assert not early.is_ending
    duet = say(duet, 1).add("user", 2, "갈게", has_mark=True)
    assert duet.find_next() == ("persona", 3)
    assert duet.add("persona", 3, "잘 가").find_next() is None
    assert say(Duet(duet.terms), 3).find_next() is None, "ended by force at the most"


def test_older_exchanges_are_told_once_the_context_is_full_and_the_newest_stay_in_full() -> None:
    duet = say(Duet(Terms(40, 40, 40, context_tokens=1000)), 30)
    assert duet.told > 0
    assert duet.summary == f"요약 {duet.told}"
    assert estimate_tokens(duet.window) <= 1000 + 2 * 40
    assert len(duet.window) >= 2 * KEPT_EXCHANGES
    assert duet.told % 2 == 0


def test_exchanges_too_long_for_the_context_are_still_shown_in_full() -> None:
    duet = say(Duet(Terms(40, 40, 40, context_tokens=200)), 12, length=400)
    assert duet.told > 0
    assert 2 * KEPT_EXCHANGES <= len(duet.window) <= 2 * KEPT_EXCHANGES + 2


@pytest.fixture
def loaded(spec: Path) -> LoadedSpec:
    return load_spec(make_duet(spec))


def test_each_side_sees_its_own_system_message_and_itself_as_assistant(loaded: LoadedSpec) -> None:
    writer = DuetWriter(loaded)
    duet = Duet(Terms(3, 5, 4, 4000)).add("user", 0, "나 왔어").add("persona", 1, "어서 와!")
    user = writer.write(SCENARIO, duet, "user", 2).messages
    assert [each["role"] for each in user] == ["system", "user", "assistant", "user"]
    assert user[2]["content"] == "나 왔어"
    assert user[3]["content"].startswith("어서 와!\n\n(2번째로 말할 차례다.")
    persona = writer.write(SCENARIO, duet.add("user", 2, "그래"), "persona", 3).messages
    assert [each["content"] for each in persona[1:]] == ["나 왔어", "어서 와!", "그래"]
    assert [each["role"] for each in persona] == ["system", "user", "assistant", "user"]
    assert "스무 살 대학생이다." in user[0]["content"]
    assert "스무 살 대학생이다." not in persona[0]["content"]
    assert "너는 엑사야." in persona[0]["content"]
    assert "너는 엑사야." not in user[0]["content"]
    assert SCENARIO.situation in user[0]["content"]
    assert SCENARIO.situation not in persona[0]["content"]


def test_the_persona_keeps_the_rules_that_transcripts_have(loaded: LoadedSpec) -> None:
    assert loaded.prompts.duet is not None
    rules = loaded.prompts.system.partition("# 규칙\n")[2].partition("\n\n")[0]
    assert rules.count("\n- ") >= 5
    assert f"# 규칙\n{rules}\n" in loaded.prompts.duet.persona


def test_between_summaries_a_sides_messages_only_grow_but_for_the_note(loaded: LoadedSpec) -> None:
    writer, duet = DuetWriter(loaded), Duet(Terms(30, 30, 30, context_tokens=800))
    before: dict[str, tuple[int, str]] = {}
    summaries = 0
    while (step := duet.find_next()) is not None:
        prompt = writer.write(SCENARIO, duet, *step)
        text = "\0".join(each["content"] for each in prompt.messages)
        told, last = before.get(step[0], (-1, ""))
        if step[0] != "summary" and told == duet.told:
            assert text.startswith(last.rpartition("\n\n(")[0] or last)
        before[step[0]] = (duet.told, text)
        summaries += step[0] == "summary"
        duet = duet.add(*step, f"{step[1]}".ljust(60, "가"))
    assert summaries >= 2
    persona = writer.write(SCENARIO, Duet(duet.terms, ("안녕",), summary="유저는 강릉에 간다."), "persona", 1)
    assert "# 지금까지의 이야기\n유저는 강릉에 간다." in persona.system


class ScriptedTill:
    """Answers with what it is given, then with what ends a dialogue."""

    def __init__(self, replies: list[Answer]) -> None:
        self._replies: Iterator[Answer] = iter(replies)
        self.asked: list[Call] = []

    async def ask(self, call: Call) -> tuple[Answer, float | None]:
        self.asked.append(call)
        return next(self._replies, answer("그래, 좋아.\n[끝]")), 0.5


def draft(spec: Path, folder: Path, replies: list[Answer]) -> tuple[Draft, list[Utterance]]:
    async def run() -> tuple[Draft, list[Utterance]]:
        ledger = Ledger.create_or_open(folder / "ledger.db")
        commits = GroupCommit(ledger)
        told: list[Utterance] = []
        till: Any = ScriptedTill(replies)
        drafter = DuetDrafter(load_spec(spec), ledger, till, commits, read_clock, told.append)
        try:
            made = await drafter.draft(Slot(SCENARIO.topic, 0, SCENARIO, SCENARIO, 0))
            await commits.add(made.to_entry(1, Slot(SCENARIO.topic, 0, SCENARIO, SCENARIO, 0)))
            assert told == ledger.utterances_of_attempt(1)
            assert ledger.open_duets(SCENARIO.topic) == []
            return made, told
        finally:
            await commits.aclose()
            ledger.close()

    return asyncio.run(run())


REPLIES = st.builds(
    answer,
    st.one_of(
        st.sampled_from(["안녕", "응 [끝]", "그래\n[끝]", "유저: 야", "a\n엑사: b", "```\n그래\n```", "gpt1: 야"]),
        st.text(max_size=30),
    ),
    st.sampled_from(["stop", "stop", "stop", "length", "content_filter"]),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(replies=st.lists(REPLIES, max_size=25), least=st.integers(1, 3), more=st.integers(0, 3))
def test_for_any_replies_what_is_stored_is_a_whole_dialogue_or_a_draft_with_a_reason(
    replies: list[Answer], least: int, more: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        spec = make_duet(write_spec(Path(name) / "specs"), f"{{min: {least}, max: {least + more}}}")
        made, rows = draft(spec, Path(name), replies)
    assert made.cost_usd == 0.5 * len(rows)
    if made.verdict.messages is None:
        assert made.verdict.outcome == "rejected"
        assert [row.reason for row in rows[-3:]].count(None) == 0
        return
    assert [each.role for each in made.verdict.messages] == ["user", "assistant"] * (len(made.verdict.messages) // 2)
    assert least <= len(made.verdict.messages) // 2 <= least + more
    assert not any("[끝]" in each.content for each in made.verdict.messages)
    assert parse_transcript(render_transcript(made.verdict.messages), (least, least + more)) == Transcript(
        made.verdict.messages
    )


def test_a_mark_before_its_time_is_asked_again_once_and_then_taken_off(spec: Path, tmp_path: Path) -> None:
    made, rows = draft(make_duet(spec), tmp_path, [answer("갈게\n[끝]"), answer("그럼 갈게\n[끝]")])
    assert [row.reason for row in rows[:2]] == ["ended-early", None]
    assert made.verdict.messages is not None
    assert made.verdict.messages[0].content == "그럼 갈게"
    assert len(made.verdict.messages) == 6


def test_a_mark_in_the_last_try_is_taken_off_and_rejects_no_draft(spec: Path, tmp_path: Path) -> None:
    made, rows = draft(make_duet(spec), tmp_path, [answer(""), answer(""), answer("나 왔어\n[끝]")])
    assert [row.reason for row in rows[:3]] == ["empty-utterance", "empty-utterance", None]
    assert made.verdict.messages is not None
    assert made.verdict.messages[0].content == "나 왔어"


def test_a_summary_without_end_is_not_carried_by_the_requests_to_come() -> None:
    heard = read_utterance(answer("유저는 강릉에 간다. " * 1_000), None)
    assert isinstance(heard, NoUtterance)
    assert heard.reason == "too-long"


def test_three_bad_replies_reject_the_draft_and_its_reply_is_the_transcript_so_far(spec: Path, tmp_path: Path) -> None:
    bad = [answer("유저: 야")] * 3
    made, rows = draft(make_duet(spec), tmp_path, [answer("나 왔어"), answer("어서 와!"), *bad])
    assert (made.verdict.outcome, made.verdict.reason) == ("rejected", "label-in-text")
    assert made.verdict.detail is not None
    assert made.verdict.detail.startswith("human2, asked 3 times: ")
    assert made.answer is not None
    assert made.answer.text == "human1: 나 왔어\ngpt1: 어서 와!"
    assert [row.again for row in rows] == [0, 0, 0, 1, 2]
    assert made.requests == sum(row.requests for row in rows)
