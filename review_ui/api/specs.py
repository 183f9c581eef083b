"""Specs: what they hold, what the check says of an edit, and saving it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from datagen.errors import FileChangedError, Problem, SpecError, UsageError
from datagen.spec_edit import EditableSpec, forecast_spec, read_spec, save_spec
from datagen.topic_forms import SpecEdit
from review_ui.api.author_forms import (
    ForecastView,
    LackView,
    NextBuildView,
    SpecAnswer,
    SpecCheckAnswer,
    SpecItem,
    SpecsAnswer,
)
from review_ui.api.call import ApiError, Call, body_of
from review_ui.api.forms import SpecProblem
from review_ui.authoring.next_build import plan_build
from review_ui.authoring.open_specs import OpenSpec


async def list_specs(call: Call) -> SpecsAnswer:
    """The specs that may be edited here."""
    opened = call.service.workshop.specs.values()
    return SpecsAnswer(specs=tuple([await call.service.call(_summarize, spec) for spec in opened]))


async def show_spec(call: Call) -> SpecAnswer:
    """A spec as its file says it now, also where the check finds something in it."""
    return await call.service.call(_read, find_spec(call), call.service.workshop.is_offline)


async def check_edit(call: Call) -> SpecCheckAnswer:
    """What the check says of the spec with an edit; nothing is written."""
    return await call.service.call(check, find_spec(call), body_of(call, SpecEdit))


async def save_edit(call: Call) -> SpecAnswer:
    """Write an edit to the spec's file."""
    return await call.service.call(_save, find_spec(call), body_of(call, SpecEdit), call.service.workshop.is_offline)


def find_spec(call: Call) -> OpenSpec:
    """The spec that the path names. Raises ApiError where there is none of that name."""
    return find_named_spec(call, call.path["spec"])


def find_named_spec(call: Call, name: str) -> OpenSpec:
    """The spec of this name. Raises ApiError where there is none."""
    specs = call.service.workshop.specs
    if name not in specs:
        hint = f"there are: {', '.join(specs)}" if specs else "start with `damhwa review RUN --spec SPEC`"
        raise ApiError(404, "unknown-spec", f"there is no spec '{name}' here", hint)
    return specs[name]


def check(spec: OpenSpec, edit: SpecEdit) -> SpecCheckAnswer:
    """Problems and forecast of the edited spec. Raises ApiError where the file is not the one that was read."""
    with _as_answers():
        try:
            forecast = forecast_spec(spec.path, edit)
        except SpecError as error:
            return SpecCheckAnswer(problems=_show(error.problems), forecast=None)
    return SpecCheckAnswer(problems=(), forecast=ForecastView.model_validate(forecast))


def _summarize(spec: OpenSpec) -> SpecItem:
    try:
        known = read_spec(spec.path)
        problems = len(check(spec, known.to_edit()).problems)
    except (SpecError, UsageError, ValueError, ApiError):  # no YAML, gone, or larger than what can be edited
        return SpecItem(name=spec.name, file=str(spec.path), run=spec.run_name, topics=0, quota=0, problems=1)
    quota = sum(topic.quota for topic in known.topics)
    topics = len(known.topics)
    return SpecItem(
        name=spec.name, file=str(spec.path), run=spec.run_name, topics=topics, quota=quota, problems=problems
    )


def _read(spec: OpenSpec, is_offline: bool) -> SpecAnswer:
    with _as_answers():
        return describe_spec(spec, read_spec(spec.path), is_offline)


def _save(spec: OpenSpec, edit: SpecEdit, is_offline: bool) -> SpecAnswer:
    with _as_answers():
        return describe_spec(spec, save_spec(spec.path, edit), is_offline)


def describe_spec(spec: OpenSpec, known: EditableSpec, is_offline: bool) -> SpecAnswer:
    """All that an author is shown of a spec."""
    checked = check(spec, known.to_edit())
    return SpecAnswer(
        name=spec.name,
        file=str(spec.path),
        run=spec.run_name,
        dataset=known.dataset,
        fingerprint=known.fingerprint,
        quota=sum(topic.quota for topic in known.topics),
        topics=known.topics,
        problems=checked.problems,
        forecast=checked.forecast,
        next_build=_describe_next(spec, is_offline) if checked.forecast else None,
    )


def _describe_next(spec: OpenSpec, is_offline: bool) -> NextBuildView:
    plan = plan_build(spec, is_offline)
    lacks = (
        LackView(name=each.name, quota=each.quota, has=each.has, held=each.held, lacks=each.count)
        for each in plan.lacks
    )
    return NextBuildView(lacks=tuple(lacks), refusal=plan.refusal)


@contextmanager
def _as_answers() -> Iterator[None]:
    try:
        yield
    except FileChangedError as error:
        raise ApiError(409, "changed", error.message, error.hint) from error
    except SpecError as error:
        found = _show(error.problems)
        mistakes = f"{len(found)} {'mistake' if len(found) == 1 else 'mistakes'} in {error.where}"
        raise ApiError(422, "spec", mistakes, "see `problems`", problems=found) from error
    except UsageError as error:
        raise ApiError(422, "invalid", error.message, error.hint) from error
    except ValueError as error:  # a file with more topics or longer texts than an edit may have
        raise ApiError(422, "invalid", f"the spec cannot be edited here: {error}", "edit its file") from error


def _show(problems: tuple[Problem, ...]) -> tuple[SpecProblem, ...]:
    return tuple(SpecProblem(**asdict(each)) for each in problems)
