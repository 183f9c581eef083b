"""Pictures and recordings on the review page: seen, enlarged and heard by mouse and keys, and no trouble when gone."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.review_ui.axe import SyncAxe
from tests.review_ui.browser.screen import NETWORK, Screen
from tests.review_ui.browser.shown import ABOUT, curate_shown
from tests.review_ui.browser.station import Ledger, Station
from tests.review_ui.browser.test_accessible import LOOKS, REACHABLE

SEEN = "(image) => image.complete && image.naturalWidth > 0"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return curate_shown(tmp_path_factory.mktemp("shown"))


@pytest.fixture
def folder(shown: Path, tmp_path: Path) -> Path:
    return shutil.copytree(shown.parent, tmp_path / "data") / shown.name


def pictures(screen: Screen) -> Locator:
    return screen.page.locator("#turns .picture img")


def wait_for_pictures(screen: Screen) -> None:
    for at in range(pictures(screen).count()):
        screen.wait_until(lambda at=at: pictures(screen).nth(at).evaluate(SEEN))  # type: ignore[misc]


def test_a_picture_is_seen_in_its_message_and_enlarged_by_click_and_key(screen: Screen) -> None:
    screen.visit("#mode=triage&sample=shown-1")
    wait_for_pictures(screen)
    assert pictures(screen).count() == 2
    assert screen.page.locator("#turns > li").first.locator(".picture").count() == 2
    assert pictures(screen).first.get_attribute("alt") == ABOUT
    screen.page.get_by_role("button", name=f"크게 보기: {ABOUT}").first.click()
    viewer = screen.page.get_by_role("dialog")
    expect(viewer).to_contain_text(ABOUT)
    expect(viewer).to_contain_text("사진 1/2")
    screen.press("ArrowRight")
    expect(viewer).to_contain_text("사진 2/2")
    expect(viewer).to_contain_text("1번 말풍선의 사진")
    screen.press("KeyV")
    expect(viewer).to_be_hidden()
    expect(screen.page.locator("#turns .picture").first).to_be_focused()
    screen.press("KeyV")
    expect(viewer).to_be_visible()
    screen.press("Escape")
    expect(viewer).to_be_hidden()


def test_a_key_plays_the_personas_words_and_nothing_plays_by_itself(screen: Screen, ledger: Ledger) -> None:
    screen.visit("#mode=triage")
    screen.page.wait_for_timeout(300)
    states = "[...document.querySelectorAll('audio')].map((each) => [each.paused, each.preload, each.readyState])"
    assert screen.read(states) == [[True, "none", 0], [True, "none", 0]]
    playing = "[...document.querySelectorAll('audio')].map((each) => !each.paused)"
    screen.press("KeyP")
    screen.wait_until(lambda: screen.read(playing) == [True, False])
    screen.press("KeyP")
    screen.wait_until(lambda: screen.read(playing) == [False, False])
    screen.press("ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown", "KeyP")
    screen.wait_until(lambda: screen.read(playing) == [False, True])
    decided = screen.decide("KeyA")
    assert screen.read(playing) == [False, False]
    assert [each.id for each in screen.wait_for_log(ledger.list_events, 1)] == [decided]


def test_the_next_cards_pictures_are_there_before_the_card(screen: Screen) -> None:
    asked: list[str] = []
    screen.page.on("request", lambda request: asked.append(request.url))
    screen.visit("#mode=triage")
    ready = (
        "desk.ready.flatMap(({ turns }) => turns.flatMap(({ media }) => media)).filter((each) => each.kind === 'image')"
    )
    screen.wait_until(lambda: screen.read(f"{ready}.length") > 0)
    wanted = screen.read(f"{ready}.map((each) => each.sha256)")
    screen.wait_until(lambda: all(any(sha256 in url for url in asked) for sha256 in wanted))
    screen.wait_until(lambda: screen.read("desk.pictures.every((each) => each.complete)"))
    asked.clear()
    screen.decide("KeyA")
    wait_for_pictures(screen)
    shown = {url.rpartition("/")[2] for url in asked if "/media/" in url}
    assert shown & set(pictures(screen).evaluate_all("all => all.map((one) => one.src.split('/').at(-1))")) == set()


def test_what_is_gone_or_altered_leaves_a_line_and_the_review_goes_on(
    station: Station, ledger: Ledger, open_screen: Callable[..., Screen]
) -> None:
    for path in (station.folder / "media").iterdir():
        if path.suffix == ".png":
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[:-2] + b"\1\1")
    screen = open_screen(station)
    screen.forgiven = (NETWORK,)
    screen.visit("#mode=triage")
    expect(screen.page.locator("#turns .gone").first).to_have_text("사진을 볼 수 없습니다. 파일이 없거나 바뀌었습니다.")
    screen.press("KeyP")
    expect(screen.page.locator("#turns .gone").last).to_have_text(
        "녹음을 들을 수 없습니다. 파일이 없거나 바뀌었습니다."
    )
    screen.press("KeyV")
    expect(screen.message).to_have_text("사진이 없는 대화")
    decided = screen.decide("KeyA")
    assert [each.id for each in screen.wait_for_log(ledger.list_events, 1)] == [decided]


def test_an_edit_leaves_the_picture_in_sight(screen: Screen, ledger: Ledger) -> None:
    screen.visit("#mode=triage")
    screen.page.locator("#turns .number").first.click()
    screen.press("KeyE")
    expect(screen.field).to_be_focused()
    expect(pictures(screen).first).to_be_visible()
    screen.field.fill("퇴근길에 찍은 사진인데 하늘 색 좀 봐 줘")
    screen.decide("Control+Enter")
    (event,) = screen.wait_for_log(ledger.list_events, 1)
    assert event.kind == "edit"


def test_the_players_own_keys_decide_nothing(screen: Screen, ledger: Ledger) -> None:
    first = screen.visit("#mode=triage")
    screen.page.locator("audio").first.focus()
    screen.press("ArrowRight", "ArrowLeft", "Space")
    screen.page.wait_for_timeout(300)
    assert screen.id == first
    screen.decide("KeyA")
    assert [each.kind for each in screen.wait_for_log(ledger.list_events, 1)] == ["accept"]


@pytest.mark.parametrize("look", LOOKS)
def test_with_pictures_too_no_axe_violation_and_nothing_sticks_out(
    station: Station, open_screen: Callable[..., Screen], look: str
) -> None:
    options: dict[str, Any] = LOOKS[look]
    screen = open_screen(station, **options)
    screen.visit("#mode=triage&sample=shown-1")
    screen.page.locator("#turns .picture").first.scroll_into_view_if_needed()
    wait_for_pictures(screen)
    found = [SyncAxe().run(screen.page).response["violations"]]
    reachable = screen.read(REACHABLE)
    assert sum(each.startswith("크게") or each == "" for each in reachable) >= 2
    width = screen.read("document.documentElement.clientWidth")
    assert screen.read("document.documentElement.scrollWidth") <= width
    screen.press("KeyV")
    expect(screen.page.locator("#viewer")).to_be_visible()
    found.append(SyncAxe().run(screen.page).response["violations"])
    assert found == [[], []]
