"""The authors' pages of specs: a list, and a form with every topic that is checked and saved as the command would.

All works without a script: every button sends the whole form, and the answer is the form again, so nothing typed is
lost whatever is found wrong, and whoever saved the file meanwhile.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import quote

from aiohttp import web

from datagen.console import format_count, format_money
from datagen.errors import DamhwaError, Problem, SpecError, UsageError
from review_ui.api.call import ApiError, Call
from review_ui.api.specs import find_named_spec, list_specs
from review_ui.app import SERVICE
from review_ui.authoring.next_build import NextBuild, plan_build
from review_ui.authoring.open_specs import OpenSpec
from review_ui.pages.builds import PATH as BUILDS
from review_ui.pages.frame import read_form, read_visit, render
from review_ui.pages.spec_actions import Outcome, check, open_form, overwrite, rearrange, save
from review_ui.pages.spec_form import FIELDS, Draft, read_draft
from review_ui.pages.spec_words import WORDS

PATH = "/specs"


@dataclass(frozen=True, slots=True)
class ShownProblem:
    """`field`: id of the field that it concerns, empty where there is none on the page."""

    text: str
    hint: str | None
    field: str


async def show_list(request: web.Request) -> web.StreamResponse:
    """All specs that may be edited here."""
    user = read_visit(request, "author").user
    answer = await list_specs(Call(request.app[SERVICE], user))
    return render(request, "specs.html.j2", WORDS, specs=answer.specs, link_to=_link)


async def show(request: web.Request) -> web.StreamResponse:
    """The form of a spec as its file is now."""
    spec = _find(request)
    service = request.app[SERVICE]
    try:
        outcome = await service.call(open_form, spec)
    except (SpecError, UsageError, ValueError) as error:
        return _show_broken(request, spec, error)
    is_saved = request.query.get("saved") == "1" and not outcome.problems
    if is_saved:
        outcome = replace(outcome, done="done.save", focus="done")
    plan = await service.call(plan_build, spec, service.workshop.is_offline) if not outcome.problems else None
    return _draw(request, spec, outcome, plan)


async def change(request: web.Request) -> web.StreamResponse:
    """What a button of the form asks for; saving ends at the form as it is saved, all else at what was typed."""
    fields = await read_form(request, "author")
    spec = _find(request)
    draft, action = read_draft(fields), fields.get("action", "")
    edited = rearrange(draft, action)
    if edited is not None:
        return _draw(request, spec, edited)
    acts: dict[str, Callable[[OpenSpec, Draft], Outcome]] = {
        "check": check,
        "save": save,
        "overwrite": partial(overwrite, seen=fields.get("seen", "")),
    }
    if action not in acts:
        raise ApiError(422, "invalid", f"{action[:20]!r} is nothing to be done with a spec", "load the page again")
    try:
        outcome = await request.app[SERVICE].call(acts[action], spec, draft)
    except SpecError as error:  # the file is no YAML any more
        return _draw(request, spec, Outcome(draft, 422, problems=error.problems, focus="problems"))
    except UsageError as error:
        return _draw(request, spec, Outcome(draft, 422, error=error, focus="problems"))
    if outcome.done == "done.save":
        return web.Response(status=303, headers={"Location": f"{_link(spec.name)}?saved=1"})
    return _draw(request, spec, outcome)


def _find(request: web.Request) -> OpenSpec:
    user = read_visit(request, "author").user
    return find_named_spec(Call(request.app[SERVICE], user), request.match_info["spec"])


def _link(name: str) -> str:
    return f"{PATH}/{quote(name, safe='')}"


def _draw(request: web.Request, spec: OpenSpec, outcome: Outcome, plan: NextBuild | None = None) -> web.Response:
    shown = [_show_problem(each, outcome.draft) for each in outcome.problems]
    response = render(
        request,
        "spec.html.j2",
        WORDS,
        spec=spec,
        outcome=outcome,
        draft=outcome.draft,
        problems=shown,
        problems_of=_group(shown),
        forecasts={each["name"]: each for each in (outcome.forecast or {"topics": ()})["topics"]},
        plan=plan,
        link_to=_link,
        build=f"{BUILDS}/{quote(spec.run_name, safe='')}",
        count_tokens=format_count,
        money=format_money,
    )
    response.set_status(outcome.status)
    return response


def _show_problem(problem: Problem, draft: Draft) -> ShownProblem:
    """With the field of the topic that it concerns; of what a whole topic lacks, its name's."""
    match problem.location:
        case ("topics", int(at), *rest) if at < len(draft.topics):
            name = rest[0] if rest and rest[0] in FIELDS else "name"
            return ShownProblem(str(problem), problem.hint, f"t{at}-{name}")
    return ShownProblem(str(problem), problem.hint, "")


def _group(problems: Sequence[ShownProblem]) -> dict[str, list[ShownProblem]]:
    """Field → what is wrong with it."""
    groups: dict[str, list[ShownProblem]] = {}
    for problem in problems:
        groups.setdefault(problem.field, []).append(problem)
    return groups


def _show_broken(request: web.Request, spec: OpenSpec, error: Exception) -> web.Response:
    """A file that is no YAML, is gone, or holds more than can be edited here."""
    told = error.message if isinstance(error, DamhwaError) else str(error)
    response = render(request, "spec_broken.html.j2", WORDS, spec=spec, told=told)
    response.set_status(422)
    return response
