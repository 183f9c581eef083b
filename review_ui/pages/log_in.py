"""The log-in: name and token in, a session's cookie out; and the log-out."""

from aiohttp import web

from review_ui.access.body import read_fields
from review_ui.access.log_in import AccountAccess
from review_ui.access.origin import is_local_path
from review_ui.access.sessions import COOKIE, LASTS_S
from review_ui.access.visit import ACCESS, VISIT
from review_ui.api.call import ApiError
from review_ui.pages.frame import read_form, render

PATH = "/log-in"
WORDS: dict[str, tuple[str, str]] = {
    "title": ("로그인", "Log in"),
    "name": ("이름", "Name"),
    "token": ("토큰", "Token"),
    "token_hint": ("관리자에게 받은 것을 그대로 붙여 넣으세요.", "Paste the one that an admin gave you."),
    "log_in": ("로그인", "Log in"),
    "wrong": ("이름이나 토큰이 맞지 않습니다.", "The name or the token is wrong."),
    "too_many": (
        "시도가 너무 많았습니다. {wait}초 뒤에 다시 해 주세요.",
        "Too many tries. Try again in {wait} seconds.",
    ),
}


async def show(request: web.Request) -> web.StreamResponse:
    """The form; for who is logged in already, the page they wanted."""
    target = _read_target(request.query.get("next", ""))
    if request[VISIT] is not None:
        return _go_to(target)
    return _draw(request, target, name="")


async def log_in(request: web.Request) -> web.StreamResponse:
    """Take the form. A wrong token shows it again, with 401; too many tries with 429."""
    access = request.app[ACCESS]
    if not isinstance(access, AccountAccess):
        return _go_to("/")
    fields = await read_fields(request)
    name, target = fields.get("name", ""), _read_target(fields.get("next", ""))
    try:
        cookie = await access.log_in(request, name, fields.get("token", ""))
    except ApiError as exc:
        return _draw(request, target, name, exc)
    response = _go_to(target)
    is_secure = access.locate(request).scheme == "https"
    response.set_cookie(COOKIE, cookie, max_age=LASTS_S, path="/", httponly=True, samesite="Strict", secure=is_secure)
    return response


async def log_out(request: web.Request) -> web.StreamResponse:
    """End the session, here and for every copy of its cookie."""
    await read_form(request, "reviewer")
    access = request.app[ACCESS]
    if isinstance(access, AccountAccess):
        access.log_out(request)
    response = _go_to(PATH)
    response.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
    return response


def _draw(request: web.Request, target: str, name: str, problem: ApiError | None = None) -> web.Response:
    wait = problem.hint if problem is not None and problem.status == 429 else None
    response = render(
        request, "log_in.html.j2", WORDS, target=target, name=name[:100], is_wrong=problem is not None, wait=wait
    )
    if problem is not None:
        response.set_status(problem.status)
    if wait is not None:
        response.headers["Retry-After"] = wait
    return response


def _read_target(text: str) -> str:
    return text if is_local_path(text) and not text.startswith(PATH) else "/"


def _go_to(target: str) -> web.Response:
    return web.Response(status=303, headers={"Location": target})
