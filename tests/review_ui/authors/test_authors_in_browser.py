"""The authors' pages in Chromium: an edit, its mistakes, a conflict, and a build that runs to its end on the page."""

import difflib
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, async_playwright, expect

from tests.review_ui.authors.studio import SLOW, Studio
from tests.review_ui.axe import Axe

pytestmark = pytest.mark.slow

Edit = Callable[[Path, str, str], None]
FOCUSED = "element => element === document.activeElement"


async def list_violations(page: Page) -> list[str]:
    found = await Axe().run(page)
    return [violation["id"] for violation in found.response["violations"]]


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


async def open_spec(page: Page, studio: Studio) -> None:
    await page.goto(f"{studio.url}/specs/test-data")


async def is_as_wide_as_its_window(page: Page) -> bool:
    return bool(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
async def test_a_quota_that_is_edited_is_one_line_of_the_file(
    studio: Studio, page: Page, scheme: str, width: int
) -> None:
    before = studio.spec.read_text("utf-8")
    await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    await page.set_viewport_size({"width": width, "height": 844})
    await page.goto(f"{studio.url}/specs")
    assert await list_violations(page) == []
    await page.get_by_role("link", name="test-data").click()
    assert await list_violations(page) == []
    assert await is_as_wide_as_its_window(page)
    await page.get_by_label("목표(건)").first.fill("15")
    await button(page, "저장").click()
    await page.wait_for_url("**/specs/test-data?saved=1")
    assert await page.locator("#done").evaluate(FOCUSED)
    assert "저장했습니다" in await page.locator("#done").inner_text()
    assert await page.locator("#total").inner_text() == "23건"
    assert "대화 23건을 더 만듭니다." in await page.locator(".next").inner_text()
    assert await list_violations(page) == []
    assert await is_as_wide_as_its_window(page)
    diff = list(difflib.ndiff(before.split("\n"), studio.spec.read_text("utf-8").split("\n")))
    assert [line for line in diff if line[0] in "-+"] == [
        "-     quota: 12  # 열두 편이면 충분함",
        "+     quota: 15  # 열두 편이면 충분함",
    ]


@pytest.mark.parametrize("verb", ["검사", "저장"])
async def test_a_mistake_is_told_at_its_field_and_nothing_typed_is_lost(studio: Studio, page: Page, verb: str) -> None:
    before = studio.spec.read_bytes()
    await open_spec(page, studio)
    await page.locator("#t0-quota").fill("많이")
    await page.locator("#t1 summary").click()
    await page.locator("#t1-situations").fill("")
    await page.locator("#t1-facets").fill('날씨: "흐림, 바람", 비')
    await button(page, verb).click()
    summary = page.locator("#problems")
    assert await summary.evaluate(FOCUSED)
    links = summary.get_by_role("link")
    assert await links.all_inner_texts() == [
        f"{studio.spec}:13: `topics[1].quota` is '많이', expected a whole number",
        f"{studio.spec}:23: `topics[2].situations` is a list, expected at least 1 entry",
    ]
    assert await list_violations(page) == []
    quota = page.locator("#t0-quota")
    assert await quota.get_attribute("aria-invalid") == "true"
    told = await quota.get_attribute("aria-describedby")
    assert "expected a whole number" in await page.locator(f"#{told}").inner_text()
    await links.last.click()
    assert await page.locator("#t1-situations").evaluate(FOCUSED)
    assert await quota.input_value() == "많이"
    assert await page.locator("#t1-facets").input_value() == '날씨: "흐림, 바람", 비'
    assert studio.spec.read_bytes() == before


async def test_enter_in_a_field_checks_and_does_not_save(studio: Studio, page: Page) -> None:
    before = studio.spec.read_bytes()
    await open_spec(page, studio)
    await page.locator("#t0-quota").fill("15")
    await page.locator("#t0-quota").press("Enter")
    await expect(page.locator("#done")).to_contain_text("아직 저장하지는 않았습니다")
    assert await page.locator("#t0-quota").input_value() == "15"
    assert studio.spec.read_bytes() == before


async def test_topics_are_added_moved_and_deleted_by_keyboard(studio: Studio, page: Page) -> None:
    await open_spec(page, studio)
    await button(page, "＋ 주제 추가").press("Enter")
    assert await page.locator("#t2-name").evaluate(FOCUSED)
    await page.keyboard.type("비 오는 날")
    await page.locator("#t2-quota").fill("3")
    await page.locator("#t2-brief").fill("비가 오는 날에 나누는 이야기다.\n둘째 문단.")
    await page.locator("#t2-situations").fill("유저가 우산을 잃어버렸다\n\n유저가 빗소리를 들려준다: 토독토독\n")
    await page.locator("#t2-facets").fill("날씨: 가랑비, 소나기")
    await page.locator("#t2-up").press("Enter")
    assert await page.locator("#t1-up").evaluate(FOCUSED)
    assert await page.locator("#t1-name").input_value() == "비 오는 날"
    await button(page, "보고 싶다는 표현: 삭제").press("Enter")
    assert "‘보고 싶다는 표현’ 주제를 뺐습니다" in await page.locator("#done").inner_text()
    await button(page, "저장").press("Enter")
    await page.wait_for_url("**/specs/test-data?saved=1")
    text = studio.spec.read_text("utf-8")
    assert "보고 싶다는 표현" not in text
    assert "quota: 12  # 열두 편이면 충분함" in text
    assert '      - "유저가 빗소리를 들려준다: 토독토독"\n' in text
    assert await page.locator("#t1-brief").input_value() == "비가 오는 날에 나누는 이야기다.\n둘째 문단."


async def test_a_conflict_shows_both_and_keeps_what_was_typed(studio: Studio, page: Page, edit: Edit) -> None:
    await open_spec(page, studio)
    await page.locator("#t0-quota").fill("15")
    edit(studio.spec, "quota: 8", "quota: 9")
    theirs = studio.spec.read_bytes()
    await button(page, "저장").click()
    conflict = page.locator("#conflict")
    assert await conflict.evaluate(FOCUSED)
    rows = await conflict.locator("tbody tr").all_inner_texts()
    assert [row.split() for row in rows] == [
        ["일상", "대화", "목표", "12", "15"],
        ["보고", "싶다는", "표현", "목표", "9", "8"],
    ]
    assert await list_violations(page) == []
    assert studio.spec.read_bytes() == theirs
    assert await page.locator("#t0-quota").input_value() == "15"
    await page.locator("#t1-quota").fill("9")
    await button(page, "내 내용으로 덮어쓰기").click()
    await page.wait_for_url("**/specs/test-data?saved=1")
    text = studio.spec.read_text("utf-8")
    assert "quota: 15  # 열두 편이면 충분함" in text
    assert "quota: 9" in text


async def test_a_build_runs_to_its_end_live_on_the_page(studio: Studio, page: Page) -> None:
    await open_spec(page, studio)
    await button(page, "만들기 시작").click()
    await page.wait_for_url("**/builds/test-run")
    loads: list[str] = []
    page.on("load", lambda opened: loads.append(opened.url))
    await expect(page.locator("#told")).to_contain_text("만들고 있습니다.")
    assert await list_violations(page) == []
    await expect(page.locator("#told")).to_contain_text("모든 주제가 목표를 채웠습니다.", timeout=60_000)
    await expect(page.locator("#figures")).to_contain_text("목표 20건 중")
    assert await page.locator("#rows li").count() == 2
    assert "채택 12" in await page.locator("#rows li").first.inner_text()
    assert "20 of 20" in await page.locator("#lines").inner_text()
    assert await list_violations(page) == []
    assert loads == []
    await page.get_by_role("link", name="검수하러 가기").click()
    await expect(page.locator("main")).to_contain_text("표본 검수")


async def test_a_build_is_stopped_and_resumed_on_the_page(studio: Studio, page: Page, edit: Edit) -> None:
    edit(studio.spec, *SLOW)
    await page.goto(f"{studio.url}/builds")
    await button(page, "▶ 만들기 시작").click()
    await expect(page.locator("#rows")).to_contain_text("일상 대화", timeout=30_000)
    await button(page, "■ 멈추기").click()
    await expect(page.locator("#told")).to_contain_text("다시 시작하면 이어서 만듭니다", timeout=60_000)
    assert await list_violations(page) == []
    edit(studio.spec, SLOW[1], SLOW[0])
    await page.get_by_label("예산").fill("열")
    await button(page, "▶ 이어서 만들기").click()
    assert "0보다 큰 수" in await page.locator("#budget-problem").inner_text()
    assert await list_violations(page) == []
    await page.get_by_label("예산").fill("")
    await button(page, "▶ 이어서 만들기").click()
    await expect(page.locator("#told")).to_contain_text("모든 주제가 목표를 채웠습니다.", timeout=60_000)


async def test_without_a_script_all_but_the_progress_works(studio: Studio, chromium: Path, edit: Edit) -> None:
    edit(studio.spec, "quota: 8", "quota: 0")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = await browser.new_page(locale="ko-KR", java_script_enabled=False)
        await page.goto(f"{studio.url}/specs/test-data")
        assert "파일에 이미 있는 것입니다." in await page.locator("#problems").inner_text()
        await page.goto(f"{studio.url}/builds/test-run")
        await button(page, "▶ 만들기 시작").click()
        await page.wait_for_url("**/builds/test-run")
        for _ in range(60):
            if "고칠 곳이 있어" in await page.locator("#told").inner_text():
                break
            await page.wait_for_timeout(500)
            await page.get_by_role("link", name="새로 고침").click()
        assert "종료 코드 2" in await page.locator("#told").inner_text()
        assert "`topics[2].quota` is 0" in await page.locator("#reason").inner_text()
        await browser.close()


async def test_what_a_spec_says_is_shown_as_text(studio: Studio, page: Page, edit: Edit) -> None:
    edit(studio.spec, "name: 일상 대화", 'name: "<img src=x onerror=alert(1)>\'\\""')
    await open_spec(page, studio)
    assert await page.locator("#t0-name").input_value() == "<img src=x onerror=alert(1)>'\""
    assert await page.locator("main img").count() == 0
    await page.locator("#t0-quota").fill("<b>1</b>")
    await button(page, "저장").click()
    assert "<b>1</b>" in await page.locator("#problems").inner_text()
    assert await page.locator("main b").count() == 0
