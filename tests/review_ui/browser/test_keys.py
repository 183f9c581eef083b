"""Keys, mouse and touch: one of them decides and moves on; where somebody types, or has yet to see, none does."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from curation.reviewing.tables import SAMPLES
from tests.review_ui.browser.screen import Screen
from tests.review_ui.browser.station import Ledger, Station

REASONS = ("persona", "fact", "unsafe", "speech-level", "duplicate", "broken")
HANGUL = {"KeyA": "ㅁ", "KeyF": "ㄹ", "KeyE": "ㄷ", "KeyU": "ㅕ"}
"""What the keys give in the two-set layout."""


def _tell(events: list[Any]) -> list[tuple[str, str, str | None]]:
    return [(each.id, each.kind, each.reason) for each in events]


def test_one_key_decides_and_moves_on(screen: Screen, ledger: Ledger) -> None:
    screen.visit()
    accepted = screen.decide("KeyA")
    put_off = screen.decide("ArrowRight")
    flagged = [(screen.decide("KeyF", f"Digit{number}"), reason) for number, reason in enumerate(REASONS, 1)]
    wanted = [(accepted, "accept", None), (put_off, "later", None), *((id_, "flag", why) for id_, why in flagged)]
    events = screen.wait_for_log(ledger.list_events, 8)
    assert _tell(events) == wanted
    assert {(each.mode, each.revision, each.source) for each in events} == {("audit", 1, "page")}
    assert all(250 <= each.looked_ms < 60_000 for each in events)


def test_a_flag_names_the_turn_that_was_picked_and_the_note(screen: Screen, ledger: Ledger) -> None:
    screen.visit()
    screen.press("ArrowDown", "ArrowDown", "KeyF")
    expect(screen.page.locator("#flag-turn")).to_have_text("2번")
    screen.page.locator("#note").fill("엑사답지 않은 말투 1")
    screen.press("Digit4")
    expect(screen.page.locator("#note")).to_have_value("엑사답지 않은 말투 14")
    flagged = screen.id
    screen.button("flag-as-speech-level").click()
    screen.wait_for_card(besides=flagged)
    event = screen.wait_for_log(ledger.list_events, 1)[0]
    assert (event.reason, event.turn, event.note) == ("speech-level", 1, "엑사답지 않은 말투 14")


def test_help_search_editor_and_flags_open_by_key_and_close_by_escape(screen: Screen, ledger: Ledger) -> None:
    first = screen.visit()
    for key, panel in (("Shift+Slash", "#help"), ("KeyF", "#flag")):
        screen.press(key)
        expect(screen.page.locator(panel)).to_be_visible()
        screen.press("KeyA", "Escape")
        expect(screen.page.locator(panel)).to_be_hidden()
    screen.press("KeyE")
    expect(screen.field).to_be_focused()
    screen.press("Escape")
    expect(screen.field).to_be_hidden()
    screen.press("Slash")
    expect(screen.message).to_contain_text("글 검색은 선별 검수에서")
    screen.button("mode-triage").click()
    screen.wait_for_card(besides=first)
    screen.press("Slash")
    expect(screen.page.locator("#text")).to_be_focused()
    expect(screen.page.locator("#text")).to_have_value("")
    assert ledger.list_events() == []


def test_back_looks_at_earlier_dialogues_and_forward_returns(screen: Screen, ledger: Ledger) -> None:
    screen.visit()
    seen = [screen.decide("KeyA"), screen.decide("KeyA"), screen.id]
    screen.press("ArrowLeft")
    screen.wait_until(lambda: screen.id == seen[1])
    screen.wait_for_card()
    screen.press("ArrowLeft")
    screen.wait_until(lambda: screen.id == seen[0])
    screen.wait_for_card()
    screen.press("ArrowLeft")
    expect(screen.message).to_contain_text("앞선 대화 없음")
    for id_ in seen[1:]:
        screen.press("ArrowRight")
        screen.wait_until(lambda id_=id_: screen.id == id_)  # type: ignore[misc]
        screen.wait_for_card()
    assert _tell(screen.wait_for_log(ledger.list_events, 2)) == [(id_, "accept", None) for id_ in seen[:2]]


@pytest.mark.parametrize(
    ("key", "verdicts"),
    [
        ("Digit1", ["accept", "duplicate"]),
        ("Digit2", ["duplicate", "accept"]),
        ("KeyA", ["accept", "accept"]),
        ("KeyD", ["duplicate", "duplicate"]),
    ],
)
def test_a_cluster_is_compared_side_by_side_and_decided_by_one_key(
    screen: Screen, ledger: Ledger, key: str, verdicts: list[str]
) -> None:
    keeper = ledger.list_samples(SAMPLES.c.cluster.is_not(None), SAMPLES.c.pool == "triage")[0]
    other = ledger.list_samples(SAMPLES.c.cluster == keeper.cluster, SAMPLES.c.pool == "none")[0]
    screen.visit(f"#mode=triage&sample={keeper.id}")
    assert screen.id == keeper.id
    screen.press("KeyG")
    expect(screen.page.locator("#compare")).to_be_visible()
    expect(screen.page.locator("#members > section")).to_have_count(2)
    assert screen.page.locator("#members :is(ins, del)").count() > 0
    screen.press(key)
    expect(screen.page.locator("#compare")).to_be_hidden()
    events = {each.id: each.reason or each.kind for each in screen.wait_for_log(ledger.list_events, 2)}
    assert [events[keeper.id], events[other.id]] == verdicts
    assert screen.id != keeper.id


@pytest.mark.parametrize("way", ["mouse", "touch"])
def test_mouse_and_touch_do_what_the_keys_do(
    station: Station, ledger: Ledger, open_screen: Callable[..., Screen], way: str
) -> None:
    phone = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    screen = open_screen(station, **(phone if way == "touch" else {}))

    def hit(*names: str) -> None:
        for name in names:
            button = screen.button(name)
            button.tap() if way == "touch" else button.click()

    def decide(*names: str) -> str:
        decided = screen.id
        hit(*names)
        screen.wait_for_card(besides=decided)
        return decided

    screen.visit()
    accepted, flagged, put_off = decide("accept"), decide("flag", "flag-as-fact"), decide("later")
    screen.page.locator("#turns .number").first.click()
    hit("edit")
    screen.field.fill("점심에 뭐 먹었는지 궁금해서 와 봤어.")
    edited = decide("save")
    hit("help", "close-help", "back")
    screen.wait_until(lambda: screen.id == edited)
    screen.wait_for_card()
    hit("undo")
    events = screen.wait_for_log(ledger.list_events, 5)
    wanted = [(accepted, "accept"), (flagged, "flag"), (put_off, "later"), (edited, "edit"), (edited, "undo")]
    assert [(each.id, each.kind) for each in events] == wanted


def test_keys_work_in_the_hangul_layout(screen: Screen, ledger: Ledger) -> None:
    first = screen.visit()
    devtools = screen.open_devtools()

    def press(code: str) -> None:
        for kind in ("keyDown", "keyUp"):
            devtools.send(
                "Input.dispatchKeyEvent",
                {"type": kind, "code": code, "key": HANGUL.get(code, code[-1]), "windowsVirtualKeyCode": ord(code[-1])},
            )

    press("KeyA")
    second = screen.wait_for_card(besides=first)
    press("KeyF")
    press("Digit3")
    screen.wait_for_card(besides=second)
    press("KeyU")
    screen.wait_until(lambda: screen.id == second)
    screen.wait_for_card()
    press("KeyE")
    expect(screen.field).to_be_focused()
    told = [(first, "accept", None), (second, "flag", "unsafe"), (second, "undo", None)]
    assert _tell(screen.wait_for_log(ledger.list_events, 3)) == told
