"""The dashboard and one's own decisions, as people see them: in Chromium, without a script of ours."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from playwright.async_api import Page, async_playwright

from curation.build import BuildOptions, build
from curation.reviewing.tables import EVENTS, LOTS, SAMPLES
from datagen.endpoint_options import ProviderOptions
from review_ui.queue.decide import Decision
from review_ui.reviewed_run import ReviewedRun, ReviewOptions
from tests.review_ui.access.house import House, open_house
from tests.review_ui.axe import Axe

TOPIC = "일상 대화"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built run of 20 dialogues."""
    folder = tmp_path_factory.mktemp("specs")
    for name, text in (("spec.yaml", SPEC), ("personas/exa.yaml", PERSONA)):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    build(str(folder / "spec.yaml"), folder / "run", BuildOptions(ProviderOptions(offline=True), baseline=0))
    return folder / "run"


SPEC = """\
dataset: test-data
language: ko
seed: 3
personas: [personas/exa.yaml]
exchanges: {min: 2, max: 5}
provider: {model: gpt-4o}
facets:
  장소: [도서관, 카페, 지하철]
topics:
  - name: 일상 대화
    category: intellectual
    quota: 12
    brief: 하루를 보내며 나누는 가벼운 이야기.
    situations:
      - 유저가 출근길에 비를 맞았다
      - 유저가 점심 메뉴를 못 고르고 있다
      - 유저가 새로 산 이어폰을 자랑한다
  - name: 보고 싶다는 표현
    category: emotional
    quota: 8
    brief: 보고 싶은 마음을 다정하게 나눈다.
    situations:
      - 유저가 출장지 호텔에서 말을 건다
      - 유저가 오래 바빴던 한 주를 마쳤다
"""
PERSONA = "id: exa\nname: 엑사\nage: 19\nspeech_level: banmal\nsystem_prompt: 너는 엑사야. 늘 반말로 밝게 말해.\n"


@pytest.fixture
def run(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReviewedRun]:
    """Nobody has decided anything. Each test has a database of its own."""
    monkeypatch.setenv("DAMHWA_DATABASE", f"sqlite:///{tmp_path / 'reviews.db'}")
    opened = ReviewedRun.open(built, ReviewOptions(second_share=1.0))
    yield opened
    opened.close()


@pytest.fixture
async def house(run: ReviewedRun, tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, runs={run.name: run}) as opened:
        yield opened


@pytest.fixture
async def page(chromium: Path) -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        # a colour on its way to another is none that axe could judge
        how = {"locale": "ko-KR", "viewport": {"width": 390, "height": 844}, "reduced_motion": "reduce"}
        context = await browser.new_context(**how)  # type: ignore[arg-type]
        yield await context.new_page()
        await browser.close()


def _list_ids(run: ReviewedRun) -> list[str]:
    query = sa.select(SAMPLES.c.id).where(SAMPLES.c.topic == TOPIC, SAMPLES.c.pool == "audit")
    return run.database.read(lambda connection: list(connection.execute(query.order_by(SAMPLES.c.rank)).scalars()))


def _decide(run: ReviewedRun, reviewer: str, id_: str, kind: Any) -> None:
    reason = "speech-level" if kind == "flag" else None
    decision = Decision(f"{reviewer}-{id_}", id_, 1, kind, "audit", reviewer, 9_000, 1.0, reason)
    run.database.write(lambda connection: run.desk.decide(connection, decision, 1_790_000_000.0))


def _fail_lot(run: ReviewedRun) -> None:
    """One good dialogue, three defects, and a second reviewer who agrees about two of them."""
    for number, id_ in enumerate(_list_ids(run)[:4]):
        _decide(run, "작성자 1", id_, "flag" if number else "accept")
    for number, id_ in enumerate(_list_ids(run)[:2]):
        _decide(run, "검수자 2", id_, "flag" if number else "accept")


def _read_lot(run: ReviewedRun) -> Any:
    query = sa.select(LOTS).where(LOTS.c.topic == TOPIC)
    return run.database.read(lambda connection: connection.execute(query).one())


def _count_undos(run: ReviewedRun) -> int:
    query = sa.select(sa.func.count()).select_from(EVENTS).where(EVENTS.c.kind == "undo")
    return run.database.read(lambda connection: connection.execute(query).scalar_one())


async def _enter(house: House, page: Page, path: str, name: str = "작성자 1", role: str = "author") -> None:
    await page.goto(f"{house.url}{path}")
    await page.get_by_label("이름").fill(name)
    await page.get_by_label("토큰").fill(house.add(name, role))
    await page.get_by_role("button", name="로그인").click()
    await page.wait_for_url(f"{house.url}{path}")


async def _check(page: Page) -> None:
    """No violation in light and dark, and nothing wider than a phone."""
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        found = await Axe().run(page)
        assert [violation["id"] for violation in found.response["violations"]] == []
    assert await page.evaluate("document.documentElement.scrollWidth") == 390


async def test_an_empty_dashboard_says_so_in_words(house: House, page: Page) -> None:
    await _enter(house, page, "/dashboard")
    text = await page.locator("main").inner_text()
    for sentence in (
        "아직 이중 검수가 없습니다",
        "아직 플래그가 없습니다",
        "아직 검수한 사람이 없습니다",
        "아직 본 표본이 없습니다",
    ):
        assert sentence in text
    await _check(page)


async def test_the_dashboard_never_tells_a_bare_percentage_and_shows_what_follows(
    house: House, page: Page, run: ReviewedRun
) -> None:
    _fail_lot(run)
    await _enter(house, page, "/dashboard")
    text = await page.locator("main").inner_text()
    assert "4건 중 결함 3건: 결함률 상한 98.7% (95%)" in text
    assert "불합격" in text
    assert "두 사람이 따로 본 대화 2건" in text
    assert await page.locator("svg.curve .curve-defect").count() == 3
    await _check(page)


async def test_an_author_has_a_lot_made_again_only_after_a_second_step(
    house: House, page: Page, run: ReviewedRun
) -> None:
    _fail_lot(run)
    await _enter(house, page, "/dashboard")
    button = page.get_by_role("button", name="8건 버리고 다시 만들기")
    assert not await button.is_visible()
    await page.get_by_text("다시 만들기…").click()
    await _check(page)
    await button.click()
    await page.wait_for_url(f"{house.url}/dashboard?run=run")
    assert _read_lot(run).round == 2
    text = await page.locator("main").inner_text()
    assert re.search(r"일상 대화 1차: 다시 만들기로 함 \(8건, 표본 결함 3건\) · 작성자 1", text)
    assert "판정이 난 주제" not in text
    assert "다시 만드는 중" in text
    assert "모두 검수함" not in text
    await _check(page)


async def test_a_lot_that_passed_says_how_many_second_looks_are_outstanding(
    house: House, page: Page, run: ReviewedRun
) -> None:
    for id_ in _list_ids(run)[:5]:
        _decide(run, "검수자 2", id_, "accept")
    passed = sa.update(LOTS).where(LOTS.c.topic == TOPIC).values(verdict="pass")
    run.database.write(lambda connection: connection.execute(passed))
    await _enter(house, page, "/dashboard")
    text = await page.locator(".todo").inner_text()
    assert "둘째 검수 5건 남음" in text
    assert "셋째" not in text
    assert await page.get_by_text("나머지 그대로 승인…").count() == 1
    await _check(page)


async def test_a_reviewer_sees_the_verdict_but_no_button(house: House, page: Page, run: ReviewedRun) -> None:
    _fail_lot(run)
    await _enter(house, page, "/dashboard", "검수자 2", "reviewer")
    assert await page.get_by_text("다시 만들기…").count() == 0
    assert "데이터 작성자가 정합니다" in await page.locator("main").inner_text()


async def test_only_an_author_disposes_of_a_lot_and_only_of_the_present_one(house: House, run: ReviewedRun) -> None:
    _fail_lot(run)
    path = f"/api/v1/runs/run/topics/{TOPIC}/disposition"
    house.add("검수자 2")
    house.add("작성자 1", "author")
    async with house.visit("검수자 2") as browser:
        assert (await browser.post(path, json={"disposition": "regenerate", "round": 1})).status == 403
        async with browser.get("/api/v1/runs/run/dashboard") as answer:
            topic = next(each for each in (await answer.json())["topics"] if each["name"] == TOPIC)
            assert (topic["audit"]["verdict"], topic["audit"]["next_steps"]) == ("fail", ["full-review", "regenerate"])
            assert (topic["flagged"], topic["again"], topic["waiting"]) == (3, 3, 8)
    async with house.visit("작성자 1") as browser:
        assert (await browser.post(path, json={"disposition": "release", "round": 1})).status == 409
        assert (await browser.post(path, json={"disposition": "regenerate", "round": 2})).status == 409
        assert (await browser.post(path, json={"disposition": "regenerate", "round": 1})).status == 200
        assert (await browser.post(path, json={"disposition": "full-review", "round": 1})).status == 409


async def test_any_of_ones_own_decisions_can_be_taken_back_once(house: House, page: Page, run: ReviewedRun) -> None:
    _fail_lot(run)
    await _enter(house, page, "/history")
    rows = page.locator(".decisions > li")
    assert await rows.count() == 4
    await _check(page)
    form = rows.nth(2).locator("form")
    fields: dict[str, str | float | bool] = {
        each: await form.locator(f"[name={each}]").input_value() for each in ("csrf", "run", "key")
    }
    await form.get_by_role("button").click()
    await page.wait_for_url("**/history?run=run")
    assert await page.locator(".undone").count() == 1
    assert "되돌림" in await rows.first.inner_text()
    again = await page.request.post(f"{house.url}/history", form=fields, headers={"Origin": house.url})
    assert again.ok, await again.text()
    assert _count_undos(run) == 1
    await _check(page)


async def test_nobody_takes_back_what_somebody_else_decided(house: House, run: ReviewedRun) -> None:
    _fail_lot(run)
    house.add("검수자 2")
    async with house.visit("검수자 2") as browser:
        form = {"csrf": browser.headers["X-CSRF-Token"], "run": "run", "key": f"작성자 1-{_list_ids(run)[3]}"}
        assert (await browser.post("/history", data=form, allow_redirects=False)).status == 409
        assert (await browser.post("/history", data=form | {"key": "nothing"}, allow_redirects=False)).status == 404
    assert _count_undos(run) == 0
