"""Which runs there are, and who one is."""

import sqlalchemy as sa

from curation.reviewing.tables import SAMPLES
from review_ui.api.call import Call
from review_ui.api.forms import MeAnswer, RunsAnswer, RunView
from review_ui.reviewed_run import ReviewedRun


async def show_me(call: Call) -> MeAnswer:
    """Who one is, and the token for writes."""
    return MeAnswer(name=call.user.name, role=call.user.role, csrf=call.csrf)


async def list_runs(call: Call) -> RunsAnswer:
    """The runs under review."""
    views = [await call.service.read(run, _view(run)) for run in call.service.runs.values()]
    return RunsAnswer(runs=tuple(views))


def _view(run: ReviewedRun):  # type: ignore[no-untyped-def]
    query = sa.select(sa.func.count()).select_from(SAMPLES).where(SAMPLES.c.run == run.number)
    return lambda connection: RunView(name=run.name, samples=connection.execute(query).scalar_one())
