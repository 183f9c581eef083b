"""The dashboard: how far each topic is, what its audit says, how reviewers agree; and what an author decides then.

Drawn on the server, without a script: it reads the same figures as the API.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

import sqlalchemy as sa
from aiohttp import web

from curation.reviews import LOT
from review_ui.api.call import ApiError
from review_ui.api.dashboard import explain_refused
from review_ui.app import SERVICE
from review_ui.dashboard.charts import Curve, Interval, Segment, draw_curve, draw_interval, grade_heat, stack
from review_ui.dashboard.disposal import DISPOSITIONS_OFFERED, Disposal, DisposalRefusedError, dispose
from review_ui.dashboard.figures import TopicFigures
from review_ui.dashboard.path import Past, list_past, read_path
from review_ui.dashboard.reading import Dashboard, read_dashboard
from review_ui.pages.dashboard_words import WORDS
from review_ui.pages.frame import read_form, read_language, read_visit, render
from review_ui.pages.problem import tell_nothing_yet
from review_ui.reviewed_run import ReviewedRun
from review_ui.statistics.agreement import Agreement, Estimate
from review_ui.words import REASONS, Language, label_reason

PATH = "/dashboard"
TOO_WIDE = 0.3
"""Width of an interval from which on the page says that it is too early to conclude."""


@dataclass(frozen=True, slots=True)
class TopicRow:
    """A topic in the table. `anchor`: its place on the page; `offered`: dispositions that an author may choose."""

    figures: TopicFigures
    anchor: str
    segments: Sequence[Segment]
    offered: Sequence[str]


@dataclass(frozen=True, slots=True)
class Coefficient:
    """`value` and ends as text; None: undefined."""

    name: str
    value: str | None
    low: str = ""
    high: str = ""
    interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class Heat:
    """Flags by topic and reason. `rows`: topic, a (count, grade) for each reason, sum."""

    reasons: Sequence[str]
    rows: Sequence[tuple[str, Sequence[tuple[int, int]], int]]


@dataclass(frozen=True, slots=True)
class _Read:
    dashboard: Dashboard
    chosen: TopicFigures | None
    curve: Curve | None
    past: Sequence[Past]


async def show(request: web.Request) -> web.StreamResponse:
    """The page."""
    read_visit(request)
    service = request.app[SERVICE]
    run = find_run(request, request.query.get("run"))
    now, topic = service.clock(), request.query.get("topic")
    await service.call(run.look)
    read = await service.read(run, lambda connection: _read(connection, run.number, now, topic))
    language = read_language(request)
    rows = [_make_row(number, each) for number, each in enumerate(read.dashboard.topics)]
    return render(
        request,
        "dashboard.html.j2",
        WORDS,
        run=run.name,
        runs=list(service.runs),
        now=read_moment(now),
        read=read,
        rows=rows,
        todo=[row for row in rows if row.offered],
        open_lots=sum(row.figures.audit.test.verdict == "open" for row in rows),
        top_reason=_name_top_reason(read.dashboard, language),
        today=sum(each.today for each in read.dashboard.paces),
        heat=_make_heat(read.dashboard, language),
        coefficients=_list_coefficients(read.dashboard.agreement),
        is_early=_is_early(read.dashboard.agreement),
        moment=read_moment,
    )


async def decide(request: web.Request) -> web.StreamResponse:
    """What an author decided about a lot; then the dashboard again."""
    fields = await read_form(request, "author")
    service, user = request.app[SERVICE], read_visit(request).user
    run = find_run(request, fields.get("run"))
    disposition = next((each for each in DISPOSITIONS_OFFERED if each == fields.get("disposition")), None)
    round_ = fields.get("round", "")
    if disposition is None or not (round_.isascii() and round_.isdigit() and len(round_) < 8):
        raise ApiError(422, "invalid", "the form names no disposition and round", "load the page again")
    disposal = Disposal(fields.get("topic", ""), disposition, int(round_), user.name, service.clock())
    try:
        await service.write(run, lambda connection: dispose(connection, run.number, disposal))
    except DisposalRefusedError as exc:
        raise explain_refused(exc) from exc
    return web.Response(status=303, headers={"Location": f"{PATH}?run={quote(run.name)}"})


def find_run(request: web.Request, name: str | None) -> ReviewedRun:
    """The run of this name, or the first. Raises ApiError where there is none of it, or none at all yet."""
    runs = request.app[SERVICE].runs
    if not runs:
        raise tell_nothing_yet()
    if name is None:
        return next(iter(runs.values()))
    if name not in runs:
        raise ApiError(404, "unknown-run", f"there is no run '{name}' here", f"there are: {', '.join(runs)}")
    return runs[name]


def read_moment(at: float) -> datetime:
    """Seconds since 1970 as a time of the service's own time zone."""
    return datetime.fromtimestamp(at).astimezone()


def _read(connection: sa.Connection, run: int, now: float, topic: str | None) -> _Read:
    """All in one transaction. Without a topic the one with the largest audit is drawn."""
    dashboard = read_dashboard(connection, run, now)
    chosen = next((each for each in dashboard.topics if each.lot.topic == topic), None)
    if chosen is None:
        chosen = max(dashboard.topics, key=lambda each: each.audit.counts.reviewed, default=None)
    curve = None
    if chosen is not None and chosen.audit.counts.reviewed:
        curve = draw_curve(read_path(connection, run, chosen.lot.topic, chosen.lot.round))
    return _Read(dashboard, chosen, curve, list_past(connection, run))


def _make_row(number: int, figures: TopicFigures) -> TopicRow:
    offered = [each for each in figures.steps if each != "continue"]
    return TopicRow(figures, f"topic-{number}", stack(figures.counts, figures.lot.quota), offered)


def _make_heat(dashboard: Dashboard, language: Language) -> Heat:
    flagged = [each for each in dashboard.topics if each.reasons]
    found = {reason for each in flagged for reason in each.reasons}
    reasons = [each for each in REASONS if each in found] + sorted(found - set(REASONS))
    most = max((count for each in flagged for count in each.reasons.values()), default=0)
    rows = [
        (
            each.lot.topic,
            [(count, grade_heat(count, most)) for count in (each.reasons.get(reason, 0) for reason in reasons)],
            sum(each.reasons.values()),
        )
        for each in flagged
    ]
    return Heat([label_reason(each, language) for each in reasons], rows)


def _name_top_reason(dashboard: Dashboard, language: Language) -> str | None:
    """The commonest reason of a flag, but for lots that were flagged as a whole; None where no lot has a flag."""
    if not dashboard.totals.flagged:
        return None
    total: Counter[str] = Counter()
    for each in dashboard.topics:
        total.update(each.reasons)
    del total[LOT]
    return label_reason(total.most_common(1)[0][0], language) if total else None


def _list_coefficients(agreement: Agreement) -> list[Coefficient]:
    return [
        _make_coefficient("percent", agreement.percent, 0.0),
        _make_coefficient("ac1", agreement.ac1, -1.0),
        _make_coefficient("alpha", agreement.alpha, -1.0),
    ]


def _make_coefficient(name: str, estimate: Estimate | None, least: float) -> Coefficient:
    if estimate is None:
        return Coefficient(name, None)
    numbers = (estimate.value, estimate.low, estimate.high)
    texts = [f"{100 * each:.0f}%" if name == "percent" else f"{each + 0.0:.2f}" for each in numbers]
    value, low, high = (each.replace("-0.00", "0.00").replace("-", "−") for each in texts)
    return Coefficient(name, value, low, high, draw_interval(estimate.low, estimate.value, estimate.high, least))


def _is_early(agreement: Agreement) -> bool:
    known = [each for each in (agreement.percent, agreement.ac1) if each is not None]
    return any(each.high - each.low > TOO_WIDE for each in known)
