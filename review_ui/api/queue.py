"""Claims and leases: which dialogues a reviewer gets to see, and who holds what."""

from dataclasses import replace

import sqlalchemy as sa

from review_ui.api.call import ApiError, Call, body_of
from review_ui.api.forms import ClaimAnswer, ClaimForm, LeasesAnswer, LeaseView, ReleaseAnswer, ReleaseForm
from review_ui.cards.deal import Reader, deal
from review_ui.queue.claim import Asked, Wanted, claim, claim_one, count_waiting
from review_ui.queue.judged import list_judged
from review_ui.queue.leases import Lease, Who, leave, list_leases
from review_ui.words import say

_PLAIN = ("mode", "topic", "persona", "finding", "model", "why", "least", "most")


async def claim_cards(call: Call) -> ClaimAnswer:
    """Lease the next dialogues and answer with their cards."""
    form: ClaimForm = body_of(call, ClaimForm)
    run, service = call.run, call.service
    await service.call(run.look)
    wanted = Wanted(**{name: getattr(form, name) for name in _PLAIN})
    if form.text:
        if form.mode == "audit":
            raise ApiError(422, "mode", "a text search would choose what is audited", "search in triage")
        wanted = replace(wanted, ids=tuple(await service.call(run.texts.search, form.text)))
    who = Who(call.user.name, service.clock(), run.options.lease_s)

    def take(connection: sa.Connection) -> tuple[list[int], Lease | None, list[str]]:
        judged = list_judged(connection, run.number)
        asked = Asked(run.number, who, wanted, judged, form.count, form.left_out)
        if form.sample is None:
            return claim(connection, asked), None, judged
        taken = claim_one(connection, asked, form.sample)
        if isinstance(taken, int):
            return [taken], None, judged
        return [], taken, judged

    samples, held, judged = await service.write(run, take)
    if form.sample is not None and not samples:
        raise _explain_missing(form, held)
    reader = Reader(call.user.name, form.mode, form.language, judged)
    asked = Asked(run.number, who, wanted, judged, form.count, form.left_out)
    answer = await service.read(
        run, lambda connection: (deal(run, connection, samples, reader), count_waiting(connection, asked))
    )
    notice = None if answer[0] else _explain_none(form, judged)
    return ClaimAnswer(cards=tuple(answer[0]), waiting=answer[1], notice=notice)


def _explain_missing(form: ClaimForm, held: Lease | None) -> ApiError:
    if held is not None:
        return ApiError(409, "held", say("notice.held", form.language, holder=held.holder))
    if form.mode == "audit":
        return ApiError(404, "unknown", say("notice.not_dealt", form.language, id=form.sample))
    return ApiError(404, "unknown", f"there is no dialogue {form.sample} to see in {form.mode}")


def _explain_none(form: ClaimForm, judged: list[str]) -> str:
    if form.text:
        return say("notice.nothing_found", form.language)
    if form.mode == "audit" and form.topic in judged:
        return say("notice.judged", form.language)
    return say("notice.empty", form.language)


async def release(call: Call) -> ReleaseAnswer:
    """Let go of leases: what a page does when it is left."""
    form: ReleaseForm = body_of(call, ReleaseForm)
    run = call.run
    count = await call.service.write(run, lambda connection: leave(connection, run.number, call.user.name, form.ids))
    return ReleaseAnswer(released=count)


async def show_leases(call: Call) -> LeasesAnswer:
    """Who looks at what at the moment."""
    run, now = call.run, call.service.clock()
    leases = await call.service.read(run, lambda connection: list_leases(connection, run.number, now))
    views = [
        LeaseView(id=each.id, topic=each.topic, mode=each.pool, holder=each.holder, until=each.until) for each in leases
    ]
    return LeasesAnswer(leases=tuple(views), now=now)
