"""When keys do nothing: somebody types or composes, holds a key down, means another shortcut, or has yet to see."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import CDPSession, expect

from tests.review_ui.browser.screen import Screen
from tests.review_ui.browser.station import Ledger, Station, load_turns

DECIDING = ("KeyA", "KeyF", "KeyE", "KeyU", "ArrowRight", "ArrowLeft", "KeyG", "Digit1")
PRESS_AS_SOON_AS_IT_IS_DRAWN = """
  window.early = [];
  new MutationObserver(() => {
    const drawn = document.getElementById("main").dataset.id;
    if (!drawn || early.some(([id]) => id === drawn)) return;
    for (const [code, key] of [["KeyA", "a"], ["KeyF", "f"], ["ArrowRight", "ArrowRight"], ["KeyE", "e"]]) {
      document.body.dispatchEvent(new KeyboardEvent("keydown", { code, key, bubbles: true, cancelable: true }));
    }
    for (const name of ["accept", "later"]) document.querySelector(`[data-testid=${name}]`).click();
    early.push([drawn, document.getElementById("main").dataset.id, document.querySelector("dialog[open]") === null]);
  }).observe(document.getElementById("main"), { attributes: true, attributeFilter: ["data-id"] });
"""
"""Real keys could come late on a busy machine, so the page presses them itself, in the very moment."""


@pytest.fixture
def untouched(screen: Screen, ledger: Ledger) -> Iterator[Screen]:
    """A window in which, after the test, still nothing was decided and the first card lies."""
    first = screen.visit()
    yield screen
    screen.page.wait_for_timeout(150)
    assert screen.id == first
    assert screen.read("Object.keys(localStorage).filter((name) => name.includes(':out:'))") == []
    assert ledger.list_events() == []


def _compose(devtools: CDPSession, text: str) -> None:
    """What an input method does: a syllable that is not yet sure, and the key that made it."""
    key = {"type": "rawKeyDown", "code": "KeyA", "key": "Process", "windowsVirtualKeyCode": 229}
    devtools.send("Input.dispatchKeyEvent", key)
    devtools.send("Input.imeSetComposition", {"text": text, "selectionStart": len(text), "selectionEnd": len(text)})


def test_letters_in_the_note_are_letters(untouched: Screen) -> None:
    untouched.press("KeyF")
    note = untouched.page.locator("#note")
    note.focus()
    for key in ("a", "f", "e", "u", "g", "1", "?", "/", "ArrowLeft", "ArrowRight"):
        untouched.press(key)
    expect(note).to_have_value("afeug1?/")
    expect(untouched.page.locator("#flag")).to_be_visible()
    untouched.press("Escape")


def test_letters_in_the_editor_are_letters(untouched: Screen) -> None:
    untouched.press("KeyE")
    untouched.field.fill("")
    for key in ("a", "f", "e", "u", "g", "1", "?", "/", "ArrowRight", "Enter", "b"):
        untouched.press(key)
    expect(untouched.field).to_have_value("afeug1?/\nb")
    untouched.press("Escape")


def test_letters_in_the_search_are_letters(screen: Screen, ledger: Ledger) -> None:
    first = screen.visit("#mode=triage")
    screen.press("Slash")
    for key in ("a", "f", "e", "u", "?", "/", "ArrowLeft"):
        screen.press(key)
    expect(screen.page.locator("#text")).to_have_value("afeu?/")
    assert screen.id == first
    assert ledger.list_events() == []


def test_composing_a_syllable_decides_nothing(untouched: Screen) -> None:
    devtools = untouched.open_devtools()
    _compose(devtools, "ㅁ")
    for code in ("KeyA", "ArrowRight"):
        key = {"type": "rawKeyDown", "code": code, "key": "Process", "windowsVirtualKeyCode": 229}
        devtools.send("Input.dispatchKeyEvent", key)
    untouched.read(
        """for (const code of ["KeyA", "ArrowRight", "KeyF"]) document.body.dispatchEvent(
        new KeyboardEvent("keydown", { code, key: "ㅁ", isComposing: true, bubbles: true }))"""
    )
    untouched.press("KeyF")
    untouched.page.locator("#note").focus()
    _compose(devtools, "저")
    enter = {"type": "rawKeyDown", "code": "Enter", "key": "Enter", "windowsVirtualKeyCode": 229}
    devtools.send("Input.dispatchKeyEvent", enter)
    expect(untouched.page.locator("#flag")).to_be_visible()
    devtools.send("Input.insertText", {"text": "점"})
    expect(untouched.page.locator("#note")).to_have_value("점")
    untouched.press("Escape")


@pytest.mark.parametrize("modifier", ["Control", "Alt", "Meta"])
def test_shortcuts_of_the_browser_stay_its_own(untouched: Screen, modifier: str) -> None:
    untouched.read("addEventListener('keydown', (event) => event.preventDefault())")  # the browser's part is not tested
    for code in DECIDING:
        untouched.press(f"{modifier}+{code}")
    expect(untouched.page.locator("dialog[open]")).to_have_count(0)
    expect(untouched.field).to_be_hidden()


def test_a_key_that_is_held_down_decides_once(screen: Screen, ledger: Ledger) -> None:
    first = screen.visit()
    screen.page.keyboard.down("KeyA")
    screen.wait_for_card(besides=first)
    for _ in range(10):
        screen.page.keyboard.down("KeyA")  # playwright: down without up repeats
        screen.page.wait_for_timeout(60)
    screen.page.keyboard.up("KeyA")
    assert [each.id for each in screen.wait_for_log(ledger.list_events, 1)] == [first]
    second = screen.decide("KeyA")
    assert [each.id for each in screen.wait_for_log(ledger.list_events, 2)] == [first, second]


def test_nothing_decides_in_the_first_250_ms_and_everything_after(screen: Screen, ledger: Ledger) -> None:
    screen.visit()
    screen.read(PRESS_AS_SOON_AS_IT_IS_DRAWN)
    decided = [screen.decide("KeyA"), screen.decide("KeyF", "Digit2"), screen.decide("ArrowRight")]
    early = screen.read("early")
    assert len(early) == 3
    assert all(drawn == after and is_closed for drawn, after, is_closed in early)
    expect(screen.field).to_be_hidden()
    assert [each.id for each in screen.wait_for_log(ledger.list_events, 3)] == decided


@pytest.mark.parametrize("delay_s", [0.0, 0.06])
def test_of_20_presses_60_ms_apart_none_decides_blindly_and_none_is_lost(
    station: Station, ledger: Ledger, open_screen: Callable[..., Screen], delay_s: float
) -> None:
    station.delay_s = delay_s
    screen = open_screen(station)
    screen.visit()
    for _ in range(20):
        screen.press("KeyA")
        screen.page.wait_for_timeout(60)
    screen.expect_saved()
    events = screen.wait_for_log(ledger.list_events, 2)
    texts = {each["id"]: each["text"] for each in screen.read("shown") if each["id"]}
    # for how long each card had been seen when it was last pressed upon
    seen_ms = {each["id"]: each["at"] - each["since"] for each in screen.read("presses") if each["id"]}
    decided = [each.id for each in events]
    assert len(decided) == len(set(decided)) >= 3
    assert {id_ for id_, ms in seen_ms.items() if ms > 260} <= set(decided)
    # the script marks a card as drawn a moment before anything else can see it
    assert all(seen_ms[id_] > 235 for id_ in decided)
    for id_ in decided:
        assert texts[id_] == load_turns(station.folder, ledger.sample(id_))[0].content
