"""Builds: how far they are, starting, stopping and following them."""

from collections.abc import AsyncGenerator
from dataclasses import asdict

from datagen.errors import UsageError
from review_ui.api.author_forms import BuildForm, BuildsAnswer, BuildView, TopicProgressView
from review_ui.api.call import ApiError, Call, body_of
from review_ui.api.specs import find_named_spec
from review_ui.authoring.open_specs import OpenSpec
from review_ui.authoring.workshop import Build


async def list_builds(call: Call) -> BuildsAnswer:
    """The builds of all runs that have a spec here."""
    workshop = call.service.workshop
    views = [describe_build(await workshop.look(spec)) for spec in workshop.builds.values()]
    return BuildsAnswer(builds=tuple(views), is_offline=workshop.is_offline)


async def start_build(call: Call) -> BuildView:
    """Build a spec's run: the same as `damhwa build` in a terminal."""
    form = body_of(call, BuildForm)
    spec = find_named_spec(call, form.spec)
    try:
        await call.service.start_build(spec, form.budget_usd)
    except UsageError as error:
        raise ApiError(409, "busy", error.message, error.hint) from error
    return describe_build(await call.service.workshop.look(spec))


async def show_build(call: Call) -> BuildView:
    """How far the build of a run is."""
    spec = find_build(call)
    await call.service.take_in(spec)
    return describe_build(await call.service.workshop.look(spec))


async def stop_build(call: Call) -> BuildView:
    """Stop a build in order: requests under way are finished, and the next build goes on from there.

    Where none is under way, nothing happens: it may have ended a moment ago.
    """
    spec = find_build(call)
    try:
        await call.service.workshop.stop(spec)
    except UsageError as error:
        raise ApiError(409, "elsewhere", error.message, error.hint) from error
    return describe_build(await call.service.workshop.look(spec))


async def follow_build(call: Call) -> AsyncGenerator[BuildView, None]:
    """The build now and about once a second, until it is over."""
    return _follow(call, find_build(call))


async def _follow(call: Call, spec: OpenSpec) -> AsyncGenerator[BuildView, None]:
    async for build in call.service.workshop.follow(spec):
        if not build.is_under_way:
            await call.service.take_in(spec)
        yield describe_build(build)


def find_build(call: Call) -> OpenSpec:
    """The spec whose run the path names. Raises ApiError where no spec here builds it."""
    builds = call.service.workshop.builds
    name = call.path["run"]
    if name not in builds:
        hint = f"there are: {', '.join(builds)}" if builds else "start with `damhwa review RUN --spec SPEC`"
        raise ApiError(404, "unknown-build", f"no spec here builds a run '{name}'", hint)
    return builds[name]


def describe_build(build: Build) -> BuildView:
    """A build as it goes over the wire."""
    figures = build.figures
    return BuildView(
        run=build.spec.run_name,
        spec=build.spec.name,
        state=build.state,
        is_under_way=build.is_under_way,
        pid=build.pid,
        seconds=figures.seconds,
        quota=figures.quota,
        accepted=figures.accepted,
        rejected=figures.rejected,
        curated=figures.curated,
        requests=figures.requests,
        prompt_tokens=figures.prompt_tokens,
        completion_tokens=figures.completion_tokens,
        cost_usd=figures.cost_usd,
        per_minute=build.per_minute,
        topics=tuple(TopicProgressView(**asdict(topic)) for topic in figures.topics),
        exit_code=figures.exit_code,
        lines=tuple(build.lines.splitlines()),
    )
