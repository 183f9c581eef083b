"""Audit and triage: the one hides what curation thought until one has decided, the other shows it; they never mix."""

import json
from typing import Any

import pytest
from playwright.sync_api import expect

from curation.reviewing.tables import CODES, SAMPLES
from tests.review_ui.browser.screen import Screen
from tests.review_ui.browser.station import Ledger, Station, load_turns

WITH_FINDING = SAMPLES.c.sample.in_(CODES.select().with_only_columns(CODES.c.sample))


def _list_cards(screen: Screen) -> list[dict[str, Any]]:
    """All cards that came over the network."""
    answers = [json.loads(each) for each in screen.told]
    return [card for answer in answers for card in answer.get("cards", [])]


def test_the_audit_hides_findings_until_ones_own_decision(screen: Screen, ledger: Ledger) -> None:
    wanted = ledger.list_samples(SAMPLES.c.pool == "audit", WITH_FINDING)[0]
    ledger.put_first(wanted.id)
    screen.visit()
    assert screen.id == wanted.id
    card = next(each for each in _list_cards(screen) if each["id"] == wanted.id)
    assert [card[name] for name in ("findings", "neighbours", "cluster", "verdict", "mine")] == [None] * 5
    assert card["why"]["code"] == "audit"
    expect(screen.page.locator("#findings")).to_have_text("표본 검수에서는 결정한 뒤에 보임")
    expect(screen.page.locator("#turns mark")).to_have_count(0)
    for part in ("#main", "#facts"):
        assert "이모지" not in screen.page.locator(part).inner_html()
    screen.decide("KeyA")
    screen.wait_for_log(ledger.list_events, 1)
    screen.press("ArrowLeft")
    screen.wait_until(lambda: screen.id == wanted.id)
    expect(screen.page.locator("#findings")).to_contain_text("이모지")
    assert screen.page.locator("#turns mark").count() > 0
    screen.wait_for_card()
    screen.press("KeyU")
    screen.wait_until(lambda: screen.id == wanted.id)
    screen.wait_for_log(ledger.list_events, 2)
    expect(screen.page.locator("#findings")).to_have_text("표본 검수에서는 결정한 뒤에 보임")
    expect(screen.page.locator("#turns mark")).to_have_count(0)


def test_the_audit_hides_the_cluster_until_ones_own_decision(screen: Screen, ledger: Ledger) -> None:
    keeper = ledger.list_samples(SAMPLES.c.pool == "audit", SAMPLES.c.cluster.is_not(None))[0]
    copy = ledger.list_samples(SAMPLES.c.cluster == keeper.cluster, SAMPLES.c.id != keeper.id)[0]
    ledger.put_first(keeper.id)
    screen.visit()
    assert screen.id == keeper.id
    expect(screen.page.locator("#near-part")).to_be_hidden()
    screen.press("KeyG")
    expect(screen.page.locator("#compare")).to_be_hidden()
    assert not any(f'"{copy.id}"' in told for told in screen.told)
    assert f'"{copy.id}"' not in screen.page.content()
    screen.decide("KeyA")
    screen.wait_for_log(ledger.list_events, 1)
    screen.press("ArrowLeft")
    screen.wait_until(lambda: screen.id == keeper.id)
    expect(screen.page.locator("#near")).to_contain_text("유사도")
    screen.wait_for_card()
    screen.press("KeyG")
    expect(screen.page.locator("#members > section")).to_have_count(2)
    expect(screen.page.locator("#choices")).to_be_hidden()  # only to look at: the audit decides one by one


def test_no_card_of_the_audit_says_more_than_the_dialogue(screen: Screen, ledger: Ledger) -> None:
    screen.visit()
    decided = {screen.decide("KeyA") for _ in range(6)}
    audited = {each.id for each in ledger.list_samples(SAMPLES.c.pool == "audit")}
    cards = _list_cards(screen)
    assert {each["id"] for each in cards} <= audited
    assert len(cards) > len(decided)
    for card in cards:
        assert (card["findings"], card["neighbours"], card["cluster"], card["state"]) == (None, None, None, "open")


def test_triage_shows_what_the_filters_saw_at_its_place(station: Station, screen: Screen, ledger: Ledger) -> None:
    emoji = ledger.list_samples(SAMPLES.c.pool == "triage", SAMPLES.c.why == "threshold")[0]
    screen.visit(f"#mode=triage&sample={emoji.id}")
    assert screen.id == emoji.id
    card = next(each for each in _list_cards(screen) if each["id"] == emoji.id)
    expect(screen.page.locator("#findings > li")).to_have_count(len(card["findings"]))
    for each in card["findings"]:
        expect(screen.page.locator("#findings")).to_contain_text(each["label"])
        expect(screen.page.locator("#findings")).to_contain_text(f"{each['score']:.3g} / ")
    turns = load_turns(station.folder, emoji)
    spans = [each for each in card["findings"] if each["start"] is not None and each["message"] is not None]
    for each in spans:
        marked = screen.page.locator("#turns > li").nth(each["message"]).locator("mark")
        assert "".join(marked.all_text_contents()) == turns[each["message"]].content[each["start"] : each["end"]]
    assert spans
    expect(screen.page.locator("#why")).not_to_have_text("")


def test_a_search_finds_words_of_two_syllables_and_leaves_the_audit_alone(screen: Screen, ledger: Ledger) -> None:
    first = screen.visit("#mode=triage")
    screen.press("Slash")
    screen.page.locator("#text").fill("점심")
    screen.press("Enter")
    screen.wait_for_card(besides=first)
    pools = {each.id: each.pool for each in ledger.list_samples()}
    for _ in range(2):
        expect(screen.page.locator("#turns")).to_contain_text("점심")
        assert pools[screen.id] == "triage"
        screen.page.locator("#title").click(force=True)
        screen.decide("KeyA")
    screen.page.locator("#text").fill("없는낱말이다")
    screen.press("Enter")
    expect(screen.page.locator("#empty")).to_have_text("찾는 말이 든 대화가 없습니다.")
    assert len(screen.wait_for_log(ledger.list_events, 2)) == 2


@pytest.mark.parametrize("way", ["click", "Enter"])
def test_a_finding_shows_the_turn_that_it_is_about(screen: Screen, way: str) -> None:
    screen.visit("#mode=triage&finding=unfinished")
    screen.page.set_viewport_size({"width": 1280, "height": 400})
    finding = screen.page.locator("#findings [data-act=turn]").first
    turn = screen.page.locator("#turns > li").nth(int(finding.get_attribute("data-arg") or -1))
    if way == "click":
        finding.click()
    else:
        finding.locator("button").press(way)
    expect(turn.locator(".number")).to_have_attribute("aria-pressed", "true")
    expect(turn).to_be_in_viewport()


def test_triage_is_filtered_by_finding_score_topic_and_model(screen: Screen, ledger: Ledger) -> None:
    screen.visit("#mode=triage")
    found = {
        each.sample
        for each in ledger.database.read(
            lambda connection: connection.execute(CODES.select().where(CODES.c.code == "unfinished")).all()
        )
    }
    for name, value, matches in (
        ("finding", "unfinished", lambda each: each.sample in found),
        ("model", "gpt-4o", lambda each: each.model == "gpt-4o"),
        ("why", "threshold", lambda each: each.why == "threshold"),
    ):
        age = len(screen.told)
        screen.page.locator(f"[name={name}]").select_option(value)
        screen.wait_until(lambda age=age: any('"cards"' in each for each in screen.told[age:]))  # type: ignore[misc]
        screen.wait_for_card()
        assert matches(ledger.sample(screen.id))
        assert f"{name}={value}" in screen.page.url
        screen.page.locator(f"[name={name}]").select_option("")
        screen.wait_for_card()
    screen.page.locator("[name=least]").fill("0.4")
    screen.press("Tab")
    screen.wait_for_card()
    screen.wait_until(lambda: (ledger.sample(screen.id).score or 0) >= 0.4)


def test_a_dialogue_of_one_mode_is_not_shown_in_the_other(station: Station, screen: Screen, ledger: Ledger) -> None:
    screen.forgiven = ("Failed to load resource",)
    audited, sorted_out = (ledger.list_samples(SAMPLES.c.pool == pool)[-1] for pool in ("audit", "triage"))
    for mode, sample in (("triage", audited), ("audit", sorted_out)):
        screen.page.goto("about:blank")
        screen.page.goto(f"{station.url}/#mode={mode}&sample={sample.id}")
        expect(screen.message).to_contain_text(sample.id)
        screen.wait_for_card()
        assert screen.id != sample.id
        assert sample.id not in {each["id"] for each in _list_cards(screen)}
