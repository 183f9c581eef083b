"""The review page: a frame that the script fills with cards from the API."""

from aiohttp import web

from review_ui.pages.frame import render

WORDS: dict[str, tuple[str, str]] = {}


async def show(request: web.Request) -> web.StreamResponse:
    """The page."""
    return render(request, "review.html.j2", WORDS)
