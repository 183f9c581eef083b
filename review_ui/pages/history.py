"""One's own decisions, the newest first; each can be taken back. Nothing is overwritten: an undo is a decision too."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sa
from aiohttp import web

from curation.reviewing.tables import EVENTS, SAMPLES
from curation.reviews import LOT
from review_ui.api.call import ApiError
from review_ui.app import SERVICE
from review_ui.pages.dashboard import find_run, read_moment
from review_ui.pages.frame import read_form, read_language, read_visit, render
from review_ui.queue.decide import Decision, RefusedError
from review_ui.reviewed_run import ReviewedRun
from review_ui.words import Language, label_reason

PATH = "/history"
SIZE = 30
"""Decisions on one page."""
_SHOWN = 80
"""Characters of a dialogue's first turn."""
_UNDOABLE = ("accept", "flag", "edit")
_LAST = 2**62

WORDS: dict[str, tuple[str, str]] = {
    "title": ("내 결정", "My decisions"),
    "run": ("작업", "Run"),
    "none": ("아직 내린 결정이 없습니다.", "There are no decisions yet."),
    "about": (
        "되돌려도 기록은 남습니다. 되돌린 대화는 다시 검수 목록에 들어갑니다.",
        "The log keeps what is taken back. The dialogue returns to its queue.",
    ),
    "kind.accept": ("승인", "accepted"),
    "kind.flag": ("플래그", "flagged"),
    "kind.edit": ("고침", "edited"),
    "kind.later": ("나중에", "put off"),
    "kind.undo": ("되돌림", "undid"),
    "mode.audit": ("표본 검수", "audit"),
    "mode.triage": ("선별 검수", "triage"),
    "undone": ("되돌린 결정", "taken back"),
    "undo": ("되돌리기", "Undo"),
    "undo_of": ("{what} 되돌리기: {text}", "Undo {what}: {text}"),
    "looked": ("{seconds}초 봄", "looked at for {seconds} s"),
    "turn": ("{turn}번 말풍선", "turn {turn}"),
    "older": ("이전 결정 →", "Older →"),
    "newest": ("← 최근 결정", "← Newest"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A decision as the page shows it. `text`: how the dialogue begins; `reason`: of a flag, as people read it."""

    event: Any
    time: datetime
    text: str
    reason: str | None
    is_undone: bool
    can_undo: bool
    link: str


async def show(request: web.Request) -> web.StreamResponse:
    """The page."""
    user = read_visit(request).user
    service, run = request.app[SERVICE], find_run(request, request.query.get("run"))
    before = _read_number(request.query.get("before"))
    await service.call(run.look)
    events, undone = await service.read(run, lambda connection: _read(connection, run.number, user.name, before))
    shown = events[:SIZE]
    dialogues = await service.call(run.texts.load, [(each.file, each.row) for each in shown])
    texts = [each.messages[0].content for each in dialogues]
    return render(
        request,
        "history.html.j2",
        WORDS,
        run=run.name,
        runs=list(service.runs),
        before=before,
        is_paged=before < _LAST,
        lines=[
            _make_line(run, event, text, undone, read_language(request))
            for event, text in zip(shown, texts, strict=True)
        ],
        older=shown[-1].event if len(events) > SIZE else None,
    )


async def undo(request: web.Request) -> web.StreamResponse:
    """Take back what the form names; then the page again. The same form sent twice undoes once."""
    fields = await read_form(request, "reviewer")
    user, service = read_visit(request).user, request.app[SERVICE]
    run, key, now = find_run(request, fields.get("run")), fields.get("key", ""), service.clock()

    def take_back(connection: sa.Connection) -> None:
        query = sa.select(EVENTS, SAMPLES.c.id, SAMPLES.c.pool).join(SAMPLES, SAMPLES.c.sample == EVENTS.c.sample)
        found = connection.execute(query.where(EVENTS.c.key == key, EVENTS.c.run == run.number)).one_or_none()
        if found is None:
            raise ApiError(404, "unknown", "there is no such decision here")
        run.desk.decide(connection, _make_undo(found, user.name, now), now)

    try:
        await service.write(run, take_back)
    except RefusedError as exc:
        raise ApiError(409, exc.code, str(exc)) from exc
    where = {"run": run.name} | ({"before": fields["before"]} if _read_number(fields.get("before")) < _LAST else {})
    return web.Response(status=303, headers={"Location": f"{PATH}?{urlencode(where)}"})


def _make_undo(event: Any, reviewer: str, now: float) -> Decision:
    """The undo of a decision, under a key that follows from its key.

    It is made in the mode of where the dialogue is now: an author may have moved it since.
    """
    return Decision(
        key=f"undo-{hashlib.blake2b(event.key.encode(), digest_size=20).hexdigest()}",
        sample_id=event.id,
        revision=event.revision,
        kind="undo",
        mode="audit" if event.pool == "audit" else "triage",
        reviewer=reviewer,
        looked_ms=0,
        decided_at=now,
        undoes=event.key,
    )


def _read_number(text: str | None) -> int:
    """The event before which to begin; of anything else, the newest."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 18 else _LAST


def _read(connection: sa.Connection, run: int, reviewer: str, before: int) -> tuple[Sequence[Any], Collection[int]]:
    """One decision more than a page holds, with the events that were undone. A whole lot's verdicts are left out."""
    columns = (SAMPLES.c.id, SAMPLES.c.topic, SAMPLES.c.pool, SAMPLES.c.file, SAMPLES.c.row)
    query = sa.select(EVENTS, *columns).join(SAMPLES, SAMPLES.c.sample == EVENTS.c.sample)
    query = query.where(EVENTS.c.run == run, EVENTS.c.reviewer == reviewer, EVENTS.c.event < before)
    query = query.where(EVENTS.c.source != LOT)
    rows = connection.execute(query.order_by(EVENTS.c.event.desc()).limit(SIZE + 1)).all()
    undoes = sa.select(EVENTS.c.undoes).where(
        EVENTS.c.sample.in_({row.sample for row in rows}), EVENTS.c.kind == "undo"
    )
    return rows, set(connection.execute(undoes).scalars())


def _make_line(run: ReviewedRun, event: Any, text: str, undone: Collection[int], language: Language) -> Line:
    is_undone = event.event in undone
    mode = "audit" if event.pool == "audit" else "triage"
    return Line(
        event=event,
        time=read_moment(event.at),
        text=text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…",
        reason=label_reason(event.reason, language) if event.reason else None,
        is_undone=is_undone,
        can_undo=event.kind in _UNDOABLE and not is_undone,
        link="/#" + urlencode({"run": run.name, "mode": mode, "sample": event.id}),
    )
