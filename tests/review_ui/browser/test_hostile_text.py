"""Whatever data says is text: nothing of it runs, links, hides, turns around or leaves its place."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from datagen.record import Message
from tests.review_ui.browser.dialogues import PERSONA, curate_dialogues, to_row
from tests.review_ui.browser.screen import Screen
from tests.review_ui.browser.station import Ledger, Station, load_turns

MARKUP = "<script>window.hit = 1</script><img src=x onerror='window.hit = 2'><svg onload=alert(3)><b>굵게</b>"
LINK = '<a href="javascript:window.hit=4">점심</a> [점심](javascript:window.hit=5) https://example.com/?a=1&b=2'
ENTITIES = (
    "&lt;script&gt; &amp; &quot; &#x27; &#60;b&#62; &nbsp; \\u003cscript\\u003e ${window.hit=6} {{7*7}} {% raw %}"
)
END_OF_SCRIPT = "</script><script>window.hit=7</script><!-- ]]> --></textarea><style>*{display:none}</style>"
TURNED = "가나\u202eABC\u202c다라 \u2066왼\u2069 \u061c \u200fمرحبا\u200e"
UNSEEN = "점\u200b심\u200d \ufeff메\u2060뉴\u00ad \u3164\u115f\u2800 태그\U000e0041\U000e0042 \ufff9주\ufffb"
LONG = "ㅋ" * 10_000 + "W" * 10_000
EMOJI = "👨\u200d👩\u200d👧\u200d👦 🏳️\u200d🌈 👍🏽 🇰🇷 1️⃣ é̴̡̘̣ Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A"
PLACEHOLDER = "{유저}야, {{user}} %s {0} $1 *{유저}의 손을 잡으며* **굵게** _기울임_ `코드`\n\n\n줄 바꿈\t탭"
TEXTS = (MARKUP, LINK, ENTITIES, END_OF_SCRIPT, TURNED, UNSEEN, LONG, EMOJI, PLACEHOLDER)
TOPIC = "<img src=x onerror=window.hit=8>\u202e주제 &lt;b&gt;"
LISTEN = """
  window.dialogs = 0;
  for (const name of ["alert", "confirm", "prompt", "open", "print"]) window[name] = () => { window.dialogs += 1; };
"""


def _list_rows() -> Iterator[dict[str, Any]]:
    for number, text in enumerate(TEXTS):
        turns = (
            Message("user", text),
            Message("assistant", f"*웃으며* {text}"),
            Message("user", "응"),
            Message("assistant", f"{text} 그래, 내일 보자."),
        )
        scenario = json.dumps({"situation": text[:500], "facets": {text[:100]: text[:500]}}, ensure_ascii=False)
        yield to_row(f"hostile-{number}", turns, TOPIC) | {"scenario": scenario, "model": f"모델 {text[:60]}"}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    persona = PERSONA.replace("name: 엑사", f"name: {json.dumps('<b onclick=window.hit=9>엑사')}")
    return curate_dialogues(tmp_path_factory.mktemp("hostile"), _list_rows(), persona)


@pytest.fixture
def folder(hostile: Path, tmp_path: Path) -> Path:
    return shutil.copytree(hostile.parent, tmp_path / "data") / hostile.name


@pytest.fixture
def screen(station: Station, open_screen: Callable[..., Screen]) -> Iterator[Screen]:
    """A window in which nothing may have run when the test is over."""
    opened = open_screen(station)
    opened.page.add_init_script(LISTEN)
    yield opened
    assert opened.read("window.hit") is None
    assert opened.read("window.dialogs") == 0
    assert (
        opened.read("document.querySelectorAll('#main img, #main svg, #main script, #facts img, #main a').length") == 0
    )


IDS = tuple(f"hostile-{number}" for number in range(len(TEXTS)))


def _show(screen: Screen, id_: str) -> None:
    """The filters dropped them all, so they are in triage."""
    screen.page.goto("about:blank")
    screen.visit(f"#mode=triage&sample={id_}")
    assert screen.id == id_


def test_every_character_that_data_has_is_on_the_screen_as_text(
    station: Station, screen: Screen, ledger: Ledger
) -> None:
    for id_ in IDS:
        _show(screen, id_)
        shown = screen.read(
            """[...document.querySelectorAll("#turns .bubble")].map((bubble) => {
              const copy = bubble.cloneNode(true);
              for (const each of copy.querySelectorAll(".unseen")) {
                each.replaceWith(String.fromCodePoint(parseInt(each.textContent.slice(2), 16)));
              }
              return copy.textContent; })"""
        )
        assert shown == [each.content for each in load_turns(station.folder, ledger.sample(id_))]
        tags = screen.read(
            "[...new Set([...document.querySelectorAll('#turns *')].map((each) => each.localName))].sort()"
        )
        assert set(tags) <= {"li", "div", "button", "em", "mark", "span"}


def test_what_cannot_be_seen_is_told_by_its_name(screen: Screen) -> None:
    _show(screen, "hostile-5")
    named = set(screen.page.locator("#turns .unseen").all_inner_texts())
    assert {"U+3164", "U+115F", "U+2800", "U+E0041", "U+FFF9"} <= named
    raw = screen.read("document.querySelector('#turns').textContent")
    assert not set(raw) & set("\u200b\u200e\u200f\u202e\u2066\u3164\u115f\u2800\ufeff\u2060")


def test_text_that_turns_around_stays_in_its_bubble(screen: Screen) -> None:
    _show(screen, "hostile-4")
    assert screen.read("getComputedStyle(document.querySelector('#turns .bubble')).unicodeBidi") == "isolate"
    raw = screen.page.locator("#main").inner_text() + screen.page.locator("#facts").inner_text()
    assert not set(raw) & set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u061c")


@pytest.mark.parametrize("width", [360, 1440])
def test_words_of_10_000_letters_do_not_widen_the_page(screen: Screen, width: int) -> None:
    screen.page.set_viewport_size({"width": width, "height": 740})
    for id_ in IDS:
        _show(screen, id_)
        assert screen.read("document.documentElement.scrollWidth") <= width
        for part in ("main", "#facts", ".side", ".top", ".bar"):
            assert (
                screen.read(f"((part) => part.scrollWidth - part.clientWidth)(document.querySelector('{part}'))") <= 1
            ), part


def test_what_a_reviewer_types_is_text_too(screen: Screen, ledger: Ledger) -> None:
    first = screen.visit("#mode=triage")
    screen.press("KeyE")
    for text in TEXTS:
        screen.field.fill(text)
        if text not in (LONG, UNSEEN, TURNED):
            assert screen.page.locator("#edit-diff :is(ins, del)").count() > 0
    screen.field.fill(MARKUP)
    expect(screen.page.locator("#edit-diff")).to_contain_text("<img src=x onerror=")
    screen.press("Escape")
    screen.wait_for_card()
    screen.press("KeyF")
    screen.page.locator("#note").fill(MARKUP)
    screen.button("flag-as-unsafe").click()
    screen.wait_for_card(besides=first)
    assert screen.wait_for_log(ledger.list_events, 1)[0].note == MARKUP
    screen.press("ArrowLeft")
    screen.wait_until(lambda: screen.id == first)
    expect(screen.page.locator("#log")).to_contain_text(MARKUP)
    for path in ("history", "dashboard"):
        screen.page.goto(f"{screen.url}/{path}")
        assert screen.read("window.hit") is None
    screen.visit("#mode=triage")


def test_every_answer_has_the_strict_policy(screen: Screen) -> None:
    seen: dict[str, str] = {}
    screen.page.on(
        "response", lambda answer: seen.update({answer.url: answer.headers.get("content-security-policy", "")})
    )
    screen.visit("#mode=triage")
    assert {each.rsplit("/", 1)[-1].partition("?")[0] for each in seen} >= {
        "",
        "app.js",
        "app.css",
        "claims",
        "dashboard",
    }
    for url, policy in seen.items():
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'"), url
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
    screen.read("document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.hit=10'}))")
    screen.read("document.body.insertAdjacentHTML('beforeend', '<i onclick=window.hit=11 id=trap></i>')")
    screen.read("document.getElementById('trap').click()")
    assert len(screen.read("violations")) == 2
    screen.read("violations.length = 0")
    screen.forgiven = ("Executing inline", "Refused to execute")
