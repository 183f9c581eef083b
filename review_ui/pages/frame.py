"""What all pages share: the templates, the reader's language, and forms that carry the token."""

import hmac
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from aiohttp import web

from review_ui.access.body import read_fields
from review_ui.access.visit import VISIT, Visit
from review_ui.api.call import ApiError, Role
from review_ui.words import LANGUAGES, Language

LANGUAGE_COOKIE = "language"
TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "sort_keys": False}
"""Hangul as it is: escaped it would take twice the bytes."""
Words = Mapping[str, tuple[str, str]]
"""Key → Korean, English."""


def read_language(request: web.Request) -> Language:
    """`?language=` of this request, else the cookie's, else the browser's, else Korean."""
    accepted = request.headers.get("Accept-Language", "")[:2].lower()
    for value in (request.query.get("language"), request.cookies.get(LANGUAGE_COOKIE), accepted):
        if value in LANGUAGES:
            return value
    return "ko"


def render(request: web.Request, template: str, words: Words, **values: Any) -> web.Response:
    """A page. In its template `t(key, **values)` is a text in the reader's language.

    `visit` and `path` stand ready there.
    """
    language = read_language(request)
    at = LANGUAGES.index(language)

    def translate(key: str, **into: object) -> str:
        return (words[key] if key in words else FRAME[key])[at].format(**into)

    visit: Visit | None = request[VISIT]
    text = TEMPLATES.get_template(template).render(
        t=translate,
        language=language,
        visit=visit,
        path=request.path,
        **values,
    )
    response = web.Response(text=text, content_type="text/html")
    response.enable_compression()
    if request.query.get("language") in LANGUAGES:
        response.set_cookie(LANGUAGE_COOKIE, language, max_age=31_536_000, httponly=True, samesite="Strict")
    return response


def read_visit(request: web.Request, role: Role = "reviewer") -> Visit:
    """Whose request it is. Raises ApiError where nobody is known or the role does not suffice."""
    visit: Visit | None = request[VISIT]
    if visit is None:
        raise ApiError(401, "log-in", "log in first")
    if not visit.user.may(role):
        raise ApiError(403, "role", f"this takes the role {role}, {visit.user.name} has {visit.user.role}")
    return visit


async def read_form(request: web.Request, role: Role) -> Mapping[str, str]:
    """The fields of a form that one of our pages posted. Raises ApiError as the API does: log-in, role, token."""
    visit = read_visit(request, role)
    fields = await read_fields(request)
    if not hmac.compare_digest(fields.get("csrf", "").encode("utf-8", "surrogateescape"), visit.csrf.encode()):
        raise ApiError(403, "csrf", "the form carries no valid token", "load the page again")
    return fields


FRAME: dict[str, tuple[str, str]] = {
    "app": ("페르소나 대화 검수", "Persona dialogue review"),
    "nav": ("메뉴", "Menu"),
    "nav.sidebar": ("옆 칸", "Sidebar"),
    "nav.review": ("검수", "Review"),
    "nav.dashboard": ("현황", "Dashboard"),
    "nav.history": ("내 결정", "My decisions"),
    "nav.specs": ("주제와 목표", "Topics and quotas"),
    "nav.builds": ("만들기", "Build"),
    "nav.reviewers": ("검수자", "Reviewers"),
    "nav.log_out": ("로그아웃", "Log out"),
    "other_language": ("English", "한국어"),
    "skip": ("본문으로", "Skip to content"),
}
