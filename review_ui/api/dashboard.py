"""The dashboard: figures of a run, and what becomes of a topic's lot."""

from collections.abc import Mapping
from typing import Any

from review_ui.api.call import ApiError, Call, body_of
from review_ui.api.dashboard_forms import (
    AgreementView,
    AuditView,
    DashboardAnswer,
    DashboardQuery,
    DispositionAnswer,
    DispositionForm,
    DispositionView,
    EstimateView,
    FacetsView,
    FacetView,
    ReasonView,
    ReviewerView,
    TopicView,
    TotalsView,
)
from review_ui.dashboard.disposal import Disposal, DisposalRefusedError, dispose
from review_ui.dashboard.facets import Facets, read_facets
from review_ui.dashboard.figures import Audit, Counts, TopicFigures
from review_ui.dashboard.reading import Dashboard, read_dashboard
from review_ui.statistics.agreement import Agreement, Estimate
from review_ui.words import Language, label_code, label_reason, label_why


async def show_dashboard(call: Call) -> DashboardAnswer:
    """The figures of a run, and what triage can be filtered by."""
    assert isinstance(call.query, DashboardQuery)
    run, now = call.run, call.service.clock()
    snapshot = await call.service.call(run.look)
    dashboard, facets = await call.service.read(
        run,
        lambda connection: (read_dashboard(connection, run.number, now), read_facets(connection, run.number)),
    )
    personas = {id_: persona.name for id_, persona in snapshot.source.personas.items()}
    return view_dashboard(dashboard, _view_facets(facets, personas, call.query.language), call.query.language)


async def dispose_of_lot(call: Call) -> DispositionAnswer:
    """Decide what becomes of a topic's lot; the same again changes nothing."""
    form: DispositionForm = body_of(call, DispositionForm)
    run = call.run
    disposal = Disposal(call.path["topic"], form.disposition, form.round, call.user.name, call.service.clock())
    try:
        disposed = await call.service.write(run, lambda connection: dispose(connection, run.number, disposal))
    except DisposalRefusedError as exc:
        raise explain_refused(exc) from exc
    return DispositionAnswer(
        disposition=form.disposition, round=form.round, count=disposed.count, is_new=disposed.is_new
    )


def explain_refused(exc: DisposalRefusedError) -> ApiError:
    """The answer to a disposal that does not match."""
    return ApiError(404 if exc.code == "unknown" else 409, exc.code, str(exc))


def view_dashboard(dashboard: Dashboard, facets: FacetsView, language: Language) -> DashboardAnswer:
    """What goes over the wire."""
    reasons = (
        ReasonView(topic=each.lot.topic, reason=reason, label=label_reason(reason, language), count=count)
        for each in dashboard.topics
        for reason, count in sorted(each.reasons.items(), key=lambda item: (-item[1], item[0]))
    )
    return DashboardAnswer(
        topics=tuple(map(view_topic, dashboard.topics)),
        totals=TotalsView(quota=dashboard.quota, **_list_counts(dashboard.totals)),
        reasons=tuple(reasons),
        agreement=_view_agreement(dashboard.agreement),
        reviewers=tuple(
            ReviewerView(name=each.name, today=each.today, count=each.count, median_ms=each.median_ms)
            for each in dashboard.paces
        ),
        leases=dashboard.leases,
        facets=facets,
    )


def view_topic(figures: TopicFigures) -> TopicView:
    """A topic's figures."""
    lot = figures.lot
    return TopicView(
        name=lot.topic,
        category=lot.category,
        quota=lot.quota,
        round=lot.round,
        **_list_counts(figures.counts),
        audit=_view_audit(figures.audit, figures),
        disposition=_view_disposition(figures),
    )


def _list_counts(counts: Counts) -> dict[str, Any]:
    return {name: getattr(counts, name) for name in Counts.__slots__}


def _view_audit(audit: Audit, figures: TopicFigures) -> AuditView:
    counts, test = audit.counts, audit.test
    return AuditView(
        reviewed=counts.reviewed,
        good=counts.good,
        defects=counts.defect,
        open=counts.open,
        later=counts.later,
        disputed=counts.disputed,
        bound=audit.bound,
        verdict=test.verdict,
        good_needed=test.good_needed,
        defects_to_fail=test.defects_to_fail,
        log_likelihood_ratio=test.log_likelihood_ratio,
        pass_bound=test.pass_bound,
        fail_bound=test.fail_bound,
        next_steps=figures.steps,
    )


def _view_disposition(figures: TopicFigures) -> DispositionView | None:
    lot = figures.lot
    if lot.disposition is None:
        return None
    return DispositionView.model_validate(
        {"disposition": lot.disposition, "round": lot.round, "reviewer": lot.disposed_by, "at": lot.disposed_at}
    )


def _view_agreement(agreement: Agreement) -> AgreementView:
    return AgreementView(
        pairs=agreement.pairs,
        percent=_view_estimate(agreement.percent),
        ac1=_view_estimate(agreement.ac1),
        alpha=_view_estimate(agreement.alpha),
    )


def _view_estimate(estimate: Estimate | None) -> EstimateView | None:
    if estimate is None:
        return None
    return EstimateView(value=estimate.value, low=estimate.low, high=estimate.high)


def _view_facets(facets: Facets, personas: Mapping[str, str], language: Language) -> FacetsView:
    def view(counted: Mapping[str, int], labels: Mapping[str, str]) -> tuple[FacetView, ...]:
        return tuple(FacetView(value=each, label=labels.get(each, each), count=counted[each]) for each in counted)

    return FacetsView(
        findings=view(facets.findings, {each: label_code(each, language) for each in facets.findings}),
        personas=view(facets.personas, personas),
        models=view(facets.models, {}),
        whys=view(facets.whys, {each: label_why(each, language) for each in facets.whys}),
        least=facets.least,
        most=facets.most,
    )
