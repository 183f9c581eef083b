"""The speech-level filter beyond its golden table: what it looks at, and that it answers for any dialogue."""

from hypothesis import given, settings
from hypothesis import strategies as st

from curation.filter import decide
from curation.filters import speech_level
from curation.finding import AtLeast
from curation.subject import PersonaSheet, SpeechLevel, Subject
from datagen.record import Message, clean_text

PIECES = st.sampled_from(
    [
        "안녕하세요!",
        "안녕!",
        "*웃으며* ",
        "학교요.",
        "필요.",
        "'갈래?' 하고 물었어요.",
        "ㅋㅋ",
        "뭐 해?",
        "네, 알겠습니다.",
        "그랬구나…",
        "\n",
        "*",
        "“",
    ]
)
UTTERANCES = st.one_of(st.lists(PIECES, max_size=8).map(" ".join), st.text(max_size=40))


def ask(
    turns: list[str], level: SpeechLevel | None = "banmal", limits: speech_level.Settings | None = None
) -> list[str]:
    limits = limits or speech_level.Settings()
    messages = tuple(
        Message("assistant" if index % 2 else "user", clean_text(each)) for index, each in enumerate(turns)
    )
    subject = Subject.of(messages, PersonaSheet("exa", "엑사", level))
    found = decide("speech-level", limits, speech_level.measure(subject, limits))
    return [f"{each.verdict} {each.rule}" for each in found]


def test_a_users_level_is_free() -> None:
    assert ask(["안녕하세요, 엑사 님?", "안녕! 편하게 말해."]) == []


def test_a_persona_without_a_declared_level_is_not_judged() -> None:
    assert ask(["안녕", "안녕하세요! 뭐 해?"], None) == []


def test_a_dialogue_without_a_persona_is_not_judged() -> None:
    subject = Subject.of((Message("user", "안녕"), Message("assistant", "안녕하세요!")), None)
    assert list(speech_level.measure(subject, speech_level.Settings())) == []


def test_stage_directions_do_not_count() -> None:
    assert ask(["왔어?", "*'다녀왔습니다!' 하고 외치며* 나 왔어!"]) == []


def test_thinking_aloud_in_one_sentence_is_noted_and_in_most_drops() -> None:
    assert ask(["먹어 봐", "와, 맛있겠다! 잘 먹을게요. 고마워요."], "jondaetmal") == []
    assert ask(["먹어 봐", "맛있겠다! 잘 먹을게요. 고마워요."], "jondaetmal") == ["note off_level"]
    thoughts = ask(["어땠어?", "참 길었다. 회의를 세 번이나 했다. 이제야 살 것 같다."], "jondaetmal")
    assert thoughts == ["note off_level"] * 3 + ["drop off_share"]


def test_a_stricter_limit_drops_what_was_noted() -> None:
    strict = speech_level.Settings(off_level=AtLeast(drop=0.7))
    assert ask(["먹어 봐", "맛있겠다! 잘 먹을게요."], "jondaetmal", strict) == ["drop off_level"]


@settings(deadline=None, max_examples=100)
@given(st.lists(UTTERANCES, max_size=6), st.sampled_from(["banmal", "jondaetmal"]))
def test_it_answers_for_any_dialogue_and_names_places_in_it(turns: list[str], level: SpeechLevel) -> None:
    messages = tuple(
        Message("assistant" if index % 2 else "user", clean_text(each)) for index, each in enumerate(turns)
    )
    subject = Subject.of(messages, PersonaSheet("exa", "엑사", level))
    for each in speech_level.measure(subject, speech_level.Settings()):
        assert 0 <= each.score <= 1
        assert len(each.evidence) <= 120
        if each.message is not None:
            assert each.message % 2 == 1
            assert each.start is not None
            assert each.end is not None
            assert 0 <= each.start < each.end <= len(subject.utterances[each.message].text)
