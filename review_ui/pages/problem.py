"""What a person reads in place of a page that cannot be shown."""

from aiohttp import web

from review_ui.api.call import ApiError
from review_ui.pages.frame import render

NOTHING_YET = "nothing-yet"
"""Code of the problem that no run was curated since the service started."""
WORDS: dict[str, tuple[str, str]] = {
    "title": ("열 수 없는 페이지", "This page cannot be shown"),
    "401": ("로그인이 필요합니다.", "Log in first."),
    "403": ("이 페이지를 볼 권한이 없습니다.", "You may not see this page."),
    "403.do": ("권한은 관리자가 줄 수 있습니다.", "An admin can give you the role for it."),
    "host": ("이 주소로는 열 수 없습니다.", "This service does not answer at this address."),
    "proxy": ("이 주소로는 열 수 없습니다.", "This service does not answer at this address."),
    "origin": ("다른 사이트에서 온 요청은 받지 않습니다.", "A request from another site is not taken."),
    "csrf": ("열어 둔 지 오래된 페이지입니다.", "This page was open for too long."),
    "csrf.do": ("페이지를 다시 열고 한 번 더 해 주세요.", "Load the page again and repeat what you did."),
    "unknown-user": ("등록된 검수자가 아닙니다.", "You are no reviewer here."),
    "unknown-user.do": ("관리자에게 추가해 달라고 하세요.", "An admin can add you."),
    "nothing-yet": ("아직 검수할 대화가 없습니다.", "There are no dialogues to review yet."),
    "nothing-yet.do": ("첫 만들기가 끝나면 저절로 들어옵니다.", "The first build brings them here by itself."),
    "404": ("없는 페이지입니다.", "There is no such page."),
    "unknown-run": ("없는 작업입니다.", "There is no such run here."),
    "unknown-spec": ("없는 명세입니다.", "There is no such spec here."),
    "unknown-build": ("여기서 만드는 작업이 아닙니다.", "This run is not built here."),
    "unknown": ("여기에 없는 주제이거나 결정입니다.", "There is no such topic or decision here."),
    "409": ("지금은 할 수 없습니다.", "This cannot be done now."),
    "409.do": ("페이지를 다시 열어 확인해 주세요.", "Load the page again and look."),
    "stale": ("그사이 바뀌어 받지 않았습니다.", "It changed meanwhile, so nothing was done."),
    "stale.do": ("다시 열어 보고 정해 주세요.", "Look at it again, then decide."),
    "not-offered": ("지금은 내릴 수 없는 결정입니다.", "This decision is not open now."),
    "not-offered.do": (
        "아직 판정이 나지 않았거나 누가 먼저 정했습니다. 현황을 다시 열어 보세요.",
        "Its audit is still open, or somebody decided already. Open the dashboard again.",
    ),
    "undo": ("되돌릴 수 없는 결정입니다.", "This decision cannot be undone."),
    "undo.do": (
        "이미 되돌렸거나 다른 사람이 내린 결정입니다.",
        "It is undone already, or somebody else took it.",
    ),
    "422": ("보낸 내용을 읽을 수 없습니다.", "What was sent cannot be read."),
    "422.do": ("페이지를 다시 열고 한 번 더 해 주세요.", "Load the page again and repeat what you did."),
    "429": ("잠시 뒤에 다시 시도해 주세요.", "Wait a moment and try again."),
    "503": ("지금은 자료를 읽을 수 없습니다.", "The data cannot be read at the moment."),
    "other": ("요청을 처리하지 못했습니다.", "The request could not be answered."),
    "details": ("자세한 내용", "Details"),
    "to_builds": ("만들기", "Build"),
    "back": ("검수로 돌아가기", "Back to reviewing"),
}


def tell_nothing_yet() -> ApiError:
    """What a page of a run says while there is none."""
    return ApiError(404, NOTHING_YET, "no run is curated yet", "the first build brings its dialogues here by itself")


def show_nothing_yet(request: web.Request) -> web.Response:
    """The review page while there is nothing to review, which is no error of its reader."""
    response = show_problem(request, tell_nothing_yet())
    response.set_status(200)
    return response


def show_problem(request: web.Request, problem: ApiError) -> web.Response:
    """The page for an answer that is no success: what it is by code or status, and the API's own words as details."""
    key = next((each for each in (problem.code, str(problem.status)) if each in WORDS), "other")
    message = problem.message.encode("utf-8", "backslashreplace").decode()
    response = render(
        request,
        "problem.html.j2",
        WORDS,
        key=key,
        has_advice=f"{key}.do" in WORDS,
        problem=problem,
        message=message,
    )
    response.set_status(problem.status)
    return response
