"""The admins' page of reviewers: who may log in; add, give a new token, disable."""

from datetime import UTC, datetime

from aiohttp import web

from datagen.errors import UsageError
from review_ui.access.log_in import AccountAccess
from review_ui.access.visit import ACCESS
from review_ui.api.call import ROLES, ApiError
from review_ui.app import SERVICE
from review_ui.pages.frame import read_form, read_visit, render

PATH = "/reviewers"
WORDS: dict[str, tuple[str, str]] = {
    "title": ("검수자", "Reviewers"),
    "name": ("이름", "Name"),
    "role": ("역할", "Role"),
    "since": ("추가한 날", "Added"),
    "state": ("상태", "State"),
    "actions": ("관리", "Manage"),
    "active": ("사용 중", "active"),
    "disabled": ("사용 중지", "disabled"),
    "reviewer": ("검수자", "reviewer"),
    "author": ("데이터 작성자", "data author"),
    "admin": ("관리자", "admin"),
    "add_title": ("검수자 추가", "Add a reviewer"),
    "add": ("추가", "Add"),
    "renew": ("새 토큰", "New token"),
    "renew_of": ("{name}: 새 토큰", "New token for {name}"),
    "disable": ("사용 중지", "Disable"),
    "disable_of": ("{name}: 사용 중지", "Disable {name}"),
    "token_of": ("{name}: 로그인 토큰", "Token of {name}"),
    "token_once": (
        "지금 한 번만 보입니다. 본인에게 안전하게 전해 주세요.",
        "It is shown this once. Hand it over in a safe way.",
    ),
    "refused": (
        "추가할 수 없는 이름입니다. 이미 있거나, 보이지 않는 글자가 들어 있거나, 64자가 넘습니다.",
        "This name cannot be added: it is taken, has characters that cannot be seen, or more than 64.",
    ),
    "none": ("아직 없습니다.", "Nobody yet."),
    "no_accounts": (
        "로그인 없이 열려 있어 검수자를 관리할 수 없습니다. `damhwa review --accounts`로 다시 시작하세요.",
        "Nobody logs in here, so there are no reviewers to manage. Start it again with `damhwa review --accounts`.",
    ),
}


async def show(request: web.Request) -> web.StreamResponse:
    """The table, and the form to add somebody."""
    read_visit(request, "admin")
    return await _draw(request)


async def change(request: web.Request) -> web.StreamResponse:
    """Add, renew or disable. A new token is answered at once and not after a redirect: it must be kept nowhere."""
    fields = await read_form(request, "admin")
    name, action = fields.get("name", ""), fields.get("action", "")
    access, service = request.app[ACCESS], request.app[SERVICE]
    if not isinstance(access, AccountAccess):
        return await _draw(request)
    try:
        if action == "add":
            return await _draw(request, name, await service.call(access.accounts.add, name, fields.get("role", "")))
        if action == "renew":
            return await _draw(request, name, await service.call(access.accounts.renew, name))
        if action == "disable" and name != read_visit(request).user.name:
            await service.call(access.accounts.disable, name)
            return web.Response(status=303, headers={"Location": PATH})
    except UsageError:
        return await _draw(request, name, is_refused=True)
    raise ApiError(422, "invalid", f"{action[:20]!r} cannot be done with {name[:64]!r}")


async def _draw(
    request: web.Request, name: str = "", token: str | None = None, is_refused: bool = False
) -> web.Response:
    access = request.app[ACCESS]
    has_accounts = isinstance(access, AccountAccess)
    accounts = await request.app[SERVICE].call(access.accounts.list) if isinstance(access, AccountAccess) else []
    response = render(
        request,
        "reviewers.html.j2",
        WORDS,
        has_accounts=has_accounts,
        accounts=[(each, datetime.fromtimestamp(each.created_at, UTC).date().isoformat()) for each in accounts],
        roles=ROLES,
        name=name,
        token=token,
        is_refused=is_refused,
    )
    if is_refused:
        response.set_status(422)
    return response
