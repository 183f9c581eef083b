"""Editing a turn: the text that was typed is never lost, the filters look again, and the original stays."""

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.review_ui.browser.dialogues import REJECTED
from tests.review_ui.browser.screen import NETWORK, Screen
from tests.review_ui.browser.station import Ledger, Station, load_turns

BETTER = "*환하게 웃으며* 그래, 점심은 내가 골라 볼게!"


def _last_turn(station: Station, ledger: Ledger, id_: str) -> tuple[int, str]:
    turns = load_turns(station.folder, ledger.sample(id_))
    return len(turns) - 1, turns[-1].content


def test_an_edit_is_a_new_revision_and_the_original_is_kept(station: Station, screen: Screen, ledger: Ledger) -> None:
    first = screen.visit()
    turn, before = _last_turn(station, ledger, first)
    screen.press("KeyE")
    expect(screen.field).to_be_focused()
    expect(screen.field).to_have_value(before)
    screen.field.fill(BETTER)
    screen.press("Control+Enter")
    screen.wait_for_card(besides=first)
    event = screen.wait_for_log(ledger.list_events, 1)[0]
    edited = [each["content"] for each in json.loads(event.messages)]
    assert (event.id, event.kind, event.turn, event.revision, event.made_revision) == (first, "edit", turn, 1, 2)
    assert edited == [*[each.content for each in load_turns(station.folder, ledger.sample(first))][:-1], BETTER]
    sample = ledger.sample(first)
    assert (sample.revision, sample.verdict) == (2, "edit")
    assert _last_turn(station, ledger, first)[1] == before
    screen.press("ArrowLeft")
    screen.wait_until(lambda: screen.id == first)
    expect(screen.page.locator("#main")).to_have_attribute("data-revision", "2")
    expect(screen.page.locator("#turns .bubble").last).to_have_text(BETTER)
    expect(screen.page.locator("#which")).to_contain_text("고친 글 2판")
    assert screen.page.locator("#log del").count() > 0


def test_the_diff_follows_every_key(station: Station, screen: Screen, ledger: Ledger) -> None:
    _, before = _last_turn(station, ledger, screen.visit())
    diff = screen.page.locator("#edit-diff")
    screen.press("KeyE")
    expect(diff).to_have_text(before)
    expect(diff.locator("ins, del")).to_have_count(0)
    screen.press("End")
    screen.page.keyboard.insert_text(" 점심")
    expect(diff.locator("ins").last).to_contain_text("점심")
    for _ in range(3):
        screen.press("Backspace")
    expect(diff.locator("ins, del")).to_have_count(0)


def test_the_turn_that_was_picked_is_edited_and_then_the_next(screen: Screen, ledger: Ledger) -> None:
    first = screen.visit()
    screen.page.locator("#turns .bubble").nth(1).click()
    expect(screen.button("edit")).to_contain_text("2번 고치기")
    screen.press("KeyE")
    screen.field.fill("*손을 흔들며* 어서 와, 기다렸어!")
    screen.press("Control+Shift+Enter")
    expect(screen.page.locator("#turns .bubble").nth(1)).to_contain_text("어서 와, 기다렸어!")
    screen.field.fill(BETTER)
    screen.press("Control+Enter")
    screen.wait_for_card(besides=first)
    (event,) = screen.wait_for_log(ledger.list_events, 1)
    edited = [each["content"] for each in json.loads(event.messages)]
    assert (edited[1], edited[3]) == ("*손을 흔들며* 어서 와, 기다렸어!", BETTER)


def test_what_the_filters_object_to_is_shown_while_typing_and_stays_when_saved(screen: Screen, ledger: Ledger) -> None:
    first = screen.visit()
    screen.press("KeyE")
    screen.field.fill(REJECTED)
    findings = screen.page.locator("#edit-findings")
    expect(findings).to_contain_text("AI 말버릇")
    assert ledger.list_events() == []
    screen.press("Control+Enter")
    told = screen.page.locator("#edit-told")
    expect(told).to_contain_text("이대로 두면 이 대화는 다시 만듭니다")
    for each in (told, screen.button("save"), screen.button("go-on")):
        expect(each).to_be_in_viewport(ratio=1)
    expect(screen.message).to_be_hidden()
    expect(screen.field).to_have_value(REJECTED)
    expect(screen.field).to_be_focused()
    expect(findings).to_contain_text("AI 말버릇")
    assert (screen.id, ledger.sample(first).verdict, ledger.sample(first).revision) == (first, "flag", 1)
    screen.field.fill(BETTER)
    screen.press("Control+Enter")
    screen.wait_for_card(besides=first)
    events = screen.wait_for_log(ledger.list_events, 2)
    assert [(each.kind, each.reason) for each in events] == [("edit", "edit-rejected"), ("edit", None)]
    assert ledger.sample(first).verdict == "edit"
    assert json.loads(events[1].messages)[-1]["content"] == BETTER


@pytest.mark.parametrize("is_left", [False, True])
def test_an_unsaved_edit_survives_a_reload(screen: Screen, ledger: Ledger, is_left: bool) -> None:
    first = screen.visit()
    screen.press("KeyE")
    screen.field.fill("점심은 아직이야")
    if is_left:
        screen.press("Escape")
        expect(screen.field).to_be_hidden()
    screen.page.reload()
    screen.wait_until(lambda: screen.id == first)
    if is_left:
        screen.wait_for_card()
        screen.press("KeyE")
    expect(screen.field).to_be_focused()
    expect(screen.field).to_have_value("점심은 아직이야")
    screen.press("Control+Enter")
    screen.wait_for_card(besides=first)
    (event,) = screen.wait_for_log(ledger.list_events, 1)
    assert json.loads(event.messages)[-1]["content"] == "점심은 아직이야"
    screen.page.reload()
    screen.wait_for_card()
    expect(screen.field).to_be_hidden()


def test_an_edit_of_a_text_that_was_changed_meanwhile_is_refused_and_kept(screen: Screen, ledger: Ledger) -> None:
    screen.forgiven = (NETWORK,)
    first = screen.visit()
    screen.press("KeyE")
    screen.field.fill("내가 고친 점심 이야기")
    theirs = json.dumps([{"role": "user", "content": "점심?"}, {"role": "assistant", "content": "먹었지!"}])
    assert ledger.decide(first, "검수자 2", "edit", messages=theirs, turn=1).revision == 2
    screen.press("Control+Enter")
    refusals = screen.page.locator("#refusals")
    expect(refusals).to_have_text("거절 1건")
    assert [each.reviewer for each in ledger.list_events()] == ["검수자 2"]
    refusals.click()
    expect(screen.page.locator("#refused-list")).to_contain_text("그사이 글이 바뀌었습니다")
    expect(screen.page.locator("#refused-list")).to_contain_text("내가 고친 점심 이야기")
    screen.page.locator("#refused-list").get_by_role("button", name="열기").click()
    screen.wait_until(lambda: screen.id == first)
    expect(screen.page.locator("#turns .bubble").last).to_have_text("먹었지!")


def test_control_and_enter_save_only_once_the_last_syllable_is_sure(screen: Screen, ledger: Ledger) -> None:
    first = screen.visit()
    screen.press("KeyE")
    screen.field.fill("오늘은 점")
    devtools = screen.open_devtools()
    devtools.send("Input.imeSetComposition", {"text": "시", "selectionStart": 1, "selectionEnd": 1})
    enter = {"type": "rawKeyDown", "code": "Enter", "key": "Enter", "windowsVirtualKeyCode": 229, "modifiers": 2}
    devtools.send("Input.dispatchKeyEvent", enter)
    screen.page.wait_for_timeout(150)
    assert (screen.id, ledger.list_events()) == (first, [])
    devtools.send("Input.insertText", {"text": "심"})
    screen.press("Control+Enter")
    screen.wait_for_card(besides=first)
    (event,) = screen.wait_for_log(ledger.list_events, 1)
    assert json.loads(event.messages)[-1]["content"] == "오늘은 점심"


def test_an_edit_that_changes_nothing_says_so(screen: Screen, ledger: Ledger) -> None:
    first = screen.visit()
    screen.press("KeyE", "Control+Enter")
    expect(screen.message).to_contain_text("바뀐 것 없음")
    assert (screen.id, ledger.list_events()) == (first, [])


def test_an_edit_made_offline_is_sent_later_and_moves_on(
    station: Station, ledger: Ledger, open_screen: Callable[..., Screen]
) -> None:
    screen = open_screen(station)
    screen.forgiven = (NETWORK,)
    first = screen.visit()
    screen.page.context.set_offline(True)
    screen.press("KeyE")
    screen.field.fill(BETTER)
    screen.press("Control+Enter")
    screen.wait_for_card(besides=first)
    screen.expect_saved("away", "오프라인 · 대기 1건")
    screen.page.context.set_offline(False)
    (event,) = screen.wait_for_log(ledger.list_events, 1)
    assert (event.id, json.loads(event.messages)[-1]["content"]) == (first, BETTER)
