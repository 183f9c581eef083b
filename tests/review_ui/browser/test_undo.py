"""Any of one's own decisions can be taken back: the last, an earlier one, one that is not even sent yet."""

from playwright.sync_api import expect

from tests.review_ui.browser.screen import NETWORK, Screen
from tests.review_ui.browser.station import Ledger, Station


def test_the_last_decisions_are_undone_one_after_another(screen: Screen, ledger: Ledger) -> None:
    screen.visit()
    first, second = screen.decide("KeyA"), screen.decide("KeyF", "Digit2")
    third = screen.id
    expect(screen.button("undo")).to_contain_text("플래그")
    for id_ in (second, first):
        screen.press("KeyU")
        screen.wait_until(lambda id_=id_: screen.id == id_)  # type: ignore[misc]
        screen.wait_for_card()
    screen.press("KeyU")
    expect(screen.message).to_contain_text("되돌릴 결정 없음")
    events = screen.wait_for_log(ledger.list_events, 4)
    assert [(each.id, each.kind) for each in events[2:]] == [(second, "undo"), (first, "undo")]
    assert [each.undoes for each in events[2:]] == [events[1].event, events[0].event]
    assert [ledger.sample(id_).state for id_ in (first, second)] == ["open", "open"]
    assert [screen.decide("KeyA"), screen.decide("KeyA"), screen.id] == [first, second, third]


def test_an_earlier_decision_is_undone_after_looking_back_at_it(screen: Screen, ledger: Ledger) -> None:
    screen.visit()
    first, second = screen.decide("KeyA"), screen.decide("KeyA")
    for id_ in (second, first):
        screen.press("ArrowLeft")
        screen.wait_until(lambda id_=id_: screen.id == id_)  # type: ignore[misc]
        screen.wait_for_card()
    expect(screen.page.locator("#log")).to_contain_text("내 결정: 승인")
    screen.press("KeyU")
    screen.wait_for_log(ledger.list_events, 3)
    assert [ledger.sample(id_).verdict for id_ in (first, second)] == [None, "accept"]
    screen.wait_until(lambda: screen.id == first)
    expect(screen.page.locator("#findings")).to_contain_text("결정한 뒤에 보임")
    screen.wait_for_card()
    assert screen.decide("KeyF", "Digit6") == first
    screen.wait_for_log(ledger.list_events, 4)
    assert ledger.sample(first).reason == "broken"


def test_a_decision_of_an_earlier_day_is_undone_on_its_page(screen: Screen, ledger: Ledger) -> None:
    screen.visit()
    first, second = screen.decide("KeyA"), screen.decide("KeyF", "Digit1")
    screen.wait_for_log(ledger.list_events, 2)
    screen.page.get_by_role("link", name="내 결정").click()
    screen.page.wait_for_url("**/history")
    screen.page.get_by_role("button", name="승인 되돌리기").click()
    expect(screen.page.locator("main")).to_contain_text("되돌린 결정")
    assert [ledger.sample(id_).verdict for id_ in (first, second)] == [None, "flag"]
    screen.visit()
    expect(screen.button("undo")).to_contain_text("플래그")
    screen.press("KeyU")
    screen.wait_until(lambda: screen.id == second)
    screen.wait_for_log(ledger.list_events, 4)
    assert ledger.sample(second).verdict is None


def test_a_decision_that_was_not_sent_yet_is_undone(station: Station, screen: Screen, ledger: Ledger) -> None:
    screen.forgiven = (NETWORK,)
    screen.visit()
    screen.page.wait_for_load_state("networkidle")
    screen.page.context.set_offline(True)
    first = screen.decide("KeyF", "Digit3")
    screen.press("KeyU")
    screen.wait_until(lambda: screen.id == first)
    screen.wait_for_card()
    screen.expect_saved("away", "대기 2건")
    screen.page.context.set_offline(False)
    events = screen.wait_for_log(ledger.list_events, 2)
    assert [(each.id, each.kind) for each in events] == [(first, "flag"), (first, "undo")]
    assert (ledger.sample(first).state, ledger.sample(first).verdict) == ("open", None)
    assert screen.decide("KeyA") == first
    assert station.to_lose == 0


def test_undoing_an_edit_brings_the_original_back(screen: Screen, ledger: Ledger) -> None:
    first = screen.visit()
    before = screen.page.locator("#turns .bubble").last.text_content()
    screen.press("KeyE")
    screen.field.fill("점심 먹고 다시 이야기하자!")
    assert screen.decide("Control+Enter") == first
    screen.press("KeyU")
    screen.wait_until(lambda: screen.id == first)
    expect(screen.page.locator("#main")).to_have_attribute("data-revision", "3")
    expect(screen.page.locator("#turns .bubble").last).to_have_text(before or "")
    assert ledger.sample(first).verdict is None
