"""One sitting at the review page, from the first key to the last undo, and what the log says of it afterwards."""

from playwright.sync_api import expect

from tests.review_ui.browser.screen import Screen
from tests.review_ui.browser.station import Ledger

REJECTED = "무엇을 도와드릴까요? 저는 인공지능 언어 모델로서 도와드릴 수 있습니다."
ACCEPTED = "그래, 오늘은 푹 쉬어. 내일 또 얘기하자!"


def _wait_for_kinds(screen: Screen, ledger: Ledger, *kinds: str) -> None:
    screen.wait_until(lambda: [each.kind for each in ledger.list_events()] == list(kinds))
    screen.expect_saved()


def test_a_sitting_accepts_flags_edits_and_undoes(screen: Screen, ledger: Ledger) -> None:
    screen.visit()
    accepted = screen.decide("KeyA")
    flagged = screen.decide("KeyF", "Digit6")
    screen.press("KeyE")
    screen.field.fill(ACCEPTED)
    edited = screen.decide("Control+Enter")
    screen.press("KeyU")
    assert screen.wait_until(lambda: screen.id == edited)
    _wait_for_kinds(screen, ledger, "accept", "flag", "edit", "undo")
    assert [each.id for each in ledger.list_events()] == [accepted, flagged, edited, edited]
    assert ledger.sample(edited).verdict is None
    assert screen.page.locator("#main").get_attribute("data-revision") == "3"


def test_an_edit_that_the_filters_reject_stays_until_it_is_changed(screen: Screen, ledger: Ledger) -> None:
    first = screen.visit()
    screen.press("KeyE")
    screen.field.fill(REJECTED)
    screen.press("Control+Enter")
    expect(screen.button("go-on")).to_be_visible()
    expect(screen.field).to_have_value(REJECTED)
    expect(screen.page.locator("#edit-findings")).to_contain_text("말투")
    assert (screen.id, ledger.sample(first).verdict) == (first, "flag")
    screen.field.fill(ACCEPTED)
    assert screen.decide("Control+Enter") == first
    _wait_for_kinds(screen, ledger, "edit", "edit")
    assert ledger.sample(first).verdict == "edit"


def test_a_draft_is_open_again_after_a_reload(screen: Screen, ledger: Ledger) -> None:
    first = screen.visit()
    screen.press("KeyE")
    screen.field.fill(ACCEPTED)
    screen.page.reload()
    screen.wait_until(lambda: screen.id == first)
    expect(screen.field).to_be_focused()
    expect(screen.field).to_have_value(ACCEPTED)
    assert ledger.list_events() == []
