"""Dialogues to review, curated for real: good ones, ones with slips, near-copies of each other."""

import json
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from curation.curate import CurateRequest, curate
from datagen.record import Message
from datagen.simulator.compose import Request, compose
from datagen.simulator.slips import SLIPS, Slip

PERSONA = """\
id: exa
name: 엑사
age: 19
speech_level: banmal
system_prompt: |
  너는 엑사야. 늘 반말로 밝게 말해.
  유저를 {유저}라고 불러.
"""
TOPIC, OTHER_TOPIC = "일상 대화", "학술적 대화"
REJECTED = "무엇을 도와드릴까요? 저는 AI 언어 모델이라 잘 모르겠습니다."
"""A turn that the filters drop."""
_SETTINGS = "filters:\n  emoji: {emoji: {drop: null, note: 1}}\n"
"""So that some that are accepted have a finding, and the audit something to hide."""
_SCENARIO = {"situation": "유저가 점심 메뉴를 못 고르고 있다", "facets": {"장소": "도서관 앞", "기분": "설렘"}}


def curate_dialogues(folder: Path, rows: Iterable[dict[str, Any]], persona: str = PERSONA) -> Path:
    """The curated folder of these rows: `damhwa curate dialogues.jsonl -o exa-data …`."""
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (folder / "dialogues.jsonl").write_text("\n".join(lines), encoding="utf-8")
    persona_file, settings = folder / "exa.yaml", folder / "settings.yaml"
    persona_file.write_text(persona, encoding="utf-8")
    settings.write_text(_SETTINGS, encoding="utf-8")
    curate(CurateRequest(folder / "dialogues.jsonl", folder / "exa-data", (persona_file,), settings=settings))
    return folder / "exa-data"


def list_dialogues() -> Iterator[dict[str, Any]]:
    """131 of two topics: 100 good ones, some with a word to look for, 13 near-copies, 18 with a slip."""
    rng = random.Random(7)
    for number in range(100):
        topic = OTHER_TOPIC if number % 5 == 4 else TOPIC
        messages = compose(Request(topic, 2 + number % 3, "banmal"), rng)
        if number % 10 == 0:
            messages = (Message("user", f"점심 먹었어? {messages[0].content}"), *messages[1:])
        yield to_row(f"good-{number:03d}", messages, topic)
        if number % 8 == 0:
            answer = f"{messages[-1].content} 그럼 이따 봐!"
            yield to_row(f"copy-{number:03d}", (*messages[:-1], Message("assistant", answer)), topic)
    request = Request(TOPIC, 3, "banmal")
    for name, slip in SLIPS.items():
        if name != "near-copy":
            for number in range(2):
                yield to_row(f"slip-{name}-{number}", slip(Slip(compose(request, rng), request, rng, None)), TOPIC)


def to_row(id_: str, messages: Iterable[Message], topic: str, **values: Any) -> dict[str, Any]:
    turns = [{"role": each.role, "content": each.content} for each in messages]
    scenario = json.dumps(_SCENARIO, ensure_ascii=False)
    return {"id": id_, "topic": topic, "messages": turns, "model": "gpt-4o", "scenario": scenario, **values}
