"""The API of specs over HTTP: what it tells is what the file and `damhwa check` say, and what it saves is an edit."""

import difflib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from review_ui.api.call import Route
from review_ui.api.routes import ROUTES
from tests.review_ui.authors.studio import Json, Studio, ask, change, open_studio

Edit = Callable[[Path, str, str], None]
ROOT = Path(__file__).parents[3]
AUTHORS_ROUTES = [route for route in ROUTES if route.path.startswith(("/specs", "/builds"))]


def run_check(spec: Path) -> str:
    """What the command prints of a spec that does not pass."""
    command = [sys.executable, "-m", "damhwa", "check", str(spec)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    return done.stderr


def print_as_check(problems: list[Json]) -> str:
    """In the form that the command prints."""
    text = ""
    for each in problems:
        text += f"{each['file']}{'' if each['line'] is None else ':' + str(each['line'])}: {each['message']}\n"
        text += f"  hint: {each['hint']}\n" if each["hint"] else ""
    return text + f"error: {len(problems)} {'mistake' if len(problems) == 1 else 'mistakes'} in the spec\n"


def set_quota(number: int, quota: int) -> Callable[[list[Json]], object]:
    return lambda topics: topics[number].update(quota=quota)


async def test_a_spec_is_told_with_topics_forecast_and_what_a_build_would_make(
    studio: Studio, client: aiohttp.ClientSession
) -> None:
    status, listed = await ask(client, "GET", "/specs")
    assert status == 200
    assert listed["specs"] == [
        {"name": "test-data", "file": str(studio.spec), "run": "test-run", "topics": 2, "quota": 20, "problems": 0}
    ]
    _, spec = await ask(client, "GET", "/specs/test-data")
    assert [(topic["name"], topic["quota"]) for topic in spec["topics"]] == [("일상 대화", 12), ("보고 싶다는 표현", 8)]
    assert spec["forecast"]["quota"] == 20
    assert spec["forecast"]["cost_usd"] > 0
    assert spec["problems"] == []
    assert spec["next_build"]["refusal"] is None
    assert [(each["name"], each["lacks"]) for each in spec["next_build"]["lacks"]] == [
        ("일상 대화", 12),
        ("보고 싶다는 표현", 8),
    ]


async def test_what_the_check_says_of_an_edit_is_what_the_command_says_of_the_file(
    studio: Studio, client: aiohttp.ClientSession, edit: Edit
) -> None:
    _, spec = await ask(client, "GET", "/specs/test-data")

    def act(topics: list[Json]) -> None:
        topics[0]["quota"] = 0
        topics[0]["situations"][2] = topics[0]["situations"][0]
        topics[1]["name"] = "일상 대화"

    status, checked = await ask(client, "POST", "/specs/test-data/checks", change(spec, act))
    assert status == 200
    assert checked["forecast"] is None
    assert [each["location"] for each in checked["problems"]] == [
        ["topics", 0, "quota"],
        ["topics", 0, "situations", 2],
        ["topics", 1, "name"],
    ]
    edit(studio.spec, "quota: 12 ", "quota: 0 ")
    edit(studio.spec, "유저가 새로 산 이어폰을 자랑한다", "유저가 출근길에 비를 맞았다")
    edit(studio.spec, "name: 보고 싶다는 표현", "name: 일상 대화")
    assert print_as_check(checked["problems"]) == run_check(studio.spec)
    _, told = await ask(client, "GET", "/specs/test-data")
    assert told["problems"] == checked["problems"]
    assert told["next_build"] is None


async def test_a_saved_edit_changes_its_line_alone_and_a_wrong_one_nothing(
    studio: Studio, client: aiohttp.ClientSession
) -> None:
    before = studio.spec.read_text("utf-8")
    _, spec = await ask(client, "GET", "/specs/test-data")
    status, refused = await ask(client, "PUT", "/specs/test-data", change(spec, set_quota(0, -1)))
    assert (status, refused["code"]) == (422, "spec")
    assert [each["location"] for each in refused["problems"]] == [["topics", 0, "quota"]]
    assert studio.spec.read_text("utf-8") == before
    status, saved = await ask(client, "PUT", "/specs/test-data", change(spec, set_quota(0, 15)))
    assert status == 200
    assert saved["quota"] == 23
    diff = list(difflib.ndiff(before.split("\n"), studio.spec.read_text("utf-8").split("\n")))
    assert [line for line in diff if line[0] in "-+"] == [
        "-     quota: 12  # 열두 편이면 충분함",
        "+     quota: 15  # 열두 편이면 충분함",
    ]


async def test_an_edit_of_a_file_that_somebody_saved_meanwhile_is_a_conflict(
    studio: Studio, client: aiohttp.ClientSession, edit: Edit
) -> None:
    _, spec = await ask(client, "GET", "/specs/test-data")
    edit(studio.spec, "quota: 8", "quota: 9")
    theirs = studio.spec.read_text("utf-8")
    for method, path in (("PUT", "/specs/test-data"), ("POST", "/specs/test-data/checks")):
        status, answer = await ask(client, method, path, change(spec, set_quota(0, 15)))
        assert (status, answer["code"]) == (409, "changed")
    assert studio.spec.read_text("utf-8") == theirs


async def test_an_edit_that_names_a_topic_which_is_not_there_is_refused(client: aiohttp.ClientSession) -> None:
    _, spec = await ask(client, "GET", "/specs/test-data")
    wrong = change(spec, lambda topics: topics[0].update(original="없는 주제"))
    status, answer = await ask(client, "PUT", "/specs/test-data", wrong)
    assert (status, answer["code"]) == (422, "invalid")
    assert "없는 주제" in answer["message"]


async def test_a_file_that_is_no_yaml_any_more_is_told_with_its_line(
    studio: Studio, client: aiohttp.ClientSession, edit: Edit
) -> None:
    edit(studio.spec, "language: ko", "language: 'ko")
    status, answer = await ask(client, "GET", "/specs/test-data")
    assert (status, answer["code"]) == (422, "spec")
    assert print_as_check(answer["problems"]).split("\n")[0] in run_check(studio.spec)
    _, listed = await ask(client, "GET", "/specs")
    assert listed["specs"][0]["problems"] == 1


@pytest.mark.parametrize("name", ["other", "..%2Ftest-data", "%2Fetc%2Fpasswd", "test-data.yaml"])
async def test_only_the_specs_of_the_command_line_have_names(
    studio: Studio, client: aiohttp.ClientSession, name: str
) -> None:
    shutil.copy(studio.spec, studio.spec.with_name("other.yaml"))
    for path in (f"/specs/{name}", f"/builds/{name}"):
        async with client.get(f"{studio.url}/api/v1{path}") as answer:
            assert answer.status == 404
    status, _ = await ask(client, "POST", "/builds", {"spec": name})
    assert status == 404


async def test_a_spec_that_the_run_cannot_take_over_is_told_before_it_is_built(
    studio: Studio, client: aiohttp.ClientSession, edit: Edit
) -> None:
    await ask(client, "POST", "/builds", {"spec": "test-data"})
    async with client.get("/api/v1/builds/test-run/events") as answer:
        await answer.read()
    _, built = await ask(client, "GET", "/specs/test-data")
    assert built["next_build"] == {"lacks": [], "refusal": None}
    _, larger = await ask(client, "PUT", "/specs/test-data", change(built, set_quota(1, 11)))
    assert [(each["name"], each["lacks"]) for each in larger["next_build"]["lacks"]] == [("보고 싶다는 표현", 3)]
    edit(studio.spec, "장소: [도서관, 카페", "장소: [서점, 카페")
    _, other = await ask(client, "GET", "/specs/test-data")
    assert "the spec is not the one that" in other["next_build"]["refusal"]
    assert "서점" in other["next_build"]["refusal"]


@pytest.mark.parametrize("route", AUTHORS_ROUTES, ids=lambda route: f"{route.method} {route.path}")
async def test_a_reviewer_may_not_and_an_author_may(spec: Path, tmp_path: Path, route: Route) -> None:
    path = "/api/v1" + route.path.format(spec="test-data", run="test-run")
    async with open_studio(tmp_path, spec, has_log_in=True) as studio:
        studio.add("reviewer-a")
        studio.add("author-a", "author")
        async with studio.come() as stranger, stranger.request(route.method, path) as answer:
            assert answer.status == 401
        async with studio.visit("reviewer-a") as reviewer, reviewer.request(route.method, path, json={}) as answer:
            assert answer.status == 403
            assert (await answer.json())["code"] == "role"
        async with studio.visit("author-a") as author, author.request(route.method, path, json={}) as answer:
            assert answer.status in (200, 422)
