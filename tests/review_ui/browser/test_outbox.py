"""Nothing that was decided is lost or counted twice, whatever the network, the server and the browser do."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.review_ui.browser.screen import NETWORK, Screen
from tests.review_ui.browser.station import Ledger, Station

FILL_STORAGE = """() => {
  for (let size = 1 << 20; size > 0; size >>= 1) {
    try { for (let number = 0; ; number += 1) localStorage.setItem(`full-${size}-${number}`, "가".repeat(size)); }
    catch { /* so much does not fit: try half of it */ }
  }
}"""
DENY_STORAGE = """Object.defineProperty(window, "localStorage", {
  get() { throw new DOMException("Access is denied for this document.", "SecurityError"); } });"""


@pytest.fixture
def screen(screen: Screen) -> Screen:
    """One that may complain about the network."""
    screen.forgiven = (NETWORK,)
    return screen


def _decide_five(screen: Screen) -> list[tuple[str, str]]:
    """Four cards are at hand while the server is away: one is flagged, taken back and accepted."""
    first = screen.decide("KeyA")
    second = screen.decide("KeyF", "Digit3")
    screen.press("KeyU")
    screen.wait_until(lambda: screen.id == second)
    screen.wait_for_card()
    screen.decide("KeyA")
    third = screen.decide("ArrowRight")
    return [(first, "accept"), (second, "flag"), (second, "undo"), (second, "accept"), (third, "later")]


def _tell(events: list[Any]) -> list[tuple[str, str]]:
    return [(each.id, each.kind) for each in events]


def _wait_for_cards(screen: Screen) -> None:
    """Until as many lie ready as the page keeps."""
    screen.page.wait_for_load_state("networkidle")


@pytest.mark.parametrize("way", ["server stopped", "network gone"])
def test_what_is_decided_while_the_server_is_away_is_stored_once_when_it_is_back(
    station: Station, screen: Screen, ledger: Ledger, way: str
) -> None:
    screen.visit()
    _wait_for_cards(screen)
    station.stop() if way == "server stopped" else screen.page.context.set_offline(True)
    decided = _decide_five(screen)
    screen.expect_saved("away", "오프라인 · 대기 5건")
    assert ledger.list_events() == []
    screen.page.wait_for_timeout(300)
    station.start() if way == "server stopped" else screen.page.context.set_offline(False)
    assert _tell(screen.wait_for_log(ledger.list_events, 5)) == decided
    screen.expect_saved("saved", "모두 저장됨")
    screen.decide("KeyA")
    assert len(screen.wait_for_log(ledger.list_events, 6)) == 6


def test_what_is_decided_offline_outlives_the_page(station: Station, screen: Screen, ledger: Ledger) -> None:
    screen.visit()
    _wait_for_cards(screen)
    station.stop()
    decided = _decide_five(screen)
    screen.page.goto("about:blank")
    station.start()
    screen.visit()
    assert _tell(screen.wait_for_log(ledger.list_events, 5)) == decided
    assert screen.id not in {id_ for id_, kind in decided if kind == "accept"}


def test_an_answer_that_gets_lost_after_the_commit_counts_once(
    station: Station, screen: Screen, ledger: Ledger
) -> None:
    screen.visit()
    station.to_lose = 5  # more than Chromium itself sends again
    decided = [screen.decide("KeyA"), screen.decide("KeyF", "Digit1"), screen.decide("KeyA")]
    screen.wait_until(lambda: station.to_lose == 0)
    events = screen.wait_for_log(ledger.list_events, 3)
    assert [each.id for each in events] == decided


def test_a_page_that_is_left_before_the_answer_sends_again_and_counts_once(
    station: Station, screen: Screen, ledger: Ledger
) -> None:
    first = screen.visit()
    station.delay_s = 0.5
    screen.press("KeyA")
    screen.page.wait_for_timeout(100)
    screen.page.reload()
    station.delay_s = 0.0
    screen.wait_for_card(besides=first)
    assert _tell(screen.wait_for_log(ledger.list_events, 1)) == [(first, "accept")]


def test_a_waiting_decision_is_counted_on_the_screen(station: Station, screen: Screen, ledger: Ledger) -> None:
    screen.visit()
    _wait_for_cards(screen)
    station.delay_s = 0.8
    decided = [screen.decide("KeyA"), screen.decide("KeyA")]
    screen.expect_saved("waiting", "저장 대기 2건")
    assert [each.id for each in screen.wait_for_log(ledger.list_events, 2)] == decided


def test_two_windows_of_one_reviewer_lose_nothing_and_send_nothing_twice(
    station: Station, screen: Screen, ledger: Ledger
) -> None:
    other = Screen.open(screen.page.context, station.url)
    screen.visit()
    other.visit("#mode=triage")
    _wait_for_cards(screen)
    _wait_for_cards(other)
    screen.page.context.set_offline(True)
    decided = [(each.decide("KeyA"), "accept") for each in (screen, other, screen, other)]
    for each in (screen, other):
        each.expect_saved("away", "오프라인 · 대기 4건")
    screen.page.context.set_offline(False)
    events = screen.wait_for_log(ledger.list_events, 4)
    other.expect_saved()
    screen.page.wait_for_timeout(300)
    assert sorted(_tell(events)) == sorted(decided)
    assert len(ledger.list_events()) == 4
    assert {each.mode for each in events} == {"audit", "triage"}


@pytest.mark.parametrize("way", ["full", "denied"])
def test_a_browser_that_cannot_store_says_so_and_does_not_move_on(screen: Screen, ledger: Ledger, way: str) -> None:
    if way == "denied":
        screen.page.add_init_script(DENY_STORAGE)
    first = screen.visit()
    if way == "full":
        screen.read(FILL_STORAGE)
    for keys in (("KeyA",), ("ArrowRight",), ("KeyF", "Digit1")):
        screen.press(*keys)
        expect(screen.message).to_contain_text("브라우저에 저장할 수 없음")
        assert screen.id == first
    screen.page.wait_for_timeout(200)
    assert ledger.list_events() == []
    if way == "full":
        screen.read("localStorage.clear()")
        screen.decide("KeyA")
        assert _tell(screen.wait_for_log(ledger.list_events, 1)) == [(first, "accept")]


def test_who_was_logged_out_is_told_and_loses_nothing(
    folder: Any, ledger: Ledger, open_station: Callable[..., Station], open_screen: Callable[..., Screen]
) -> None:
    station = open_station(folder, has_log_in=True)
    token = station.add_reviewer("reviewer-a")
    screen = open_screen(station)
    screen.forgiven = (NETWORK,)
    screen.log_in("reviewer-a", token)
    first = screen.wait_for_card()
    cookies = screen.page.context.cookies()
    screen.page.context.clear_cookies()
    screen.decide("KeyA")
    screen.expect_saved("out", "로그인 필요 · 대기 1건")
    screen.page.context.add_cookies(cookies)  # type: ignore[arg-type]
    screen.page.reload()
    assert [(each.id, each.reviewer) for each in screen.wait_for_log(ledger.list_events, 1)] == [(first, "reviewer-a")]
