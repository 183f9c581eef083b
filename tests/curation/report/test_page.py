"""The page: whole, in both languages, from nothing but report.json, and deaf to whatever the data says."""

import json
import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise
from string import Formatter

import pytest

from curation.report.build import build_report
from curation.report.document import Report
from curation.report.input import ReportInput
from curation.report.page import render_report
from curation.report.words import WORDS
from datagen.record import Dialogue

VOID = {"meta", "link", "br", "img", "input", "circle", "path", "hr"}


class Page(HTMLParser):
    """A parsed page: its elements with attributes, its scripts, its headings, and whether every tag is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] == ["script"]:
            self.scripts[-1] += data
        else:
            self.text += data

    def list_elements(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def report(small: ReportInput) -> Report:
    return build_report(small)


def test_the_page_is_made_of_the_stored_json_alone(report: Report) -> None:
    stored = json.loads(json.dumps(report, allow_nan=False))
    assert stored == report
    assert render_report(stored) == render_report(report)


def test_the_page_parses_and_its_headings_are_in_order(report: Report) -> None:
    page = Page(render_report(report))
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(following <= level + 1 for level, following in pairwise(levels))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for link in page.list_elements("a"):
        assert (link["href"] or "#")[1:] in ids
    for _, attributes in page.elements:
        assert set((attributes.get("aria-labelledby") or ids[0] or "").split()) <= set(ids)


def test_the_numbers_can_be_read_without_a_script(report: Report) -> None:
    text = Page(render_report(report)).text
    for number in ("50.0%", "$0.0225", "0.31", "일상 대화", "저는 AI 언어 모델이라", "11,000"):
        assert number in text


def test_nothing_is_fetched_from_anywhere(report: Report) -> None:
    page = Page(render_report(report))
    assert not [attributes for _, attributes in page.elements if attributes.keys() & {"src", "srcset", "data"}]
    assert not page.list_elements("link")
    ours = "".join(script for script in page.scripts if len(script) < 1_000_000) + page.text
    assert not re.search(r"https?:|//\w|url\(|@import|fetch\(|XMLHttpRequest", ours.replace("http-equiv", ""))


def test_the_policy_allows_our_scripts_and_nothing_else(report: Report) -> None:
    page = Page(render_report(report))
    (policy,) = [each["content"] or "" for each in page.list_elements("meta") if "http-equiv" in each]
    figures, *running = page.scripts
    json.loads(figures)
    hashes = [f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in running]
    assert re.findall(r"'sha256-[^']+'", policy) == hashes
    assert policy.startswith("default-src 'none';")
    assert "unsafe-inline" not in policy.partition("style-src")[0]


def test_both_languages_say_the_same_things(report: Report) -> None:
    for key, (korean, english) in WORDS.items():
        assert korean.strip(), key
        assert english.strip(), key
        fields = [{name for _, name, _, _ in Formatter().parse(each) if name} for each in (korean, english)]
        assert fields[0] == fields[1], key
        if not key.startswith("code:"):
            assert not re.search("[가-힣]", english), key
    spans = Page(render_report(report)).list_elements("span")
    languages = [(each.get("class"), each.get("lang")) for each in spans if each.get("class") in ("ko", "en")]
    assert languages.count(("ko", "ko")) == languages.count(("en", "en")) == len(languages) / 2


EVIL = '</script><img src=x onerror="alert(1)"><script>alert(2)</script>{{ 7*7 }}<b onmouseover=alert(3)>*<i>*'


def test_text_of_the_data_is_only_ever_text(
    make_input: Callable[..., ReportInput],
    make_dialogue: Callable[..., Dialogue],
    decide: Callable[..., object],
    find: Callable[..., object],
) -> None:
    ids = ["x<b>", "y'\"", "z&amp;"]
    dialogues = [
        make_dialogue(id_, EVIL, EVIL, EVIL, EVIL, EVIL, scenario=json.dumps({"opening": EVIL})) for id_ in ids
    ]
    x, y, z = dialogues
    decisions = [
        decide(x, split=EVIL, persona=EVIL, provider=EVIL, model=EVIL, category=EVIL),
        decide(y, "duplicate", reason=EVIL, keeper=x.id, similarity=0.9),
        decide(z, "dropped", reason="unsafe"),
    ]
    findings = [find(z.id, EVIL, EVIL, message=1, start=2, end=9, evidence=EVIL)]
    data = make_input(
        dialogues, decisions, findings, dataset=EVIL, source=EVIL, settings_text=EVIL, versions={EVIL: EVIL}
    )
    data = replace(data, judge={EVIL: EVIL}, rejected={EVIL: {EVIL: 1}}, leakage={**data.leakage, "pair": (EVIL, EVIL)})
    data.bands["pairs"] = [{"left": x.id, "right": y.id, "similarity": 0.5}]
    html = render_report(build_report(data))
    page = Page(html)
    assert len(page.scripts) == 3
    assert not page.list_elements("img")
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert EVIL in page.text
    assert "49<b" not in html
    charts = json.loads(page.scripts[0])["charts"]
    assert "<img" not in json.dumps(charts)  # plotly, too, reads tags


def test_simulated_rows_are_announced_first(small: ReportInput) -> None:
    providers = ["damhwa-simulator"] * small.decisions.num_rows
    at = small.decisions.schema.get_field_index("provider")
    report = build_report(replace(small, decisions=small.decisions.set_column(at, "provider", [providers])))
    html = render_report(report)
    assert report["simulated"] == 4
    assert html.index('class="banner"') < html.index("<h1>")


def test_a_failed_leak_check_and_a_huge_cluster_are_told_loudly(small: ReportInput) -> None:
    leak = {"highest": 0.61, "threshold": 0.4, "pair": ("a1", "a3"), "compared": 12}
    text = Page(render_report(build_report(replace(small, leakage=leak)))).text  # type: ignore[arg-type]
    assert "이대로 나누어 쓰면 안 됩니다" in text
    assert "한 묶음에 대화 2건(25.0%)" in text


def test_an_empty_folder_has_a_page(make_input: Callable[..., ReportInput]) -> None:
    page = Page(render_report(build_report(make_input([], [], []))))
    assert "대화 0건" in page.text


def test_odd_rows_have_a_page(
    make_input: Callable[..., ReportInput], make_dialogue: Callable[..., Dialogue], decide: Callable[..., object]
) -> None:
    empty = make_dialogue("e", "")
    huge = make_dialogue("h", "주제" * 500, "가" * 1_000_000, "나")
    long = make_dialogue("l", "\ud55c\u200b\n<", *["응", "그래"] * 5_000)
    decisions = [
        decide(empty, topic="", category="", persona="", provider="", model="", cost_usd=None),
        decide(huge, "dropped", reason=None, turns=0, characters=0),
        decide(long, "set-aside", reason="split-tie", keeper="h", similarity=0.45),
    ]
    html = render_report(build_report(make_input([empty, huge, long], decisions, [])))
    Page(html)
    assert len(html) < 5_600_000
