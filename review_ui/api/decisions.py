"""Decisions: taken, checked, undone, listed."""

import json
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from curation.finding import Finding
from curation.reviewing.tables import EVENTS, SAMPLES
from curation.reviews import LOT
from datagen.record import Dialogue, Message, clean_text
from review_ui.api.call import ApiError, Call, body_of
from review_ui.api.forms import (
    CheckAnswer,
    CheckForm,
    ClusterAnswer,
    ClusterForm,
    DecisionAnswer,
    DecisionForm,
    FindingView,
    HistoryAnswer,
    TurnEdit,
)
from review_ui.cards.card import view_findings
from review_ui.cards.deal import is_blind, load_texts, pick_text, view_decision
from review_ui.cards.recheck import is_dropped, list_new, list_rows
from review_ui.queue.decide import Decision, RefusedError, Stored, encode_findings, encode_messages
from review_ui.queue.judged import list_judged
from review_ui.reviewed_run import ReviewedRun
from review_ui.words import Language

HISTORY = 100
_STATUS = {"unknown": 404, "stale": 409, "mode": 409, "key": 409, "undo": 409}


async def decide(call: Call) -> DecisionAnswer:
    """Store a decision. It is on the disk before this answers; the same key again answers the same."""
    form: DecisionForm = body_of(call, DecisionForm)
    run, service, now = call.run, call.service, call.service.clock()
    _check_form(form)
    decision = Decision(
        key=form.key,
        sample_id=form.id,
        revision=form.revision,
        kind=form.kind,
        mode=form.mode,
        reviewer=call.user.name,
        looked_ms=form.looked_ms,
        decided_at=form.decided_at,
        reason=form.reason,
        note=clean_text(form.note) if form.note else None,
        turn=form.turn,
        undoes=form.undoes,
        screen=form.screen.model_dump_json(),
    )
    findings: list[Finding] | None = None
    if form.kind == "edit":
        findings = await service.read(run, lambda connection: _recall_findings(connection, form.key))
        if findings is None:
            decision, findings = await _edit(call, form, decision)
    try:
        stored = await service.write(run, lambda connection: run.desk.decide(connection, decision, now))
    except RefusedError as exc:
        raise _explain(exc) from exc
    return _answer(stored, _view(run, findings, form.screen.language) if findings is not None else None)


def _check_form(form: DecisionForm) -> None:
    """What belongs to which kind of decision. Raises ApiError."""
    wrong = None
    if (form.kind == "edit") != bool(form.edits):
        wrong = "`edits` belong to an edit, and an edit has some"
    elif (form.kind == "flag") != (form.reason is not None):
        wrong = "`reason` belongs to a flag, and a flag has one"
    elif (form.kind == "undo") != (form.undoes is not None):
        wrong = "`undoes` belongs to an undo, and an undo has it"
    if wrong:
        raise ApiError(422, "invalid", wrong)


def _recall_findings(connection: sa.Connection, key: str) -> list[Finding] | None:
    """What the filters said when this edit came before; None: it is new. Its own revision does not make it stale."""
    known = connection.execute(sa.select(EVENTS.c.findings).where(EVENTS.c.key == key)).one_or_none()
    return None if known is None else [Finding(**each) for each in json.loads(known.findings or "[]")]


async def _edit(call: Call, form: DecisionForm, decision: Decision) -> tuple[Decision, list[Finding]]:
    messages, findings = await _apply(call, form.id, form.revision, form.edits)
    encoded = encode_messages((each.role, each.content) for each in messages)
    return (
        replace(
            decision,
            turn=form.edits[0].turn,
            messages=encoded,
            findings=encode_findings(findings),
            is_rejected=is_dropped(findings),
        ),
        findings,
    )


async def check(call: Call) -> CheckAnswer:
    """What the filters would say of an edit; decides nothing.

    In the audit, before one's own decision, only what the edit brings about: the rest would tell what curation thought.
    """
    form: CheckForm = body_of(call, CheckForm)
    run, service = call.run, call.service
    _, findings = await _apply(call, form.id, form.revision, form.edits)
    dialogue, messages, is_hidden = await service.read(
        run, lambda connection: _read_text(run, connection, form.id, form.revision, call.user.name)
    )
    told = findings
    if is_hidden:
        told = list_new(findings, await service.call(run.look().recheck.find, dialogue, messages))
    return CheckAnswer(findings=_view(run, told, form.language), is_dropped=is_dropped(told))


async def _apply(
    call: Call, id_: str, revision: int, edits: tuple[TurnEdit, ...]
) -> tuple[tuple[Message, ...], list[Finding]]:
    """The dialogue with the edits in it, and what the filters say. Raises ApiError."""
    run, service = call.run, call.service
    dialogue, messages, _ = await service.read(
        run, lambda connection: _read_text(run, connection, id_, revision, call.user.name)
    )
    changed = list(messages)
    for each in edits:
        content = clean_text(each.content)
        if each.turn >= len(changed) or not content.strip():
            raise ApiError(422, "invalid", f"turn {each.turn + 1} cannot become {content[:40]!r}")
        changed[each.turn] = Message(changed[each.turn].role, content)
    if tuple(changed) == messages:
        raise ApiError(422, "unchanged", "the edit changes nothing", "accept the dialogue as it is")
    recheck = run.look().recheck
    return tuple(changed), await service.call(recheck.find, dialogue, tuple(changed))


def _read_text(
    run: ReviewedRun, connection: sa.Connection, id_: str, revision: int, reviewer: str
) -> tuple[Dialogue, tuple[Message, ...], bool]:
    """The dialogue, the turns that the screen showed, and whether what curation thinks of them is hidden from it."""
    query = sa.select(SAMPLES).where(SAMPLES.c.run == run.number, SAMPLES.c.id == id_)
    sample = connection.execute(query).one_or_none()
    if sample is None:
        raise ApiError(404, "unknown", f"there is no dialogue {id_} to review here")
    dialogue = load_texts(run, [sample])[0]
    shown = pick_text(connection, sample, reviewer, dialogue.messages)
    if shown.revision != revision:
        told = f"{id_} has revision {shown.revision}, the screen showed {revision}"
        raise ApiError(409, "stale", told, revision=shown.revision)
    is_hidden = is_blind(connection, sample, reviewer, list_judged(connection, run.number))
    return dialogue, shown.messages, is_hidden


async def decide_cluster(call: Call) -> ClusterAnswer:
    """Decide about a cluster compared side by side: all of it, or nothing where one member does not match."""
    form: ClusterForm = body_of(call, ClusterForm)
    run, now = call.run, call.service.clock()
    if len({each.id for each in form.members}) != len(form.members):
        raise ApiError(422, "invalid", "a member of the cluster stands twice")
    decisions = list(_list_decisions(form, call.user.name))
    try:
        stored = await call.service.write(run, lambda connection: run.desk.decide_all(connection, decisions, now))
    except RefusedError as exc:
        raise _explain(exc) from exc
    return ClusterAnswer(stored=tuple(_answer(each, None) for each in stored))


def _list_decisions(form: ClusterForm, reviewer: str) -> list[Decision]:
    """Keep one: the first is accepted, the others are duplicates of it."""
    kept = {"keep-one": 1, "keep-all": len(form.members), "drop-all": 0}[form.choice]
    return [
        Decision(
            key=f"{form.key}-{number}",
            sample_id=member.id,
            revision=member.revision,
            kind="accept" if number < kept else "flag",
            mode=form.mode,
            reviewer=reviewer,
            looked_ms=form.looked_ms // len(form.members),
            decided_at=form.decided_at,
            reason=None if number < kept else "duplicate",
            screen=form.screen.model_dump_json(),
        )
        for number, member in enumerate(form.members)
    ]


async def show_history(call: Call) -> HistoryAnswer:
    """One's own last decisions, the newest first."""
    run = call.run
    rows = await call.service.read(run, lambda connection: _read_history(connection, run.number, call.user.name))
    return HistoryAnswer(decisions=tuple(rows))


def _read_history(connection: sa.Connection, run: int, reviewer: str) -> list[Any]:
    query = sa.select(EVENTS, SAMPLES.c.id, SAMPLES.c.topic).join(SAMPLES, SAMPLES.c.sample == EVENTS.c.sample)
    query = query.where(EVENTS.c.run == run, EVENTS.c.reviewer == reviewer, EVENTS.c.source != LOT)
    rows = connection.execute(query.order_by(EVENTS.c.event.desc()).limit(HISTORY)).all()
    undone = {row.undoes for row in rows}
    keys = {row.event: row.key for row in rows}
    return [view_decision(row, row, row.event in undone, keys.get(row.undoes)) for row in rows]


def _view(run: ReviewedRun, findings: list[Finding], language: Language) -> tuple[FindingView, ...]:
    return view_findings(list_rows(findings), run.look().limits, language)


def _answer(stored: Stored, findings: tuple[FindingView, ...] | None) -> DecisionAnswer:
    return DecisionAnswer(
        is_new=stored.is_new, revision=stored.revision, state=stored.state, verdict=stored.verdict, findings=findings
    )


def _explain(exc: RefusedError) -> ApiError:
    return ApiError(_STATUS[exc.code], exc.code, str(exc), revision=exc.revision)
