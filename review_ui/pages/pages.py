"""The pages for people, in one table."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from review_ui.pages import builds, dashboard, history, log_in, review, reviewers, specs

Page = Callable[[web.Request], Awaitable[web.StreamResponse]]

PAGES: tuple[tuple[str, str, Page], ...] = (
    ("GET", "/", review.show),
    ("GET", dashboard.PATH, dashboard.show),
    ("POST", dashboard.PATH, dashboard.decide),
    ("GET", history.PATH, history.show),
    ("POST", history.PATH, history.undo),
    ("GET", specs.PATH, specs.show_list),
    ("GET", specs.PATH + "/{spec}", specs.show),
    ("POST", specs.PATH + "/{spec}", specs.change),
    ("GET", builds.PATH, builds.show_list),
    ("GET", builds.PATH + "/{run}", builds.show),
    ("POST", builds.PATH + "/{run}", builds.change),
    ("GET", log_in.PATH, log_in.show),
    ("POST", log_in.PATH, log_in.log_in),
    ("POST", "/log-out", log_in.log_out),
    ("GET", reviewers.PATH, reviewers.show),
    ("POST", reviewers.PATH, reviewers.change),
)
