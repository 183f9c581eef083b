"""Examples: a few of each kind, quoted as far as it helps, with marks that stay on their words."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from curation.report import examples
from curation.report.build import build_report
from curation.report.document import Excerpt, Mark, Quote
from curation.report.input import ReportInput
from curation.report.passages import show_pair, show_quote
from datagen.record import Dialogue


def test_each_kind_of_drop_is_shown_with_its_evidence(small: ReportInput) -> None:
    groups = {group["code"]: group for group in build_report(small)["examples"]}
    assert set(groups) == {"assistant-tell", "speech-level", "emoji", "duplicate"}
    (tell,) = groups["assistant-tell"]["examples"]
    assert [each["code"] for each in tell["findings"]] == ["assistant-tell", "speech-level"]
    reply = tell["quote"]["messages"][1]
    mark = reply["marks"][0]
    assert reply["text"][mark["start"] : mark["end"]] == "저는 AI 언어 모델이라"
    (duplicate,) = groups["duplicate"]["examples"]
    assert duplicate["keeper"] is not None
    assert (duplicate["keeper"]["id"], duplicate["quote"]["id"], duplicate["similarity"]) == ("a3", "a4", 0.82)


def test_examples_of_a_code_show_different_rules(
    make_input: Callable[..., ReportInput],
    make_dialogue: Callable[..., Dialogue],
    decide: Callable[..., object],
    find: Callable[..., object],
) -> None:
    dialogues = [make_dialogue(f"d{at:02}", "일상 대화", "나 왔어", "**어서** 와!") for at in range(60)]
    rules = ["markdown"] * 58 + ["unpaired", "empty"]
    findings = [
        find(each.id, "stage-direction", rule, evidence="") for each, rule in zip(dialogues, rules, strict=True)
    ]
    data = make_input(dialogues, [decide(each, "dropped", reason="stage-direction") for each in dialogues], findings)
    (group,) = build_report(data)["examples"]
    assert {each["findings"][0]["rule"] for each in group["examples"]} == {"markdown", "unpaired", "empty"}
    assert group["dialogues"] == 60


def test_a_finding_on_a_whole_message_flags_it(make_dialogue: Callable[..., Dialogue]) -> None:
    dialogue = make_dialogue("x", "", "나 왔어", "어서 와!")
    row = {"message": 1, "start": None, "end": None, "verdict": "note"}
    assert [each["flagged"] for each in examples.quote(dialogue, [row])["messages"]] == [False, True]


def test_a_book_is_quoted_around_its_mark(make_dialogue: Callable[..., Dialogue]) -> None:
    text = "그래서 말이야, " * 100_000
    dialogue = make_dialogue("x", "", "얘기해 줘", text + "전화는 010-2345-6789야" + text)
    row = {"message": 1, "start": len(text) + 4, "end": len(text) + 17, "verdict": "drop"}
    reply = examples.quote(dialogue, [row])["messages"][1]
    assert len(reply["text"]) < 1_000
    assert (reply["cut_before"], reply["cut_after"]) == (True, True)
    assert reply["text"][reply["marks"][0]["start"] : reply["marks"][0]["end"]] == "010-2345-6789"


def test_an_endless_dialogue_is_quoted_around_its_findings(make_dialogue: Callable[..., Dialogue]) -> None:
    dialogue = make_dialogue("x", "", *["그래서?", "그래서 말이야"] * 5_000)
    row = {"message": 7_001, "start": 0, "end": 3, "verdict": "drop"}
    quote = examples.quote(dialogue, [row])
    assert [each["index"] for each in quote["messages"]] == [7_000, 7_001, 7_002]
    shown = show_quote(quote)
    assert [each.skipped for each in shown] == [7_000, 0, 0]
    assert len(examples.quote(dialogue)["messages"]) == 10


def test_pairs_come_from_both_sides_of_the_threshold(small: ReportInput) -> None:
    pairs = [{"left": "a1", "right": "a2", "similarity": at / 100} for at in range(20, 100)]
    small.bands["pairs"] = pairs  # type: ignore[typeddict-item]
    chosen = [each["similarity"] for each in examples.choose_pairs(small)]
    assert chosen == [0.53, 0.52, 0.51, 0.5, 0.49, 0.48, 0.47, 0.46]


def _quote(*texts: str) -> Quote:
    return Quote(id="x", turns=len(texts), messages=[_excerpt(at, text) for at, text in enumerate(texts)])


def _excerpt(at: int, text: str) -> Excerpt:
    role = "assistant" if at % 2 else "user"
    return Excerpt(index=at, role=role, text=text, cut_before=False, cut_after=False, flagged=False, marks=[])


def test_a_pair_marks_what_differs() -> None:
    left, right = show_pair(
        _quote("점심 뭐 먹지?", "따뜻한 칼국수 어때?"), _quote("점심 뭐 먹지?", "뜨끈한 칼국수는 어때?")
    )
    assert [[each.text for each in passage.pieces if each.mark] for passage in left] == [[], ["따뜻한", "칼국수"]]
    assert [[each.text for each in passage.pieces if each.mark] for passage in right] == [[], ["뜨끈한", "칼국수는"]]


def test_stage_directions_are_set_apart() -> None:
    (passage,) = show_quote(_quote("*웃으며* 그래! *손을 흔들며*"))
    assert [(each.text, each.is_direction) for each in passage.pieces] == [
        ("*웃으며*", True),
        (" 그래! ", False),
        ("*손을 흔들며*", True),
    ]


_SPANS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), st.sampled_from(["drop", "note"])), max_size=4)


@given(st.text(alphabet="가나*다 \n<", max_size=12), _SPANS)
def test_pieces_are_the_text_whatever_the_marks(text: str, spans: list[tuple[int, int, str]]) -> None:
    quote = _quote(text)
    quote["messages"][0]["marks"] = [Mark(start=a, end=b, verdict=verdict) for a, b, verdict in spans]
    (passage,) = show_quote(quote)
    assert "".join(each.text for each in passage.pieces) == text
    for piece in passage.pieces:
        assert bool(piece.mark) <= bool(spans)
