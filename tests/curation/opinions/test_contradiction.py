"""A contradiction counts where both its quotes stand in the messages that are named; each dialogue is asked once."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.curate import CurateRequest, curate
from curation.explain import explain
from curation.finding import AtLeast
from curation.opinions.contradiction import (
    Contradiction,
    ContradictionSettings,
    find_quote,
    list_findings,
    read_contradictions,
)
from curation.opinions.contradiction_calls import PROMPT_FILE
from curation.opinions.desk import Desk
from curation.opinions.gather import Opinions, gather_opinions
from curation.opinions.judge import PERSONA_PLACE, JudgeProvider
from curation.opinions.judge_calls import read_packaged
from curation.settings import load_settings
from datagen.errors import BudgetSpentError, SpecError
from datagen.simulator.contradiction import find_contradictions, is_contradiction_prompt
from datagen.simulator.server import Simulator
from tests.curation.opinions.opinion_world import (
    GOOD,
    TALKS,
    OpinionServer,
    complete,
    make_settings,
    open_material,
    write_talks,
)

LONG = (
    "나 올해 스물여섯 살 됐어",
    "*눈을 크게 뜨며* 벌써? 생일은 잘 보냈고?",
    "응 고양이랑 둘이 보냈지 ㅎㅎ",
    "고양이도 축하해 줬겠다. 이름이 뭐랬지?",
    "고양이 이름은 보리야",
    "보리! 털 색이 이름이랑 똑같다며.",
    "맞아 완전 노란색이야",
    "*웃으며* 사진 보니까 햇볕 같더라.",
    "요즘 일이 바빠서 보리랑 못 놀아 줬어",
    "주말에 몰아서 놀아 주면 되지.",
    "주말에도 회사에 나가야 해",
    "그건 너무하다. 쉬는 날은 언제야?",
    "모르겠어 나 서른 살 되기 전에는 쉬고 싶다",
    "*어깨를 토닥이며* 쉬는 것도 실력이야.",
    "아무튼 고양이 이름은 콩이야",
    "응? 아까는 보리라고 했잖아 ㅎㅎ",
)
FOUND = {
    "first": 5,
    "second": 15,
    "first_quote": "고양이 이름은 보리야",
    "second_quote": "고양이 이름은 콩이야",
    "why": "같은 고양이의 이름이 보리였다가 콩이 된다.",
    "confidence": 0.9,
}
SETTINGS = ContradictionSettings(provider=JudgeProvider(model="gpt-4o"))


def reply(*found: dict[str, Any]) -> str:
    return json.dumps({"contradictions": found}, ensure_ascii=False)


@pytest.fixture
def server() -> OpinionServer:
    return OpinionServer(judge=lambda _: complete(reply(FOUND)))


@pytest.fixture
def url(server: OpinionServer) -> Iterator[str]:
    with server.serve() as url:
        yield url


def read_at(url: str, **settings: Any) -> dict[str, Any]:
    return {"contradiction": {"provider": {"model": "gpt-4o", "base_url": url}, **settings}}


def gather(tmp_path: Path, blocks: dict[str, Any], talks: Sequence[Sequence[str]] = (LONG,)) -> Opinions:
    return gather_opinions(Desk(tmp_path / "out"), make_settings(**blocks), open_material(tmp_path, talks))


@pytest.mark.parametrize(
    "text",
    [
        reply(FOUND),
        f"```json\n{reply(FOUND)}\n```",
        f"대화를 읽어 보았습니다. {reply(FOUND)} 이상입니다.",
        reply({**FOUND, "first": 15, "second": 5, "first_quote": "이름은 콩이야", "second_quote": "이름은 보리야"}),
        reply({**FOUND, "first_quote": "“고양이  이름은\n보리야”"}),
        reply({**FOUND, "note": "덤"}),
        f'형식: {{"contradictions": []}} 답: {reply(FOUND)}',
    ],
)
def test_contradictions_are_read_however_a_model_dresses_them(text: str) -> None:
    found = read_contradictions(text, LONG)
    assert found is not None
    assert [(each.first, each.second) for each in found] == [(5, 15)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "어긋나는 곳이 없습니다.",
        reply(FOUND)[:60],
        reply({**FOUND, "second_quote": "강아지 이름은 콩이야"}),
        reply({**FOUND, "first": 6}),
        reply({**FOUND, "second": 17}),
        reply({**FOUND, "second": 5, "second_quote": "보리야"}),
        reply({**FOUND, "confidence": 1.5}),
        reply({**FOUND, "first_quote": "”"}),
        reply(FOUND, {**FOUND, "first_quote": "지어낸 말"}),
        reply({key: value for key, value in FOUND.items() if key != "confidence"}),
    ],
)
def test_an_answer_that_quotes_falsely_is_none(text: str) -> None:
    assert read_contradictions(text, LONG) is None


def test_nothing_found_is_an_answer() -> None:
    assert read_contradictions(reply(), LONG) == []


@given(st.text() | st.text(alphabet='{}[]":,contradis 12\n', max_size=200))
def test_any_reply_is_read_without_an_error(text: str) -> None:
    read_contradictions(text, LONG)
    assert read_contradictions(text + reply(), LONG) == []


@given(st.text(max_size=30), st.text(max_size=30))
def test_a_quote_that_is_found_stands_there(quote: str, text: str) -> None:
    place = find_quote(quote, text)
    if place is not None:
        assert text[place[0] : place[1]].split() == quote.strip(" \n\t\"'“”‘’").split()


def test_a_finding_names_both_places_and_marks_the_later() -> None:
    (found,) = list_findings([Contradiction(**FOUND)], LONG, SETTINGS)
    assert (found.code, found.rule, found.verdict, found.score) == ("contradiction", "conflict", "note", 0.9)
    assert found.message == 14
    assert LONG[14][found.start : found.end] == "고양이 이름은 콩이야"
    assert found.evidence == (
        "5번째 말 ‘고양이 이름은 보리야’, 15번째 말 ‘고양이 이름은 콩이야’, 앞뒤가 어긋남: "
        "같은 고양이의 이름이 보리였다가 콩이 된다."
    )


def test_the_limit_decides_and_a_pair_is_told_once() -> None:
    sure, unsure = Contradiction(**FOUND), Contradiction(**{**FOUND, "confidence": 0.4})
    assert list(list_findings([unsure], LONG, SETTINGS)) == []
    assert len(list(list_findings([unsure, sure, sure], LONG, SETTINGS))) == 1
    strict = SETTINGS.model_copy(update={"conflict": AtLeast(drop=0.8, note=0.3)})
    assert [each.verdict for each in list_findings([sure], LONG, strict)] == ["drop"]


def test_it_is_off_unless_the_settings_have_the_block() -> None:
    assert load_settings(None).contradiction is None
    assert make_settings(**read_at("http://127.0.0.1:9/v1", enabled=False)).contradiction is None


def test_the_packaged_prompt_is_a_prompt_of_ones_own() -> None:
    text = read_packaged(PROMPT_FILE)
    assert text.count(PERSONA_PLACE) == 1
    assert SETTINGS.model_validate({"provider": {"model": "m"}, "prompt": text}).prompt == text
    assert is_contradiction_prompt([text])


def test_a_prompt_without_the_form_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "curation.yaml"
    path.write_text("contradiction: {provider: {model: m}, prompt: 어긋난 곳을 찾아라}\n", encoding="utf-8")
    with pytest.raises(SpecError, match=r"the prompt does not mention .*first_quote"):
        load_settings(path)


def test_long_dialogues_are_asked_about_once_and_short_ones_never(
    tmp_path: Path, server: OpinionServer, url: str
) -> None:
    first = gather(tmp_path, read_at(url), (*TALKS, LONG))
    assert server.counts["completions"] == 1
    assert [(row, finding.rule) for row, finding in first.findings] == [(len(TALKS), "conflict")]
    assert first.judge == {"contradictions": {"read": 1, "unread": 0, "with contradictions": 1}}
    asked = server.asked[0]["messages"]
    assert "늘 반말로 밝게 말해." in asked[0]["content"]
    assert "5. 유저: 고양이 이름은 보리야\n6. 엑사: 보리!" in asked[1]["content"]
    again = gather(tmp_path, read_at("http://127.0.0.1:9/v1", conflict={"drop": 0.8, "note": 0.5}), (*TALKS, LONG))
    assert server.counts["completions"] == 1
    assert [finding.verdict for _, finding in again.findings] == ["drop"]


def test_an_answer_with_false_quotes_is_asked_for_once_more(tmp_path: Path, server: OpinionServer, url: str) -> None:
    server.first = [complete(reply({**FOUND, "first_quote": "지어낸 말"}))]
    assert len(gather(tmp_path, read_at(url)).findings) == 1
    assert server.counts["completions"] == 2


def test_a_dialogue_that_is_answered_falsely_twice_is_unread(tmp_path: Path, server: OpinionServer, url: str) -> None:
    server.judge = lambda _: complete(reply({**FOUND, "second": 99}))
    opinions = gather(tmp_path, read_at(url))
    assert opinions.findings == []
    assert opinions.judge == {"contradictions": {"read": 0, "unread": 1, "with contradictions": 0}}
    assert server.counts["completions"] == 2
    gather(tmp_path, read_at("http://127.0.0.1:9/v1"))


def test_it_has_a_budget_of_its_own(tmp_path: Path, url: str) -> None:
    blocks = read_at(url)
    blocks["contradiction"]["provider"]["budget_tokens"] = 10
    with pytest.raises(BudgetSpentError, match="contradiction"):
        gather(tmp_path, blocks)


def test_judge_and_reader_are_asked_apart(tmp_path: Path, server: OpinionServer, url: str) -> None:
    def answer(body: dict[str, Any]) -> Any:
        return complete(reply(FOUND) if is_contradiction_prompt([body["messages"][0]["content"]]) else GOOD)

    server.judge = answer
    blocks = {**read_at(url), "judge": {"provider": {"model": "gpt-4o", "base_url": url}, "repeat": 0}}
    opinions = gather(tmp_path, blocks)
    assert opinions.scores.tolist() == [4.5]
    assert opinions.judge is not None
    assert (opinions.judge["judged"], opinions.judge["contradictions"]) == (
        1,
        {"read": 1, "unread": 0, "with contradictions": 1},
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("나는 스물여섯 살이야", "나는 서른 살이야"),
        ("내 직업은 간호사야", "내 직업은 요리사야"),
        ("나 대전에 살아", "나 부산에 살아"),
        ("강아지 이름은 두부야", "강아지 이름은 호두야"),
        ("약속은 토요일이야", "약속은 일요일이야"),
    ],
)
def test_the_simulator_finds_a_planted_fact(before: str, after: str) -> None:
    numbered = f"[대화]\n1. 유저: {before}\n2. 엑사: 그렇구나\n3. 유저: 아무튼 {after}\n4. 엑사: {after}"
    found = read_contradictions(find_contradictions(["", numbered]), [before, "그렇구나", f"아무튼 {after}", after])
    assert found is not None
    assert [(each.first, each.second) for each in found] == [(1, 3)]


def test_curate_tells_of_it_from_the_simulator_to_the_report(
    tmp_path: Path, start_simulator: Callable[..., tuple[str, Simulator]]
) -> None:
    folder = write_talks(tmp_path / "talks", (LONG,))
    url, _ = start_simulator()
    (tmp_path / "curation.yaml").write_text(json.dumps(read_at(url)), encoding="utf-8")
    curate(CurateRequest(folder, tmp_path / "out", settings=tmp_path / "curation.yaml"))
    found = [each for each in explain(tmp_path / "out", "t0").findings if each["code"] == "contradiction"]
    assert [(each["message"], each["verdict"]) for each in found] == [(12, "note"), (14, "note")]
    assert found[0]["evidence"].startswith("1번째 말 ‘나 올해 스물여섯 살’, 13번째 말 ‘나 서른 살’, 앞뒤가 어긋남")
    page = (tmp_path / "out" / "curated" / "report.html").read_text(encoding="utf-8")
    assert "앞뒤 어긋남" in page
