"""The pages for people, in one table."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from review_ui.pages import review

Page = Callable[[web.Request], Awaitable[web.StreamResponse]]

PAGES: tuple[tuple[str, str, Page], ...] = (("GET", "/", review.show),)
