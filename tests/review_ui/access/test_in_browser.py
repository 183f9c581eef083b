"""Log-in, menu by role, reviewers' page and log-out, in Chromium, with the strict headers in force."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright

from tests.review_ui.access.house import House
from tests.review_ui.axe import Axe

MENU = "nav.menu a"


@pytest.fixture
async def page(chromium: Path) -> AsyncIterator[Page]:
    """A window; whatever its console complains about fails the test."""
    complaints: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        opened = await browser.new_page(locale="ko-KR")
        opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        yield opened
        await browser.close()
    assert [each for each in complaints if "status of 4" not in each] == []


async def _log_in(page: Page, name: str, token: str) -> None:
    await page.get_by_label("이름").fill(name)
    await page.get_by_label("토큰").fill(token)
    await page.get_by_role("button", name="로그인").click()


async def _list_violations(page: Page) -> list[str]:
    found = await Axe().run(page)
    return [violation["id"] for violation in found.response["violations"]]


async def test_a_wrong_token_is_told_and_the_right_one_leads_on(house: House, page: Page) -> None:
    token = house.add("검수자 1")
    await page.goto(f"{house.url}/nothing?topic=a")
    assert page.url.startswith(f"{house.url}/log-in?next=")
    assert await _list_violations(page) == []
    assert await page.locator(MENU).count() == 0
    assert await page.get_by_label("이름").evaluate("field => field === document.activeElement")
    await _log_in(page, "검수자 1", "wrong")
    assert "맞지 않습니다" in await page.get_by_role("alert").inner_text()
    assert await page.get_by_label("이름").input_value() == "검수자 1"
    assert await page.get_by_label("토큰").input_value() == ""
    assert await page.get_by_label("토큰").evaluate("field => field === document.activeElement")
    assert await _list_violations(page) == []
    await _log_in(page, "검수자 1", token)
    await page.wait_for_url(f"{house.url}/nothing?topic=a")


@pytest.mark.parametrize(
    ("role", "has_specs", "has_reviewers"),
    [("reviewer", False, False), ("author", True, False), ("admin", True, True)],
)
async def test_the_menu_shows_what_ones_role_may(
    house: House, page: Page, role: str, has_specs: bool, has_reviewers: bool
) -> None:
    token = house.add("reviewer-a", role)
    await page.goto(f"{house.url}/log-in?next=/nothing")
    await _log_in(page, "reviewer-a", token)
    await page.wait_for_url(f"{house.url}/nothing")
    assert "없는 페이지입니다." in await page.locator("main").inner_text()
    assert await _list_violations(page) == []
    names = await page.locator(MENU).all_inner_texts()
    assert "검수" in names
    assert ("주제와 목표" in names, "검수자" in names) == (has_specs, has_reviewers)
    await page.goto(f"{house.url}/reviewers")
    assert ("볼 권한이 없습니다" in await page.locator("main").inner_text()) is not has_reviewers
    cookies = await page.context.cookies()
    assert [(each["httpOnly"], each["sameSite"]) for each in cookies if each["name"] == "damhwa_session"] == [
        (True, "Strict")
    ]
    assert await page.evaluate("document.cookie") == ""
    await page.get_by_role("button", name="로그아웃").click()
    await page.wait_for_url(f"{house.url}/log-in")
    await page.goto(f"{house.url}/reviewers")
    assert page.url.startswith(f"{house.url}/log-in")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_an_admin_adds_a_reviewer_and_ends_one(house: House, page: Page, scheme: str) -> None:
    token = house.add("관리자", "admin")
    await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    await page.goto(f"{house.url}/log-in?next=/reviewers")
    await _log_in(page, "관리자", token)
    await page.get_by_label("이름").fill("<script>alert(1)</script>")
    await page.get_by_label("역할").select_option("author")
    await page.get_by_role("button", name="추가", exact=True).click()
    given = await page.locator("#token").inner_text()
    assert await _list_violations(page) == []
    added = house.accounts.find("<script>alert(1)</script>")
    assert added is not None
    assert added.role == "author"
    assert len(given) == 35
    await page.get_by_role("button", name="<script>alert(1)</script>: 사용 중지").click()
    await page.wait_for_url(f"{house.url}/reviewers")
    assert given not in await page.content()
    assert await page.get_by_role("cell", name="사용 중지", exact=True).count() == 1
    assert await page.get_by_role("button", name="관리자: 사용 중지").count() == 0
    await page.get_by_label("이름").fill("관리자")
    await page.get_by_role("button", name="추가", exact=True).click()
    assert "추가할 수 없는 이름" in await page.get_by_role("alert").inner_text()
    assert await _list_violations(page) == []


async def test_another_sites_page_cannot_write_with_ones_session(house: House, page: Page) -> None:
    token = house.add("관리자", "admin")
    await page.goto(f"{house.url}/log-in?next=/reviewers")
    await _log_in(page, "관리자", token)
    csrf = await page.locator("main input[name=csrf]").first.input_value()
    form = f"<form method=post action='{house.url}/reviewers'><input name=csrf value='{csrf}'>"
    form += "<input name=action value=add><input name=name value=evil><input name=role value=admin></form>"
    await page.route("http://evil.example/", lambda route: route.fulfill(body=form, content_type="text/html"))
    await page.goto("http://evil.example/")
    await page.evaluate("document.forms[0].submit()")
    await page.wait_for_url(f"{house.url}/reviewers")
    assert [each.name for each in house.accounts.list()] == ["관리자"]
