"""Beside the dialogue: filters that the keyboard enters and leaves, words that were found, figures that keep up."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from curation.reviewing.tables import SAMPLES
from tests.review_ui.browser.dialogues import REJECTED, TOPIC
from tests.review_ui.browser.screen import NETWORK, Screen
from tests.review_ui.browser.station import Ledger, Station

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def _topic(screen: Screen, name: str = TOPIC) -> Locator:
    return screen.page.locator("#topics button").filter(has_text=name)


@pytest.mark.parametrize("name", ["text", "least", "persona"])
@pytest.mark.parametrize("key", ["Enter", "Escape"])
def test_keys_decide_again_once_a_filter_is_left(screen: Screen, ledger: Ledger, name: str, key: str) -> None:
    screen.visit("#mode=triage")
    screen.page.locator(f"[name={name}]").focus()
    screen.press(key)
    assert screen.read("document.activeElement === document.body")
    decided = screen.decide("KeyA")
    assert [each.id for each in screen.wait_for_log(ledger.list_events, 1)] == [decided]


def test_enter_applies_what_was_typed_and_escape_takes_it_back(screen: Screen) -> None:
    first = screen.visit("#mode=triage")
    field = screen.page.locator("#text")
    screen.press("Slash")
    field.fill("없는말")
    screen.press("Escape")
    expect(field).to_have_value("")
    assert (screen.id, "text=" in screen.page.url) == (first, False)
    screen.press("Slash")
    field.fill("점심")
    screen.press("Enter")
    screen.wait_for_card(besides=first)
    assert "text=" in screen.page.url
    expect(field).to_have_value("점심")


def test_the_words_that_were_found_are_marked_whatever_stands_between_them(screen: Screen) -> None:
    screen.visit("#mode=triage&text=점심먹었어")
    found = screen.page.locator("#turns mark.found").first
    expect(found).to_have_text("점심 먹었어")
    expect(found).to_be_in_viewport()


def test_figures_of_the_audit_never_stand_in_triage(station: Station, screen: Screen) -> None:
    screen.visit()
    expect(_topic(screen)).to_contain_text("판정")
    station.delay_s = 1.5
    screen.button("mode-triage").click()
    expect(_topic(screen)).to_contain_text("미검수", timeout=1_000)
    expect(_topic(screen)).not_to_contain_text("판정")


def test_a_topic_never_promises_more_than_it_has(screen: Screen, ledger: Ledger) -> None:
    screen.visit()
    few = ledger.list_samples(SAMPLES.c.pool == "audit", SAMPLES.c.topic == "학술적 대화")
    expect(_topic(screen, "학술적 대화")).to_contain_text(f"0 / {len(few)}")
    expect(_topic(screen, "학술적 대화")).to_contain_text(f"남은 {len(few)}건을 모두 검수")


def test_figures_follow_a_decision_within_seconds(screen: Screen, ledger: Ledger) -> None:
    screen.visit()
    screen.page.wait_for_timeout(3_000)  # the figures that a new queue asks for have come
    topic = ledger.sample(screen.decide("KeyA")).topic
    expect(_topic(screen, topic)).to_contain_text("1 / ", timeout=6_000)
    expect(screen.page.locator("#pace")).to_contain_text("오늘 1건")


def test_a_rejected_edit_is_told_as_a_decision_until_it_is_taken_back(screen: Screen, ledger: Ledger) -> None:
    first = screen.visit()
    screen.press("KeyE")
    screen.field.fill(REJECTED)
    screen.press("Control+Enter")
    expect(screen.button("go-on")).to_be_visible(timeout=10_000)
    screen.press("Escape")
    told = screen.page.locator("#rejected")
    expect(told).to_contain_text("이대로 두면 이 대화는 다시 만듭니다")
    expect(told).to_be_in_viewport(ratio=1)
    expect(screen.message).to_be_hidden()
    screen.wait_for_card()
    screen.press("KeyU")
    screen.wait_until(lambda: len(ledger.list_events()) == 2 and screen.id == first)
    expect(told).to_be_hidden()


def test_who_used_up_the_cards_offline_reads_that_nothing_is_lost(screen: Screen, ledger: Ledger) -> None:
    screen.forgiven = (NETWORK,)
    screen.visit()
    screen.page.wait_for_load_state("networkidle")
    screen.page.context.set_offline(True)
    for _ in range(3):
        screen.decide("KeyA")
    screen.press("KeyA")
    expect(screen.page.locator("#empty")).to_contain_text("저장된 결정은 이 브라우저에 있습니다")
    screen.page.context.set_offline(False)
    assert len(screen.wait_for_log(ledger.list_events, 4)) == 4
    screen.wait_for_card()


def test_on_a_phone_the_queue_is_at_hand_and_the_dialogue_in_view(
    station: Station, open_screen: Callable[..., Screen]
) -> None:
    screen = open_screen(station, **PHONE)
    screen.visit()
    for each in (screen.button("mode-triage"), screen.page.locator("#queue > summary"), screen.button("accept")):
        expect(each).to_be_in_viewport(ratio=1)
    expect(screen.page.locator("#turns .bubble").first).to_be_in_viewport(ratio=1)
    expect(_topic(screen)).to_be_hidden()
    expect(screen.button("accept").locator("kbd")).to_be_hidden()
    screen.page.locator("#queue > summary").tap()
    _topic(screen).tap()
    expect(_topic(screen)).to_be_hidden()
    expect(screen.page.locator("#chosen")).to_have_text(TOPIC)
    screen.wait_for_card()
    assert screen.read("document.documentElement.scrollWidth") <= 390
