"""A small curated dataset, written by hand: two topics, eight dialogues, one of each fate."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from curation.report.input import ReportInput
from curation.schemas import CLUSTERS, DECISIONS, FINDINGS
from datagen.record import Dialogue, Message

TEXTS = {
    "a1": ("나 오늘 면접 봤어. 떨려 죽는 줄ㅠㅠ", "*어깨를 토닥이며* 고생했어! 제일 기억에 남는 질문이 뭐였어?"),
    "a2": ("비 오는데 우산을 또 두고 왔어", "*창밖을 보며* 편의점 앞에서 잠깐 기다려 봐. 금방 그칠 거야 ㅎㅎ"),
    "a3": ("점심에 뭐 먹지? 어제도 김밥이었는데", "*메뉴판을 넘기는 시늉을 하며* 그럼 오늘은 따뜻한 칼국수 어때?"),
    "a4": ("점심에 뭐 먹지? 어제도 김밥이었는데!", "*메뉴판을 넘기는 시늉을 하며* 그럼 오늘은 뜨끈한 칼국수 어때?"),
    "a5": ("너는 감정이 있어?", "*고개를 갸웃하며* 음… 저는 AI 언어 모델이라 감정을 느끼지 못해요."),
    "b1": (
        "출장 끝나려면 사흘이나 남았어",
        "*달력에 동그라미를 치며* 나도 보고 싶어. {유저} 오는 날 내가 제일 먼저 반겨 줄게.",
    ),
    "b2": ("자려고 누웠는데 네 생각이 나네", "*작게 웃으며* 나도 그래. 눈 감고 오늘 좋았던 일 하나만 말해 줘."),
    "b3": ("이번 주말엔 꼭 보자", "*손가락을 걸며* 약속했다? 도서관 창가 자리 맡아 둘게 😊"),
}
START = TEXTS["a5"][1].index("저는")
END = len(TEXTS["a5"][1])


def make_dialogue(id_: str, topic: str, *texts: str, scenario: str = "") -> Dialogue:
    messages = tuple(Message("assistant" if at % 2 else "user", text) for at, text in enumerate(texts))
    made = datetime(2026, 3, 1, tzinfo=UTC)
    row = ("exa-data", topic, "intellectual", "exa")
    return Dialogue(id_, *row, messages, scenario, "gpt-4o", "openai", "0" * 64, "a", 900, 200, 0.01, made)


def decide(dialogue: Dialogue, status: str = "accepted", **more: object) -> dict[str, object]:
    row: dict[str, object] = dict.fromkeys(DECISIONS.names)
    row |= {name: getattr(dialogue, name) for name in ("id", "topic", "category", "persona", "provider", "model")}
    row |= {"turns": dialogue.turns, "characters": sum(len(each.content) for each in dialogue.messages)}
    return row | {"cost_usd": dialogue.cost_usd, "status": status} | more


def find(id_: str, code: str, rule: str, **more: object) -> dict[str, object]:
    row: dict[str, object] = dict.fromkeys(FINDINGS.names)
    return row | {"id": id_, "code": code, "rule": rule, "score": 1.0, "threshold": 1.0, "verdict": "drop"} | more


def assemble(
    dialogues: list[Dialogue], decisions: list[dict[str, object]], findings: list[dict[str, object]], **more: object
) -> ReportInput:
    by_id = {each.id: each for each in dialogues}
    data = ReportInput(
        dataset="exa-data",
        source="runs/exa-data",
        quotas=None,
        decisions=pa.Table.from_pylist(decisions, schema=DECISIONS),
        findings=pa.Table.from_pylist(findings, schema=FINDINGS),
        clusters=CLUSTERS.empty_table(),
        load=lambda ids: [by_id[id_] for id_ in ids],
        persona_levels={"exa": "banmal"},
        leakage={"highest": None, "threshold": 0.4, "pair": None, "compared": 0},
        bands={"bands": 42, "rows": 3, "threshold": 0.5, "curve": [(0.0, 0.0), (0.5, 0.996), (1.0, 1.0)], "pairs": []},
        rejected={},
        drafts={},
        baseline=None,
        settings_text="emoji:\n  emoji: {drop: 1}\n",
        created_at=datetime(2026, 3, 2, 9, 30, tzinfo=UTC),
        versions={"damhwa": "0.2.0"},
    )
    return replace(data, **more)  # type: ignore[arg-type]


def make_small() -> ReportInput:
    scenario = '{"situation": "%s", "opening": "안부를 물으며", "facets": {"장소": "도서관"}}'
    topics = {"a": "일상 대화", "b": "보고 싶다는 표현"}
    dialogues = [make_dialogue(id_, topics[id_[0]], *texts, scenario=scenario % id_) for id_, texts in TEXTS.items()]
    by_id = {each.id: each for each in dialogues}
    decisions = [
        decide(by_id["a1"], split="train"),
        decide(by_id["a2"], split="train"),
        decide(by_id["a3"], split="validation"),
        decide(by_id["a4"], "duplicate", reason="duplicate", keeper="a3", similarity=0.82),
        decide(by_id["a5"], "dropped", reason="assistant-tell"),
        decide(by_id["b1"], split="train"),
        decide(by_id["b2"], "reserve", reason="quota"),
        decide(by_id["b3"], "dropped", reason="emoji"),
    ]
    tell = "비서의 말투 “저는 AI 언어 모델이라”"
    findings = [
        find("a5", "assistant-tell", "phrase", message=1, start=START, end=START + 13, evidence=tell),
        find("a5", "speech-level", "off-level", message=1, start=START, end=END, evidence="반말 페르소나의 존댓말"),
        find("a1", "speech-level", "mixed", message=1, start=0, end=4, evidence="말끝이 불분명", verdict="note"),
        find("b3", "emoji", "emoji", message=1, start=31, end=32, evidence="그림 이모지 😊"),
    ]
    pair = {"cluster": "a3", "keeper": "a3", "kind": "near", "similarity": 0.82}
    return assemble(
        dialogues,
        decisions,
        findings,
        quotas={"일상 대화": ("intellectual", 3), "보고 싶다는 표현": ("emotional", 2)},
        clusters=pa.Table.from_pylist([{"id": "a3", **pair}, {"id": "a4", **pair}], schema=CLUSTERS),
        leakage={"highest": 0.31, "threshold": 0.4, "pair": ("a1", "a3"), "compared": 12},
        bands={
            "bands": 42,
            "rows": 3,
            "threshold": 0.5,
            "curve": [(0.0, 0.0), (0.5, 0.996), (1.0, 1.0)],
            "pairs": [
                {"left": "a3", "right": "a4", "similarity": 0.82},
                {"left": "a1", "right": "b1", "similarity": 0.2},
            ],
        },
        rejected={"일상 대화": {"truncated": 2}},
        drafts={
            "일상 대화": {"drafts": 7, "cost_usd": 0.06, "tokens": 7_700},
            "보고 싶다는 표현": {"drafts": 3, "cost_usd": 0.03, "tokens": 3_300},
        },
    )


@pytest.fixture
def small() -> ReportInput:
    return make_small()


@pytest.fixture
def make_input() -> Callable[..., ReportInput]:
    """`make_input(dialogues, decisions, findings, **fields of ReportInput)`."""
    return assemble


@pytest.fixture(name="make_dialogue")
def _make_dialogue() -> Callable[..., Dialogue]:
    return make_dialogue


@pytest.fixture(name="decide")
def _decide() -> Callable[..., dict[str, object]]:
    return decide


@pytest.fixture(name="find")
def _find() -> Callable[..., dict[str, object]]:
    return find
