"""Who may what: every route of the API and every page, for every role and for nobody."""

import re

import pytest

from review_ui.api.call import ROLES, User
from review_ui.api.routes import PREFIX, ROUTES
from review_ui.pages.pages import PAGES
from tests.review_ui.access.house import House

OPEN = {("GET", "/log-in"), ("POST", "/log-in")}


def _fill(path: str) -> str:
    return re.sub(r"{\w+}", "a", path)


@pytest.mark.parametrize("role", [None, *ROLES])
async def test_every_route_is_open_to_its_role_and_those_above_alone(house: House, role: str | None) -> None:
    house.add("reviewer-a", role or "reviewer")
    assert len(ROUTES) > 10
    async with house.visit("reviewer-a") if role else house.come() as browser:
        for route in ROUTES:
            path = PREFIX + _fill(route.path)
            body = {"data": b"no JSON", "headers": {"Content-Type": "application/json"}} if route.body else {}
            async with browser.request(route.method, path, **body) as answer:  # type: ignore[arg-type]
                problem = await answer.json()
            if role is None:
                assert (answer.status, problem["code"]) == (401, "log-in"), path
            elif User("reviewer-a", role).may(route.role):  # type: ignore[arg-type]
                assert answer.status not in (401, 403, 500), path
            else:
                assert (answer.status, problem["code"]) == (403, "role"), path


@pytest.mark.parametrize("role", ROLES)
async def test_no_write_is_taken_without_the_token_whatever_the_role(house: House, role: str) -> None:
    house.add("reviewer-a", role)
    async with house.visit("reviewer-a") as browser:
        for token in ("", "wrong"):
            browser.headers["X-CSRF-Token"] = token
            for route in ROUTES:
                if route.is_write:
                    async with browser.request(route.method, PREFIX + _fill(route.path), json={}) as answer:
                        assert (answer.status, (await answer.json())["code"]) == (403, "csrf"), route.path
            for method, path, _ in PAGES:
                if method == "POST" and path != "/log-in":
                    async with browser.post(_fill(path), data={"csrf": token}) as answer:
                        assert answer.status == 403, path


async def test_every_page_sends_strangers_to_the_log_in(house: House) -> None:
    async with house.come() as browser:
        for method, path, _ in PAGES:
            if (method, path) in OPEN:
                continue
            data = {"csrf": ""} if method == "POST" else None
            async with browser.request(method, _fill(path), data=data, allow_redirects=False) as answer:
                assert answer.status == (303 if method == "GET" else 401), path
                assert answer.headers.get("Location", "/log-in").startswith("/log-in"), path


@pytest.mark.parametrize("role", ["reviewer", "author"])
async def test_the_page_of_reviewers_is_the_admins(house: House, role: str) -> None:
    house.add("reviewer-a", role)
    async with house.visit("reviewer-a") as browser:
        form = {"csrf": browser.headers["X-CSRF-Token"], "action": "add", "name": "reviewer-b", "role": "admin"}
        async with browser.get("/reviewers") as seen, browser.post("/reviewers", data=form) as changed:
            assert (seen.status, changed.status) == (403, 403)
    assert [each.name for each in house.accounts.list()] == ["reviewer-a"]


async def test_admins_add_renew_and_disable_by_the_api(house: House) -> None:
    house.add("관리자", "admin")
    async with house.visit("관리자") as admin:
        async with admin.post("/api/v1/reviewers", json={"name": "검수자 1"}) as answer:
            house.tokens["검수자 1"] = (await answer.json())["token"]
        async with admin.post("/api/v1/reviewers", json={"name": "검수자 1"}) as answer:
            assert (answer.status, (await answer.json())["code"]) == (409, "exists")
        async with admin.post("/api/v1/reviewers", json={"name": "검수자\u202e"}) as answer:
            assert answer.status == 422
        async with house.visit("검수자 1"):
            pass
        async with admin.post("/api/v1/reviewers/tokens", json={"name": "검수자 1"}) as answer:
            assert (await answer.json())["token"] != house.tokens["검수자 1"]
        async with admin.post("/api/v1/reviewers/disabled", json={"name": "검수자 1"}) as answer:
            assert (await answer.json())["disabled_at"] == house.clock.now
        for path in ("tokens", "disabled"):
            async with admin.post(f"/api/v1/reviewers/{path}", json={"name": "누구"}) as answer:
                assert answer.status == 404
        async with admin.post("/api/v1/reviewers/disabled", json={"name": "관리자"}) as answer:
            assert (answer.status, (await answer.json())["code"]) == (409, "own")
        async with admin.get("/api/v1/reviewers") as answer:
            text = await answer.text()
    assert "검수자 1" in text
    assert "scrypt" not in text


async def test_where_nobody_logs_in_there_are_no_reviewers_to_manage(open_door: House) -> None:
    async with open_door.come() as browser, browser.get("/api/v1/reviewers") as answer:
        assert (answer.status, (await answer.json())["code"]) == (409, "no-accounts")
    async with open_door.come() as browser, browser.get("/reviewers") as answer:
        assert "damhwa review --accounts" in await answer.text()
