"""In the audit no answer tells what curation thought before one has decided oneself; afterwards all is told."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests
import sqlalchemy as sa

from curation.reviewing.tables import SAMPLES
from review_ui.access.loopback import LoopbackAccess
from review_ui.app import build_app
from review_ui.cards.card import FINDINGS_SHOWN, view_findings
from review_ui.reviewed_run import ReviewedRun, ReviewOptions
from review_ui.service import Service
from tests.conftest import serve_in_thread

HIDDEN = "🎉🎉🎉 응, 나도 정말 반가워! 🎉🎉🎉"
"""A line with which curation is not content."""


@dataclass
class Desk:
    """`post`ed to as the one reviewer; `card`: of the audit, with `HIDDEN` as its second turn."""

    run: ReviewedRun
    api: str
    headers: dict[str, str]

    def post(self, path: str, **body: Any) -> requests.Response:
        return requests.post(f"{self.api}/runs/{self.run.name}/{path}", json=body, headers=self.headers, timeout=30)

    def check(self, card: dict[str, Any], turn: int, content: str) -> list[tuple[str, int | None]]:
        edits = [{"turn": turn, "content": content}]
        answer = self.post("checks", id=card["id"], revision=card["revision"], edits=edits)
        assert answer.status_code == 200
        return [(each["code"], each["message"]) for each in answer.json()["findings"]]

    def decide(self, card: dict[str, Any], kind: str) -> None:
        body = {"key": f"key-{kind}-0001", "id": card["id"], "revision": 1, "kind": kind, "mode": "audit"}
        answer = self.post("decisions", **body, looked_ms=900, decided_at=1.0, screen={"mode": "audit"})
        assert answer.status_code == 200


@pytest.fixture
def desk(built_run: Path, tmp_path: Path) -> Iterator[Desk]:
    folder = Path(shutil.copytree(built_run, tmp_path / "exa-data"))
    _write_hidden(folder)
    run = ReviewedRun.open(folder, ReviewOptions())
    with serve_in_thread(build_app(Service({run.name: run}), LoopbackAccess("검수자-1"))) as url:
        api = url.removesuffix("/v1") + "/api/v1"
        yield Desk(run, api, {"X-CSRF-Token": requests.get(f"{api}/me", timeout=10).json()["csrf"]})


def _write_hidden(folder: Path) -> None:
    for path in (folder / ".curation" / "measured").glob("*.parquet"):
        table = pq.read_table(path)
        messages = table.column("messages").to_pylist()
        for each in messages:
            each[1]["content"] = HIDDEN
        at = table.column_names.index("messages")
        pq.write_table(table.set_column(at, "messages", pa.array(messages, table.schema.field(at).type)), path)


def test_a_check_tells_what_the_edit_brings_about_and_no_more(desk: Desk) -> None:
    card = desk.post("claims", mode="audit").json()["cards"][0]
    assert (card["findings"], card["neighbours"], card["cluster"]) == (None, None, None)
    last = len(card["turns"]) - 1
    assert desk.check(card, last, card["turns"][last]["content"] + " 응.") == []
    assert desk.check(card, 1, HIDDEN + " 응.") == []
    assert ("emoji", last) in desk.check(card, last, HIDDEN)


def test_after_ones_own_decision_a_check_tells_everything(desk: Desk) -> None:
    card = desk.post("claims", mode="audit").json()["cards"][0]
    desk.decide(card, "accept")
    last = len(card["turns"]) - 1
    assert ("emoji", 1) in desk.check(card, last, card["turns"][last]["content"] + " 응.")


def test_in_triage_a_check_tells_everything(desk: Desk) -> None:
    card = desk.post("claims", mode="triage").json()["cards"][0]
    last = len(card["turns"]) - 1
    assert ("emoji", 1) in desk.check(card, last, card["turns"][last]["content"] + " 응.")


def test_a_dialogue_of_the_audit_cannot_be_chosen(desk: Desk) -> None:
    query = sa.select(SAMPLES.c.id).where(SAMPLES.c.pool == "audit").order_by(SAMPLES.c.rank.desc())
    last = desk.run.database.read(lambda connection: connection.execute(query).scalars().first())
    answer = desk.post("claims", mode="audit", sample=last)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown")
    assert answer.json()["message"] == f"표본 검수에서는 받은 대화만 다시 볼 수 있습니다: {last}"


def test_a_neighbour_of_the_audit_does_not_tell_what_others_decided(desk: Desk) -> None:
    audited = desk.post("claims", mode="audit").json()["cards"][0]
    desk.decide(audited, "accept")
    card = desk.post("claims", mode="triage").json()["cards"][0]
    together = sa.update(SAMPLES).where(SAMPLES.c.id.in_([audited["id"], card["id"]])).values(cluster="c-1")
    desk.run.database.write(lambda connection: connection.execute(together))
    card = desk.post("claims", mode="triage", sample=card["id"]).json()["cards"][0]
    assert [(each["id"], each["verdict"], each["can_decide"]) for each in card["neighbours"]] == [
        (audited["id"], None, False)
    ]


def test_a_text_that_is_another_dialogues_is_never_shown(desk: Desk) -> None:
    first, second = desk.post("claims", mode="triage", count=2).json()["cards"]
    query = sa.select(SAMPLES.c.row).where(SAMPLES.c.id == second["id"])
    row = desk.run.database.read(lambda connection: connection.execute(query).scalar_one())
    wrong = sa.update(SAMPLES).where(SAMPLES.c.id == first["id"]).values(row=row)
    desk.run.database.write(lambda connection: connection.execute(wrong))
    answer = desk.post("claims", mode="triage", sample=first["id"])
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert second["id"] in answer.json()["message"]


def test_of_a_flood_of_findings_those_that_drop_are_shown_and_the_first_of_the_others() -> None:
    note = {"code": "emoji", "rule": "max", "message": 1, "start": 0, "end": 1, "evidence": "🎉", "score": 2.0}
    note |= {"threshold": 1.0, "verdict": "note"}
    rows = [note | {"message": number} for number in range(5_000)]
    rows[4_000] = rows[4_000] | {"verdict": "drop"}
    shown = view_findings(rows, {}, "ko")
    assert [each.message for each in shown] == [*range(FINDINGS_SHOWN - 1), 4_000]
    assert [each.verdict for each in shown].count("drop") == 1
