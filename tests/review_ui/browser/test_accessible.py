"""For everybody: no axe violation in any state, all by keyboard, buttons that never move, changes that are told."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from curation.reviewing.tables import SAMPLES
from tests.review_ui.axe import SyncAxe
from tests.review_ui.browser.dialogues import REJECTED
from tests.review_ui.browser.screen import NETWORK, Screen
from tests.review_ui.browser.station import Ledger, Station

LOOKS: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True},
}
REACHABLE = """() => [...document.querySelectorAll("a[href], button, input, select, textarea, [tabindex='0']")]
  .filter((each) => !each.disabled && each.tabIndex >= 0 && each.checkVisibility())
  .map((each) => each.dataset.testid || each.id || each.name || each.textContent.trim().slice(0, 30))"""
FOCUSED = """() => { const each = document.activeElement;
  return each.dataset.testid || each.id || each.name || each.textContent.trim().slice(0, 30); }"""
BOXES = """() => [...document.querySelectorAll(".bar button:not(.hidden)")].map((each) => {
  const box = each.getBoundingClientRect(); return [each.dataset.testid, box.x, box.y, box.width, box.height]; })"""


def _list_violations(screen: Screen) -> list[str]:
    found = SyncAxe().run(screen.page).response["violations"]
    return [f"{each['id']}: {node['html'][:160]}" for each in found for node in each["nodes"]]


@pytest.mark.parametrize("look", LOOKS)
def test_no_state_of_the_page_has_an_axe_violation(
    station: Station, ledger: Ledger, open_screen: Callable[..., Screen], look: str
) -> None:
    screen = open_screen(station, **LOOKS[look])
    screen.forgiven = (NETWORK,)
    seen: dict[str, list[str]] = {}
    keeper = ledger.list_samples(SAMPLES.c.cluster.is_not(None), SAMPLES.c.pool == "triage")[0]
    for mode in ("audit", "triage"):
        screen.page.goto("about:blank")
        screen.visit(f"#mode={mode}" + (f"&sample={keeper.id}" if mode == "triage" else ""))
        seen[mode] = _list_violations(screen)
    for state, key in (("flag", "KeyF"), ("compare", "KeyG"), ("help", "Shift+Slash")):
        screen.press(key)
        expect(screen.page.locator(f"#{state}")).to_be_visible()
        seen[state] = _list_violations(screen)
        screen.press("Escape")
    screen.press("KeyE")
    screen.field.fill(REJECTED)
    expect(screen.page.locator("#edit-findings")).to_contain_text("AI 말버릇")
    seen["editor"] = _list_violations(screen)
    screen.press("Escape")
    screen.wait_for_card()
    screen.page.context.set_offline(True)
    screen.decide("KeyA")
    screen.expect_saved("away")
    seen["offline"] = _list_violations(screen)
    screen.page.context.set_offline(False)
    screen.wait_for_log(ledger.list_events, 1)
    screen.page.goto("about:blank")
    screen.page.goto(f"{station.url}/#mode=triage&text=없는낱말")
    expect(screen.page.locator("#empty")).to_contain_text("찾는 말이 든 대화가 없습니다")
    seen["empty"] = _list_violations(screen)
    assert {state: found for state, found in seen.items() if found} == {}


@pytest.mark.parametrize("look", ["light", "phone"])
def test_no_button_moves_from_card_to_card(
    station: Station, ledger: Ledger, open_screen: Callable[..., Screen], look: str
) -> None:
    screen = open_screen(station, **LOOKS[look])
    screen.visit()
    boxes = [screen.read(BOXES)]
    for keys in (("KeyA",), ("KeyF", "Digit4"), ("ArrowRight",), ("KeyA",)):
        screen.decide(*keys)
        boxes.append(screen.read(BOXES))
    screen.page.locator("#turns .number").first.click()
    boxes.append(screen.read(BOXES))
    screen.press("KeyE")
    boxes.append(screen.read(BOXES))
    assert len(boxes[0]) == 7
    for each in boxes[1:]:
        assert each == boxes[0]
    assert len(screen.wait_for_log(ledger.list_events, 4)) == 4


def test_everything_is_reached_by_the_keyboard_alone(screen: Screen, ledger: Ledger) -> None:
    screen.visit("#mode=triage")
    wanted = set(screen.read(REACHABLE))
    assert {"accept", "flag", "edit", "later", "undo", "back", "help", "mode-audit", "text", "why"} <= wanted
    reached = set()
    for _ in range(3 * len(wanted)):
        screen.press("Tab")
        reached.add(screen.read(FOCUSED))
    assert wanted - reached == set()
    decided = screen.id
    screen.button("accept").focus()
    screen.press("Enter")
    screen.wait_for_card(besides=decided)
    assert [each.id for each in screen.wait_for_log(ledger.list_events, 1)] == [decided]


def test_panels_take_the_focus_and_give_it_back(screen: Screen) -> None:
    screen.visit()
    screen.button("help").focus()
    screen.press("Enter")
    assert screen.read("document.activeElement.closest('dialog')?.id") == "help"
    screen.press("Escape")
    expect(screen.button("help")).to_be_focused()


@pytest.mark.parametrize(("language", "accept"), [("ko", "승인"), ("en", "Accept")])
def test_the_page_speaks_one_language_and_says_which(screen: Screen, language: str, accept: str) -> None:
    screen.visit(f"?language={language}")
    assert screen.read("document.documentElement.lang") == language
    expect(screen.button("accept")).to_contain_text(accept)
    assert screen.page.locator("main").inner_text()


def test_what_changes_is_told_to_who_cannot_see_it(screen: Screen) -> None:
    screen.visit()
    for place in ("#saved", "#message", "#empty"):
        live = screen.page.locator(place)
        assert live.get_attribute("role") == "status" or live.get_attribute("aria-live") == "polite"
    screen.press("KeyU")
    expect(screen.page.get_by_role("status").filter(has_text="되돌릴 결정 없음")).to_be_visible()


def test_dark_is_dark_and_no_word_is_broken_in_two(station: Station, open_screen: Callable[..., Screen]) -> None:
    shades = {}
    for look in ("light", "dark"):
        screen = open_screen(station, **LOOKS[look])
        screen.visit()
        shades[look] = screen.read("getComputedStyle(document.body).backgroundColor")
        assert screen.read("getComputedStyle(document.querySelector('.bubble')).wordBreak") == "keep-all"
    assert shades["light"] == "rgb(245, 247, 250)"
    assert shades["dark"] == "rgb(18, 21, 26)"
