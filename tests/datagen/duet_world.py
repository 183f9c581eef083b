"""A small spec of duets, and what tests ask of its runs."""

import sqlite3
from contextlib import closing
from pathlib import Path
from textwrap import dedent
from typing import Any

USER = """\
    id: student
    age: 20
    mood: 들떠 있다
    goal: 떠들고 싶다
    speech_level: banmal
    typing: {spelling: 마침표를 찍지 않는다, shortening: 자주 줄여 쓴다, emoticons: ㅋㅋ 를 가끔, sentences: 짧다}
    system_prompt: 스무 살 대학생이다.
"""


def make_duet(spec: Path, exchanges: str = "{min: 3, max: 5}", quota: int = 2) -> Path:
    """Turn conftest's spec into one of duets."""
    (spec.parent / "users").mkdir()
    (spec.parent / "users" / "student.yaml").write_text(dedent(USER), encoding="utf-8")
    text = spec.read_text(encoding="utf-8")
    head = f"mode: duet\nusers: [users/student.yaml]\nexchanges: {exchanges}"
    text = text.replace("exchanges: {min: 2, max: 5}", head)
    text = text.replace("quota: 12", f"quota: {quota}").replace("quota: 8", "quota: 1")
    spec.write_text(text.replace("concurrency: 8", "concurrency: 2"), encoding="utf-8")
    return spec


def read_rows(run: Path) -> list[dict[str, Any]]:
    """The utterances of a run, with what duet each belongs to."""
    with closing(sqlite3.connect(run / "ledger.db")) as connection:
        connection.row_factory = sqlite3.Row
        query = "SELECT utterances.*, topic, slot, attempt FROM utterances JOIN duets ON duets.id = duet ORDER BY 1"
        return [dict(row) for row in connection.execute(query)]
