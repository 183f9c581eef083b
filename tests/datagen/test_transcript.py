import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.record import Message, clean_text
from datagen.transcript import Rejection, Transcript, is_utterance, parse_transcript, render_transcript

ANY_LENGTH = (1, 60)

TALK = (
    "human1: 오늘 발표 망쳤어.\n목소리가 막 떨리더라.\n"
    "gpt1: *걱정스럽게* 에구, 많이 긴장했구나.\n\n그래도 끝까지 해냈잖아!\n"
    "human2: 그건 그래.\n"
    "gpt2: *엄지를 들며* 그게 제일 어려운 건데 해낸 거야~"
)
PARSED = (
    Message("user", "오늘 발표 망쳤어.\n목소리가 막 떨리더라."),
    Message("assistant", "*걱정스럽게* 에구, 많이 긴장했구나.\n\n그래도 끝까지 해냈잖아!"),
    Message("user", "그건 그래."),
    Message("assistant", "*엄지를 들며* 그게 제일 어려운 건데 해낸 거야~"),
)


def read(
    reply: str, exchanges: tuple[int, int] = ANY_LENGTH, finish_reason: str | None = "stop"
) -> tuple[Message, ...]:
    result = parse_transcript(reply, exchanges, finish_reason)
    assert isinstance(result, Transcript), result
    return result.messages


def reject(reply: str, exchanges: tuple[int, int] = ANY_LENGTH, finish_reason: str | None = "stop") -> str:
    result = parse_transcript(reply, exchanges, finish_reason)
    assert isinstance(result, Rejection), result
    assert result.detail
    return result.reason


def test_every_line_of_an_utterance_is_kept_in_order() -> None:
    assert read(TALK) == PARSED


@pytest.mark.parametrize(
    "dressed",
    [
        TALK.replace("human1:", "**human1**:").replace("gpt2:", "**gpt2**:"),
        TALK.replace("human1:", "**human1:**").replace("gpt1:", "**gpt1:**"),
        TALK.replace("human", "Human ").replace("gpt", "GPT ").replace("1:", "1 :").replace("2:", "2 :"),
        TALK.replace("1:", "1：").replace("2:", "2： "),
        TALK.replace("human", "   human").replace("gpt", "\tgpt"),
        TALK.replace("\ngpt", "\n\n\ngpt").replace("\nhuman2", "\n \nhuman2"),
        f"```\n{TALK}\n```",
        f"```text\n{TALK}\n```\n",
        f"네, 요청하신 대화입니다!\n\n---\n\n{TALK}\n\n---",
        f"# 대화\n***\n{TALK}\n* * *\n",
        TALK.replace("\nhuman2", "\n---\nhuman2"),
        "\ufeff" + TALK.replace("\n", "\r\n"),
        TALK.replace("발표", "발\u200b표").replace("그래.", "그래.\u200d\u2060"),
        TALK.replace("human1:", "- human1:").replace("gpt1:", "### gpt1:"),
    ],
)
def test_every_dress_of_the_labels_is_understood(dressed: str) -> None:
    assert read(dressed) == PARSED


@pytest.mark.parametrize(
    "utterance",
    [
        "human1이 뭔지 알아? gpt1: 이라고 쓰면 어떻게 돼?",
        "gpt1: 이런 표시 본 적 있어",
        '그러니까: 이게 "진짜" 문제야 *한숨*',
        "**굵은** 글씨랑 *기울임*이랑 섞였네",
        "*웃으며* 응: 그래",
        "시간은 10:30, 장소는 도서관:3층",
        "a\n\n  b\n    c",
        "---라고 선을 그었어\n그 다음 줄",
        "```python\nprint('안녕')\n```\n이렇게 쓰면 돼",
        "user 친화적이라는 말 알지?",
    ],
)
def test_an_utterance_is_not_mistaken_for_a_label(utterance: str) -> None:
    assert read(f"human1: {utterance}\ngpt1: {utterance}") == (
        Message("user", utterance),
        Message("assistant", utterance),
    )


@pytest.mark.parametrize(
    ("reason", "reply"),
    [
        ("refusal", "죄송하지만 그 요청은 도와드릴 수 없습니다."),
        ("refusal", "미안하지만 이런 내용의 대화는 작성해 드릴 수 없어요."),
        ("refusal", "I'm sorry, but I can't help with that."),
        ("unlabelled", "안녕! 오늘 어땠어?\n그냥 그랬어."),
        ("unlabelled", ""),
        ("unlabelled", " \n\n "),
        ("out-of-order", "gpt1: 안녕\nhuman1: 응"),
        ("out-of-order", "human1: 안녕\ngpt2: 응"),
        ("out-of-order", "human1: 안녕\ngpt1: 응\ngpt2: 또 나야"),
        ("out-of-order", "human1: 안녕\ngpt1: 응\nhuman1: 또 나\ngpt1: 그래"),
        ("out-of-order", "human2: 안녕\ngpt2: 응"),
        ("empty-utterance", "human1: 안녕\ngpt1:\nhuman2: 응?\ngpt2: 아 미안"),
        ("empty-utterance", "human1: \u200b\ngpt1: 응"),
        ("empty-utterance", "human1: 안녕\ngpt1: ---"),
        ("truncated", "human1: 안녕\ngpt1: 응, 안녕\nhuman2: 뭐 해?"),
        ("label-in-text", "human1: 안녕 gpt1: 응 human2: 뭐 해 gpt2: 책 읽어"),
        ("label-in-text", "human1: 안녕\ngpt1: 응 human2: 뭐 해 gpt2: 책 읽어"),
        ("label-in-text", "human1: 안녕\ngpt1: 응\nUser: 뭐 해"),
        ("label-in-text", "human1: 안녕\ngpt: 응\ngpt1: 반가워"),
        ("label-in-text", "human1: 안녕\ngpt1: 응\nhuman2\n뭐 해"),
        ("label-in-text", "대화 human1: 안녕 gpt1: 응"),
    ],
)
def test_each_broken_reply_has_its_own_reason(reason: str, reply: str) -> None:
    assert reject(reply) == reason


def test_a_reply_that_hit_the_length_limit_is_truncated_even_if_it_looks_whole() -> None:
    assert reject(TALK, finish_reason="length") == "truncated"
    assert reject("human1", finish_reason="length") == "truncated"


def test_the_number_of_exchanges_is_held_to_what_was_asked() -> None:
    assert reject(TALK, (3, 5)) == "too-few-exchanges"
    assert reject(TALK, (1, 1)) == "too-many-exchanges"
    assert read(TALK, (2, 2)) == PARSED


def test_text_is_stored_in_nfc() -> None:
    decomposed = "\u1112\u1161\u11ab\u1100\u1173\u11af"
    assert read(f"human1: {decomposed}\ngpt1: 응")[0].content == "한글"


def test_an_apology_inside_a_dialogue_is_no_refusal() -> None:
    assert read("human1: 아까 화내서 미안해, 어쩔 수 없었어\ngpt1: 괜찮아~")[0].content.startswith("아까")


SPICY = st.sampled_from(
    [
        ":",
        "：",
        "*",
        "**",
        "_",
        '"',
        "```",
        "\n",
        "\r\n",
        "human1:",
        "gpt1:",
        "human2 :",
        "User:",
        "---",
        "…",
        "{유저}",
        "ㅋㅋ",
        "\u200b",
        "\ufeff",
        "\u0301",
        "가",
        "안녕",
        " ",
        "\t",
        "#",
        ">",
        "- ",
        "\ud7a3",
        "\U0001f600",
        "\x00",
        "\x85",
    ]
)
TEXTS = st.lists(st.one_of(SPICY, st.text(max_size=8)), max_size=12).map("".join)
UTTERANCES = TEXTS.map(lambda text: clean_text(text).strip()).filter(is_utterance)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(UTTERANCES, UTTERANCES), min_size=1, max_size=6))
def test_what_is_rendered_is_read_back_unchanged(pairs: list[tuple[str, str]]) -> None:
    messages = tuple(
        message for user, persona in pairs for message in (Message("user", user), Message("assistant", persona))
    )
    assert read(render_transcript(messages)) == messages


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.text(), TEXTS), st.sampled_from(["stop", "length", "content_filter", None]))
def test_any_reply_is_a_dialogue_or_has_a_reason(reply: str, finish_reason: str | None) -> None:
    result = parse_transcript(reply, (1, 5), finish_reason)
    if isinstance(result, Transcript):
        assert all(is_utterance(message.content) for message in result.messages)
        assert [message.role for message in result.messages] == ["user", "assistant"] * (len(result.messages) // 2)
    else:
        assert result.reason


@pytest.mark.parametrize("text", ["발표 망했다", 'gpt1: 하고 "인용"', "두 줄\n\n세 줄", "--- 아님", "human1"])
def test_ordinary_text_is_an_utterance(text: str) -> None:
    assert is_utterance(text)


@pytest.mark.parametrize("text", ["", " 앞이 비었다", "뒤에 선\n---", "줄\ngpt2: 라벨", "user: 라벨", "널\x00문자"])
def test_what_cannot_be_read_back_is_not_rendered(text: str) -> None:
    assert not is_utterance(text)
    with pytest.raises(ValueError, match="message 1"):
        render_transcript([Message("user", text), Message("assistant", "응")])


def test_a_last_turn_that_quotes_the_next_labels_is_not_rendered() -> None:
    with pytest.raises(ValueError, match="human2: and gpt2:"):
        render_transcript([Message("user", "안녕"), Message("assistant", "human2: 라고 하면 gpt2: 라고 답해")])


def test_a_dialogue_that_ends_with_the_user_is_not_rendered() -> None:
    with pytest.raises(ValueError, match="human1"):
        render_transcript([Message("user", "안녕")])


def test_roles_that_do_not_alternate_are_not_rendered() -> None:
    with pytest.raises(ValueError, match="expected user and assistant in turn"):
        render_transcript([Message("user", "안녕"), Message("user", "있어?")])


MEGABYTE = 1_000_000


@pytest.mark.parametrize(
    "piece",
    [
        " ",
        "human",
        "human1",
        "human ",
        "human1: 응\ngpt1: 그래\n",
        "**",
        "- ",
        "```\n",
        "---\n",
        "*-",
        "죄송",
        "죄송 ",
        "sorry",
        "\n",
        "가",
        "1",
        ":",
    ],
)
def test_a_megabyte_is_read_in_linear_time(piece: str) -> None:
    # a quadratic step would take minutes here; ten seconds leave room for any machine
    started = time.monotonic()
    parse_transcript(piece * (MEGABYTE // len(piece)), (1, 5))
    parse_transcript("human1: " + piece * (MEGABYTE // len(piece)), (1, 5))
    assert time.monotonic() - started < 10
