"""All routes of `/api/v1`, in one table."""

from review_ui.api import dashboard, decisions, queue, runs
from review_ui.api.call import Route
from review_ui.api.dashboard_forms import DashboardAnswer, DashboardQuery
from review_ui.api.forms import (
    CheckAnswer,
    CheckForm,
    ClaimAnswer,
    ClaimForm,
    ClusterAnswer,
    ClusterForm,
    DecisionAnswer,
    DecisionForm,
    HistoryAnswer,
    LeasesAnswer,
    MeAnswer,
    ReleaseAnswer,
    ReleaseForm,
    RunsAnswer,
)

PREFIX = "/api/v1"

ROUTES: tuple[Route, ...] = (
    Route("GET", "/me", runs.show_me, "Who one is, and the token for writes", MeAnswer),
    Route("GET", "/runs", runs.list_runs, "The runs under review", RunsAnswer),
    Route(
        "POST",
        "/runs/{run}/claims",
        queue.claim_cards,
        "Lease the next dialogues and get their cards",
        ClaimAnswer,
        ClaimForm,
        refusals=(404, 409),
    ),
    Route(
        "POST",
        "/runs/{run}/releases",
        queue.release,
        "Let go of leases",
        ReleaseAnswer,
        ReleaseForm,
        refusals=(404,),
    ),
    Route("GET", "/runs/{run}/leases", queue.show_leases, "Who looks at what", LeasesAnswer, refusals=(404,)),
    Route(
        "POST",
        "/runs/{run}/decisions",
        decisions.decide,
        "Store a decision",
        DecisionAnswer,
        DecisionForm,
        refusals=(404, 409),
    ),
    Route(
        "GET",
        "/runs/{run}/decisions",
        decisions.show_history,
        "One's own last decisions",
        HistoryAnswer,
        refusals=(404,),
    ),
    Route(
        "POST",
        "/runs/{run}/checks",
        decisions.check,
        "Ask the filters about an edit",
        CheckAnswer,
        CheckForm,
        refusals=(404, 409),
    ),
    Route(
        "POST",
        "/runs/{run}/clusters",
        decisions.decide_cluster,
        "Decide about a whole cluster",
        ClusterAnswer,
        ClusterForm,
        refusals=(404, 409),
    ),
    Route(
        "GET",
        "/runs/{run}/dashboard",
        dashboard.show_dashboard,
        "Figures of a run, and what triage can be filtered by",
        DashboardAnswer,
        query=DashboardQuery,
        refusals=(404,),
    ),
)
