"""Edits and flags, through `curate`, on dialogues as users have them: an edited text is judged like any other."""

import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from curation.curate import CurateRequest, curate
from curation.explain import draw_explanation, explain
from curation.reviews import REVIEWS_FILE, Review, append_review
from datagen.console import err
from datagen.record import Message
from datagen.simulator.compose import Request, compose

AT = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
PERSONA = "id: exa\nname: 엑사\nage: 19\nspeech_level: banmal\nsystem_prompt: 너는 엑사야. 늘 반말로 밝게 말해.\n"
FORMAL = "*고개를 숙이며* 네, 그렇게 하시는 것이 좋겠습니다. 언제든지 말씀해 주십시오."


def compose_many(count: int) -> list[tuple[Message, ...]]:
    rng = random.Random(4)
    topics = ("일상 대화", "학술적 대화", "진로 고민", "정서적 위로", "철학적 질문", "하루 계획·루틴")
    return [compose(Request(topics[number % 6], 3, "banmal"), rng) for number in range(count)]


TALKS = {f"exa-{number:03d}": messages for number, messages in enumerate(compose_many(60))}
BEFORE = TALKS["exa-007"]
COPY = (*BEFORE[:-1], Message("assistant", BEFORE[-1].content + " 진짜야!"))

WALK = (
    Message("user", "주말에 등산 갈까?"),
    Message("assistant", "*신나서* 좋아! 도시락은 내가 쌀게, 물만 챙겨 와."),
    Message("user", "몇 시에 볼까?"),
    Message("assistant", "*시계를 보며* 아침 일곱 시! 늦잠 자면 안 돼."),
)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Sixty good dialogues, and a near-copy of one of them, curated."""
    (tmp_path / "exa.yaml").write_text(PERSONA, encoding="utf-8")
    rows = [{"id": id_, "topic": "일상 대화", "messages": to_turns(each)} for id_, each in TALKS.items()]
    rows.append({"id": "exa-copy", "topic": "일상 대화", "messages": to_turns(COPY)})
    (tmp_path / "data").mkdir()
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (tmp_path / "data" / "dialogues.jsonl").write_text(text, encoding="utf-8")
    recurate(tmp_path / "out")
    return tmp_path / "out"


def to_turns(messages: tuple[Message, ...]) -> list[dict[str, str]]:
    return [{"role": each.role, "content": each.content} for each in messages]


def recurate(out: Path) -> dict[str, Any]:
    return curate(CurateRequest(out.parent / "data", out, (out.parent / "exa.yaml",)))


def read(out: Path, name: str) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in pq.read_table(out / "curated" / f"{name}.parquet").to_pylist()}


def read_texts(out: Path) -> dict[str, list[str]]:
    """Id → the turns, of all that is published."""
    rows = [row for path in (out / "curated").glob("t*/*.parquet") for row in pq.read_table(path).to_pylist()]
    rows += [row for path in (out / "curated").glob("v*/*.parquet") for row in pq.read_table(path).to_pylist()]
    return {row["id"]: [each["content"] for each in row["messages"]] for row in rows}


def say(out: Path, id_: str, verdict: str, **values: object) -> None:
    review = {"id": id_, "verdict": verdict, "reviewer": "검수자 1", "at": AT, **values}
    append_review(out / REVIEWS_FILE, Review.model_validate(review))


def edit(out: Path, id_: str, messages: tuple[Message, ...], **values: object) -> None:
    say(out, id_, "edit", messages=tuple(to_turns(messages)), **values)


def change(id_: str, at: int, content: str) -> tuple[Message, ...]:
    messages = list(TALKS[id_])
    messages[at] = Message(messages[at].role, content)
    return tuple(messages)


def pick(out: Path, split: str) -> str:
    return next(id_ for id_, row in read(out, "decisions").items() if row["split"] == split and id_ != "exa-007")


def test_an_edited_text_is_published_with_both_versions_told(out: Path) -> None:
    edit(out, "exa-003", change("exa-003", 1, "*웃으며* 그거 나도 궁금했어. 같이 찾아볼까?"))
    recurate(out)
    assert read_texts(out)["exa-003"][1] == "*웃으며* 그거 나도 궁금했어. 같이 찾아볼까?"
    assert read(out, "edits") == {
        "exa-003": {
            "id": "exa-003",
            "edited_id": "exa-003@2",
            "reviewer": "검수자 1",
            "at": AT,
            "turns": [
                {
                    "message": 1,
                    "original": TALKS["exa-003"][1].content,
                    "edited": "*웃으며* 그거 나도 궁금했어. 같이 찾아볼까?",
                }
            ],
        }
    }
    assert len(read(out, "decisions")) == 61


def test_an_edit_that_a_filter_drops_does_not_count_and_its_findings_are_told(out: Path) -> None:
    edit(out, "exa-003", change("exa-003", 1, FORMAL))
    recurate(out)
    decision = read(out, "decisions")["exa-003"]
    assert (decision["status"], decision["reason"]) == ("dropped", "speech-level")
    finding = read(out, "findings")["exa-003"]
    assert (finding["message"], finding["verdict"]) == (1, "drop")
    assert "exa-003" not in read_texts(out)
    edit(out, "exa-003", TALKS["exa-003"])
    recurate(out)
    assert "exa-003" in read_texts(out)
    assert not [
        each for each in read(out, "findings").values() if each["id"] == "exa-003" and each["verdict"] == "drop"
    ]


def test_whoever_accepts_the_edited_text_stands_above_the_filters(out: Path) -> None:
    edit(out, "exa-003", change("exa-003", 1, FORMAL))
    say(out, "exa-003", "accept", revision=2)
    recurate(out)
    assert read_texts(out)["exa-003"][1] == FORMAL


def test_an_edit_mends_what_a_filter_dropped(out: Path) -> None:
    bad = {
        "id": "exa-bad",
        "topic": "일상 대화",
        "messages": to_turns((Message("user", "나 왔어"), Message("assistant", FORMAL))),
    }
    with (out.parent / "data" / "dialogues.jsonl").open("a", encoding="utf-8") as file:
        file.write("\n" + json.dumps(bad, ensure_ascii=False))
    recurate(out)
    assert read(out, "decisions")["exa-bad"]["status"] == "dropped"
    mended = (
        Message("user", "나 왔어"),
        Message("assistant", "*손을 흔들며* 어서 와! 오늘은 어떤 하루였어? 얼른 앉아 봐."),
        Message("user", "버스를 놓쳐서 한참 걸었어"),
        Message("assistant", "*물을 건네며* 다리 아프겠다. 좀 쉬어."),
    )
    edit(out, "exa-bad", mended)
    recurate(out)
    assert read(out, "decisions")["exa-bad"]["status"] == "accepted"
    assert read(out, "decisions")["exa-bad"]["turns"] == 4


def test_an_edited_text_that_resembles_a_dialogue_of_another_split_is_out(out: Path) -> None:
    ours, other = pick(out, "train"), pick(out, "test")
    before = read(out, "decisions")
    edit(out, ours, (*TALKS[other][:-1], Message("assistant", TALKS[other][-1].content + " 알았지?")))
    recurate(out)
    after = read(out, "decisions")
    assert (after[ours]["status"], after[ours]["reason"]) == ("dropped", "human")
    finding = read(out, "findings")[ours]
    assert finding["rule"] == "edit-straddles-splits"
    assert other in finding["evidence"]
    assert finding["score"] >= finding["threshold"]
    assert {id_: row["split"] for id_, row in after.items() if id_ != ours} == {
        id_: row["split"] for id_, row in before.items() if id_ != ours
    }


def test_an_edited_text_keeps_out_its_near_copies(out: Path) -> None:
    """The dialogues lie in one split, so nothing straddles; the text that a person wrote is the one that is kept."""
    train = [id_ for id_, row in read(out, "decisions").items() if row["split"] == "train" and id_ != "exa-007"]
    ours, other = train[0], train[1]
    edit(out, ours, (*TALKS[other][:-1], Message("assistant", TALKS[other][-1].content + " 알았지?")))
    recurate(out)
    decisions = read(out, "decisions")
    assert decisions[ours]["status"] == "accepted"
    assert (decisions[other]["status"], decisions[other]["keeper"]) == ("duplicate", ours)
    assert {row["cluster"] for id_, row in read(out, "clusters").items() if id_ in (ours, other)} == {min(ours, other)}


def test_a_text_that_was_edited_away_resembles_nobody_any_more(out: Path) -> None:
    assert {"exa-007", "exa-copy"} <= set(read(out, "clusters"))
    edit(out, "exa-copy", WALK)
    recurate(out)
    assert not {"exa-007", "exa-copy"} & set(read(out, "clusters"))
    assert {"exa-007", "exa-copy"} <= set(read_texts(out))


def vary(id_: str, *turns: int) -> tuple[Message, ...]:
    """A dialogue with some of its turns said anew."""
    said = (
        "음, 그건 다음 주에 도서관에서 마저 정하자, 어때?",
        "음, *창밖을 보며* 노을이 참 곱다. 저녁에는 찌개를 끓이자.",
    )
    messages = list(TALKS[id_])
    for at in turns:
        messages[at] = Message(messages[at].role, f"{said[at % 2]} {at}")
    return tuple(messages)


def add(out: Path, **talks: tuple[Message, ...]) -> None:
    rows = [{"id": id_, "topic": "일상 대화", "messages": to_turns(each)} for id_, each in talks.items()]
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (out.parent / "data" / "later.jsonl").write_text(text, encoding="utf-8")


def test_dialogues_that_only_the_text_as_generated_joined_are_no_cluster(out: Path) -> None:
    add(out, one=vary("exa-009", 1, 4), two=vary("exa-009", 2, 3))
    recurate(out)
    assert {"exa-009", "one", "two"} <= set(read(out, "clusters"))
    edit(out, "exa-009", WALK)
    recurate(out)
    assert not {"exa-009", "one", "two"} & set(read(out, "clusters"))


def test_a_cluster_is_named_by_a_dialogue_that_is_in_it(out: Path) -> None:
    add(out, same=BEFORE)
    edit(out, "exa-007", WALK)
    recurate(out)
    assert {id_: row["cluster"] for id_, row in read(out, "clusters").items()} == {
        "exa-copy": "exa-copy",
        "same": "exa-copy",
    }


def test_an_edit_of_punctuation_alone_is_no_duplicate_of_what_it_replaces(out: Path) -> None:
    edit(out, "exa-003", change("exa-003", 0, TALKS["exa-003"][0].content + "!!"))
    recurate(out)
    assert "exa-003" not in read(out, "clusters")
    assert read_texts(out)["exa-003"][0].endswith("!!")


def test_an_edit_that_is_out_keeps_no_new_dialogue_out_of_a_split(out: Path) -> None:
    ours, other = pick(out, "train"), pick(out, "test")
    edit(out, ours, (*TALKS[other][:-1], Message("assistant", TALKS[other][-1].content + " 알았지?")))
    add(out, new=vary(other, 3, 4, 5))
    recurate(out)
    decision = read(out, "decisions")["new"]
    assert (decision["status"], decision["split"]) == ("accepted", "test")


def test_a_flagged_duplicate_is_out_alone(out: Path) -> None:
    kept = next(id_ for id_ in ("exa-007", "exa-copy") if read(out, "decisions")[id_]["status"] == "accepted")
    flagged = "exa-copy" if kept == "exa-007" else "exa-007"
    say(out, flagged, "flag", reason="duplicate")
    recurate(out)
    decisions = read(out, "decisions")
    assert decisions[kept]["status"] == "accepted"
    assert (decisions[flagged]["status"], decisions[flagged]["reason"]) == ("dropped", "human")


def test_the_reviewer_chooses_which_of_two_copies_stays(out: Path) -> None:
    kept = next(id_ for id_ in ("exa-007", "exa-copy") if read(out, "decisions")[id_]["status"] == "accepted")
    other = "exa-copy" if kept == "exa-007" else "exa-007"
    say(out, kept, "flag", reason="duplicate")
    say(out, other, "accept")
    recurate(out)
    decisions = read(out, "decisions")
    assert (decisions[kept]["status"], decisions[other]["status"]) == ("dropped", "accepted")


def test_any_other_flag_takes_near_copies_along(out: Path) -> None:
    kept = next(id_ for id_ in ("exa-007", "exa-copy") if read(out, "decisions")[id_]["status"] == "accepted")
    other = "exa-copy" if kept == "exa-007" else "exa-007"
    say(out, kept, "flag", reason="persona")
    recurate(out)
    decisions = read(out, "decisions")
    assert (decisions[other]["status"], decisions[other]["keeper"]) == ("duplicate", kept)


def test_a_flag_on_an_edited_text_bans_what_resembles_the_text_as_generated_too(out: Path) -> None:
    edit(out, "exa-007", change("exa-007", 1, "*웃으며* 그거 나도 궁금했어. 같이 찾아볼까?")[:2])
    say(out, "exa-007", "flag", reason="unsafe", revision=2)
    recurate(out)
    decisions = read(out, "decisions")
    assert decisions["exa-007"]["status"] == "dropped"
    assert decisions["exa-copy"]["status"] == "duplicate"


def test_added_data_leaves_edits_as_they_are(out: Path) -> None:
    edit(out, "exa-003", change("exa-003", 1, "*웃으며* 그거 나도 궁금했어. 같이 찾아볼까?"))
    recurate(out)
    before = {id_: row["split"] for id_, row in read(out, "decisions").items()}
    rng = random.Random(9)
    rows = [
        {
            "id": f"new-{number}",
            "topic": "일상 대화",
            "messages": to_turns(compose(Request("진로 고민", 3, "banmal"), rng)),
        }
        for number in range(10)
    ]
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (out.parent / "data" / "later.jsonl").write_text(text, encoding="utf-8")
    recurate(out)
    after = {id_: row["split"] for id_, row in read(out, "decisions").items()}
    assert {id_: after[id_] for id_ in before} == before
    assert read_texts(out)["exa-003"][1].startswith("*웃으며* 그거")


def test_the_explanation_shows_the_edited_text_over_the_one_that_was_generated(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(out, "exa-003", change("exa-003", 1, FORMAL), note="말투를 바꿔 봄", turn=1, event=12)
    recurate(out)
    explanation = explain(out, "exa-003")
    told = explanation.to_json()
    assert told["messages"][1]["content"] == FORMAL
    assert told["original_messages"] == to_turns(TALKS["exa-003"])
    assert told["review"]["event"] == 12
    for part in draw_explanation(explanation):
        err.print(part)
    shown = "".join(capsys.readouterr().err.split())
    for text in (
        FORMAL,
        f"처음 글  {TALKS['exa-003'][1].content}",
        "말투를 바꿔 봄",
        "edit at turn 2 by 검수자 1",
        "event",
    ):
        assert "".join(text.split()) in shown
    assert shown.count("처음글") == 1
