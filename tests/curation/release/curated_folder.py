"""A small run with its `curated/` folder, as `damhwa curate` leaves it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from datagen.record import Dialogue, Message
from datagen.store import write_shard

CARD = """\
---
license: cc-by-4.0
language:
- ko
pretty_name: 엑사걸 대화
configs:
- config_name: default
  data_files:
  - split: train
    path: train/*.parquet
---

# exa-data
"""

TALKS = (
    ("나 오늘 면접 떨어졌어ㅠㅠ", "*{유저}의 어깨를 토닥이며* 속상했겠다. 오늘은 아무 생각 말고 푹 쉬어."),
    (
        "점심 뭐 먹지? 김치찌개랑 돈까스 중에 고민돼",
        "*눈을 반짝이며* 비 오니까 김치찌개지!\n두부 많이 넣어 달라고 해 ㅎㅎ",
    ),
    ("자기야 나 보고 싶었어?", "*볼을 붉히며* 당연하지. 하루 종일 {유저} 생각만 했어~"),
    ("양자역학이 뭐야 대체ㅋㅋ", "*안경을 고쳐 쓰며* 동전이 돌고 있을 때는 앞면도 뒷면도 아니잖아? 그거랑 비슷해."),
    ("운동 시작했는데 3일 만에 그만뒀다", "작심삼일도 열 번 하면 한 달이야! *주먹을 불끈 쥐며* 내일 다시 가 보자."),
    ('영화 "헤어질 결심" 봤어?', "봤지! *손뼉을 치며* 안개 나오는 장면에서 숨을 못 쉬겠더라."),
)


def make_dialogue(number: int, dataset: str = "exa-data", provider: str = "openai") -> Dialogue:
    asked, answered = TALKS[number % len(TALKS)]
    closing = (
        Message("user", f"고마워 {number}번째로 말하는 거야"),
        Message("assistant", "*웃으며* 나도 고마워, 또 얘기하자!"),
    )
    return Dialogue(
        id=f"{dataset}-{number:04}",
        dataset=dataset,
        topic=("일상 대화", "보고 싶다는 표현")[number % 2],
        category="intellectual",
        persona="exa",
        messages=(Message("user", asked), Message("assistant", answered), *closing),
        scenario="{}",
        model="gpt-4o",
        provider=provider,
        prompt_sha256="0" * 64,
        attempt_id=f"a{number}",
        prompt_tokens=900,
        completion_tokens=200,
        cost_usd=0.004,
        created_at=datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
    )


def make_run(folder: Path, dataset: str = "exa-data", provider: str = "openai", accepted: int = 20) -> Path:
    """A run of `accepted` dialogues in train, validation and test, and three that were dropped."""
    dialogues = [make_dialogue(number, dataset, provider) for number in range(accepted + 3)]
    write_shard(folder / "dialogues" / "0001.parquet", dialogues)
    kept, dropped = dialogues[:accepted], dialogues[accepted:]
    splits = {"train": kept[4:], "validation": kept[2:4], "test": kept[:2]}
    for split, rows in splits.items():
        write_shard(folder / "curated" / split / "0001.parquet", rows)
    write_decisions(folder / "curated", splits, dropped)
    (folder / "curated" / "README.md").write_text(CARD, encoding="utf-8")
    (folder / "curated" / "report.json").write_text("{}\n", encoding="utf-8")
    (folder / "curated" / "report.html").write_text("<!doctype html><title>보고서</title>\n", encoding="utf-8")
    pq.write_table(pa.table({"raw": ["깨진 줄"]}), folder / "curated" / "unreadable.parquet")
    return folder


def write_decisions(curated: Path, splits: dict[str, list[Dialogue]], dropped: Sequence[Dialogue]) -> None:
    """The first two of the dropped are to blame for their second message, the third for being too short."""
    decisions = [
        {"id": each.id, "topic": each.topic, "status": "accepted", "reason": None, "split": split}
        for split, rows in splits.items()
        for each in rows
    ]
    decisions += [
        {"id": each.id, "topic": each.topic, "status": "dropped", "reason": "speech-level", "split": None}
        for each in dropped
    ]
    schema = pa.schema([(name, pa.string()) for name in ("id", "topic", "status", "reason", "split")])
    pq.write_table(pa.Table.from_pylist(decisions, schema=schema), curated / "decisions.parquet")
    findings: list[dict[str, object]] = [
        {"id": each.id, "code": "speech-level", "message": message, "verdict": "drop"}
        for each in dropped[:2]
        for message in (3, 1)
    ]
    findings += [{"id": each.id, "code": "length", "message": None, "verdict": "drop"} for each in dropped[2:]]
    findings += [{"id": splits["train"][0].id, "code": "emoji", "message": 1, "verdict": "note"}]
    columns = [("id", pa.string()), ("code", pa.string()), ("message", pa.int32()), ("verdict", pa.string())]
    pq.write_table(pa.Table.from_pylist(findings, schema=pa.schema(columns)), curated / "findings.parquet")
    pq.write_table(pa.table({"id": ["exa-data-0001"], "keeper": ["exa-data-0001"]}), curated / "clusters.parquet")


def change_reply(dialogue: Dialogue, message: int, content: str) -> Dialogue:
    messages = list(dialogue.messages)
    messages[message] = replace(messages[message], content=content)
    return replace(dialogue, messages=tuple(messages))
