"""The authors' pages of builds: start, watch and stop. Without a script `새로 고침` shows how far it is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from aiohttp import web

from datagen.console import format_count, format_money
from datagen.errors import UsageError
from review_ui.api.author_forms import BuildView, TopicProgressView
from review_ui.api.builds import describe_build, find_build
from review_ui.api.call import ApiError, Call
from review_ui.app import SERVICE
from review_ui.authoring.open_specs import OpenSpec
from review_ui.pages.build_words import WORDS
from review_ui.pages.frame import read_form, read_visit, render

PATH = "/builds"
BAR_WIDTH = 300.0
NO_BREAK = "\u00a0"
_TOLD_CODES = (2, 3, 4, 5, 6)
"""Exit codes with words of their own; `datagen.errors` draws them all."""
MAX_BUDGET = 1e9


@dataclass(frozen=True, slots=True)
class Row:
    """A topic and its bar: lengths in units of BAR_WIDTH."""

    topic: TopicProgressView
    curated: float
    accepted: float


async def show_list(request: web.Request) -> web.StreamResponse:
    """The builds of all runs; where there is one alone, that one."""
    read_visit(request, "author")
    workshop = request.app[SERVICE].workshop
    views = [describe_build(await workshop.look(spec)) for spec in workshop.builds.values()]
    if len(views) == 1:
        return web.Response(status=303, headers={"Location": link(views[0].run)})
    return render(request, "builds.html.j2", WORDS, builds=views, is_offline=workshop.is_offline, link_to=link)


async def show(request: web.Request) -> web.StreamResponse:
    """A run's build as it is now."""
    return await _draw(request, _find(request))


async def change(request: web.Request) -> web.StreamResponse:
    """Start or stop; then the page again."""
    fields = await read_form(request, "author")
    spec, service, action = _find(request), request.app[SERVICE], fields.get("action")
    try:
        if action == "start":
            given = fields.get("budget", "").strip()
            budget = _read_budget(given)
            if given and budget is None:
                return await _draw(request, spec, budget=given, status=422)
            await service.start_build(spec, budget)
        elif action == "stop":
            await service.workshop.stop(spec)
        else:
            raise ApiError(422, "invalid", f"{str(action)[:20]!r} is nothing to be done with a build")
    except UsageError as error:
        return await _draw(request, spec, error=error, status=409)
    return web.Response(status=303, headers={"Location": link(spec.run_name)})


def _find(request: web.Request) -> OpenSpec:
    user = read_visit(request, "author").user
    return find_build(Call(request.app[SERVICE], user, path=dict(request.match_info)))


def _read_budget(text: str) -> float | None:
    """US dollars; None where it is no such number."""
    try:
        value = float(text.removeprefix("$").replace(",", ""))
    except ValueError:
        return None
    return value if math.isfinite(value) and 0 < value <= MAX_BUDGET else None


def link(run: str) -> str:
    return f"{PATH}/{quote(run, safe='')}"


async def _draw(
    request: web.Request,
    spec: OpenSpec,
    budget: str = "",
    error: UsageError | None = None,
    status: int = 200,
) -> web.Response:
    service = request.app[SERVICE]
    await service.take_in(spec)
    view = describe_build(await service.workshop.look(spec))
    response = render(
        request,
        "build.html.j2",
        WORDS,
        build=view,
        told=_tell(view),
        rows=list_rows(view.topics),
        is_offline=service.workshop.is_offline,
        is_reviewed=spec.run_name in service.runs,
        budget=budget,
        error=error,
        link_to=link,
        specs="/specs/" + quote(spec.name, safe=""),
        events=f"/api/v1/builds/{quote(view.run, safe='')}/events",
        count_tokens=lambda count: format_count(count).replace(" ", NO_BREAK),
        money=format_money,
    )
    response.set_status(status)
    return response


def _tell(view: BuildView) -> str:
    """The key of what the state means, in words."""
    if view.state == "failed" and view.exit_code in _TOLD_CODES:
        return f"told.failed.{view.exit_code}"
    return f"told.{view.state}"


def list_rows(topics: Sequence[TopicProgressView]) -> list[Row]:
    """Bars of topics: what curation accepted, and valid drafts beyond that, against the quota; full is full."""
    rows = []
    for topic in topics:
        whole = max(topic.quota, 1)
        curated = min((topic.curated or 0) / whole, 1.0)
        accepted = min(topic.accepted / whole, 1.0)
        rows.append(Row(topic, round(BAR_WIDTH * curated, 2), round(BAR_WIDTH * max(accepted, curated), 2)))
    return rows
