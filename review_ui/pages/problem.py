"""What a person reads in place of a page that cannot be shown."""

from aiohttp import web

from review_ui.api.call import ApiError
from review_ui.pages.frame import read_language, render

NOTHING_YET = "nothing-yet"
"""Code of the problem that no run was curated since the service started."""
WORDS: dict[str, tuple[str, str]] = {
    "title": ("열 수 없는 페이지", "This page cannot be shown"),
    "403": ("이 페이지를 볼 권한이 없습니다.", "You may not see this page."),
    "nothing-yet": ("아직 검수할 대화가 없습니다.", "There are no dialogues to review yet."),
    "404": ("없는 페이지입니다.", "There is no such page."),
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
    """The page for an answer that is no success."""
    key = next((each for each in (problem.code, str(problem.status)) if each in WORDS), "other")
    message = problem.message.encode("utf-8", "backslashreplace").decode()
    response = render(
        request,
        "problem.html.j2",
        WORDS,
        summary=WORDS[key][read_language(request) != "ko"],
        problem=problem,
        message=message,
    )
    response.set_status(problem.status)
    return response
