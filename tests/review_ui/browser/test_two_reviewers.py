"""Several reviewers at one queue: never two at the same dialogue, unless it is a second look that knows nothing."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from curation.reviewing.tables import SAMPLES
from tests.review_ui.browser.screen import NETWORK, Screen
from tests.review_ui.browser.station import Ledger, Station, choose_options

Enter = Callable[[str], Screen]


@pytest.fixture
def share() -> float:
    """Of audited dialogues that get a second look."""
    return 0.0


@pytest.fixture
def station(folder: Path, open_station: Callable[..., Station], share: float) -> Station:
    """With accounts."""
    return open_station(folder, choose_options(folder, share), has_log_in=True)


@pytest.fixture
def enter(station: Station, open_screen: Callable[..., Screen]) -> Enter:
    """A new reviewer logs in, in a browser of their own."""

    def come(name: str) -> Screen:
        screen = open_screen(station)
        screen.log_in(name, station.add_reviewer(name))
        screen.wait_for_card()
        return screen

    return come


def test_two_reviewers_never_have_the_same_dialogue(enter: Enter, ledger: Ledger) -> None:
    one, other = enter("reviewer-a"), enter("reviewer-b")
    decided = []
    for _ in range(4):
        for each in (one, other):
            assert one.id != other.id
            decided.append((each.decide("KeyA"), "reviewer-a" if each is one else "reviewer-b"))
    events = one.wait_for_log(ledger.list_events, 8)
    assert sorted((each.id, each.reviewer) for each in events) == sorted(decided)
    assert len({id_ for id_, _ in decided}) == 8


def test_a_lease_is_visible_and_ends_when_its_holder_leaves(enter: Enter, ledger: Ledger, station: Station) -> None:
    one, other = enter("reviewer-a"), enter("reviewer-b")
    held = one.id
    expect(one.page.locator("#lease")).to_have_text(re.compile("^(9|10)분 남음$"))
    other.forgiven = (NETWORK,)  # 409
    other.page.goto(f"{station.url}/#mode=audit&sample={held}")
    expect(other.message).to_contain_text("reviewer-a")
    other.wait_for_card()
    assert other.id != held
    one.page.goto("about:blank")
    one.wait_until(lambda: ledger.list_samples(SAMPLES.c.holder == "reviewer-a", SAMPLES.c.held_until > 0) == [])
    other.page.reload()
    other.wait_until(lambda: other.id == held)


@pytest.mark.parametrize("share", [1.0])
def test_a_second_look_goes_to_another_reviewer_and_tells_nothing_and_a_third_decides(
    enter: Enter, ledger: Ledger
) -> None:
    one = enter("reviewer-a")
    one.press("KeyE")
    one.field.fill("점심에 뭐 먹을지 같이 고르자!")
    edited = one.decide("Control+Enter")
    one.press("KeyF")
    one.page.locator("#note").fill("엑사답지 않은 대화")
    one.page.keyboard.press("Enter")
    first = {each.id for each in one.wait_for_log(ledger.list_events, 2)}
    one.wait_until(lambda: one.id not in first)
    assert {each.state for each in map(ledger.sample, first)} == {"second"}
    assert edited in first

    other = _look_again(enter, "reviewer-b", first)
    told = "".join(other.told) + other.page.content()
    assert "reviewer-a" not in other.page.content()
    for secret in ("엑사답지 않은 대화", "점심에 뭐 먹을지 같이 고르자!"):
        assert secret not in told
    for _ in first:
        expect(other.page.locator("#why")).to_contain_text("표본 검수")
        expect(other.page.locator("#main")).to_have_attribute("data-revision", "1")
        expect(other.page.locator("#log-part")).to_be_hidden()
        other.decide("KeyA")
    other.wait_for_log(ledger.list_events, 4)
    assert {(each.state, each.verdict) for each in map(ledger.sample, first)} == {("third", "edit"), ("third", "flag")}
    assert other.id not in first

    third = _look_again(enter, "reviewer-c", first)
    for _ in first:
        third.decide("KeyA")
    third.wait_for_log(ledger.list_events, 6)
    assert {(each.state, each.verdict) for each in map(ledger.sample, first)} == {("done", "accept")}


def _look_again(enter: Enter, name: str, wanted: set[str]) -> Screen:
    """Somebody comes whose first cards have to be those."""
    screen = enter(name)
    assert screen.id in wanted
    return screen
