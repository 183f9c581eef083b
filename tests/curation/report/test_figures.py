"""Figures against values worked out by hand."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from curation.report import figures
from curation.report.build import build_report
from curation.report.input import ReportInput


def test_topics_tell_what_became_of_their_dialogues(small: ReportInput) -> None:
    daily, missing = figures.tell_topics(small)
    assert (daily["topic"], daily["quota"], daily["dialogues"]) == ("일상 대화", 3, 5)
    assert daily["counts"] == {
        "accepted": 3,
        "reserve": 0,
        "waiting": 0,
        "dropped": 1,
        "duplicate": 1,
        "set_aside": 0,
    }
    assert daily["spending"]["passed"] == round(3 / 7, 4)
    assert daily["spending"]["cost_per_accepted_usd"] == 0.02
    assert missing["counts"]["reserve"] == 1
    assert missing["spending"]["passed"] == round(2 / 3, 4)  # the reserve passed every check too


def test_the_headline_adds_up(small: ReportInput) -> None:
    headline = figures.tell_headline(small, figures.tell_topics(small))
    assert (headline["dialogues"], headline["quota"]) == (8, 5)
    assert (headline["topics"], headline["topics_met"]) == (2, 1)
    assert headline["counts"]["accepted"] == 4
    assert headline["spending"] == {
        "drafts": 10,
        "tokens": 11_000,
        "cost_usd": 0.09,
        "cost_per_accepted_usd": 0.0225,
        "passed": 0.5,
    }


def test_one_unknown_price_leaves_the_whole_cost_unknown(small: ReportInput) -> None:
    drafts = {**small.drafts, "일상 대화": {"drafts": 7, "cost_usd": None, "tokens": 7_700}}
    data = replace(small, drafts=drafts)
    topics = figures.tell_topics(data)
    assert topics[0]["spending"]["cost_usd"] is None
    assert topics[1]["spending"]["cost_usd"] == 0.03
    assert figures.tell_headline(data, topics)["spending"]["cost_per_accepted_usd"] is None


def test_without_a_ledger_yield_and_cost_come_from_the_rows(small: ReportInput) -> None:
    data = replace(small, quotas=None, drafts={}, rejected={})
    topics = figures.tell_topics(data)
    assert [row["topic"] for row in topics] == ["일상 대화", "보고 싶다는 표현"]  # the largest first
    assert topics[0]["spending"]["passed"] == 0.6
    assert topics[0]["spending"]["cost_usd"] == 0.05
    headline = figures.tell_headline(data, topics)
    assert (headline["quota"], headline["topics"], headline["topics_met"]) == (None, 2, None)


def test_topics_beyond_the_largest_are_added_up(
    make_input: Callable[..., ReportInput], make_dialogue: Callable[..., object], decide: Callable[..., object]
) -> None:
    count = figures.TOPICS_TOLD + 5
    dialogues = [make_dialogue(f"d{at}", f"주제 {at:03}", "나 왔어", "어서 와!") for at in range(count)]
    data = make_input(dialogues, [decide(each) for each in dialogues], [])
    topics = figures.tell_topics(data)
    assert len(topics) == figures.TOPICS_TOLD + 1
    assert (topics[-1]["topic"], topics[-1]["counts"]["accepted"]) == (None, 5)


def test_splits_count_accepted_dialogues(small: ReportInput) -> None:
    assert figures.tell_splits(small.decisions) == [
        {"split": "train", "dialogues": 3, "share": 0.75, "topics": 2},
        {"split": "validation", "dialogues": 1, "share": 0.25, "topics": 1},
    ]


def test_reasons_count_what_was_rejected_before_and_after_it_was_a_dialogue(small: ReportInput) -> None:
    reasons = figures.tell_reasons(small, figures.tell_topics(small))
    assert [(each["code"], each["stage"]) for each in reasons["columns"]] == [
        ("truncated", "draft"),
        ("assistant-tell", "curation"),
        ("duplicate", "curation"),
        ("emoji", "curation"),
    ]
    assert [row["counts"] for row in reasons["rows"]] == [[2, 1, 1, 0], [0, 0, 0, 1]]


def test_rules_count_dialogues(small: ReportInput) -> None:
    rows = {(row["code"], row["rule"]): (row["dropped"], row["noted"]) for row in figures.tell_rules(small.findings)}
    assert rows == {
        ("assistant-tell", "phrase"): (1, 0),
        ("emoji", "emoji"): (1, 0),
        ("speech-level", "off-level"): (1, 0),
        ("speech-level", "mixed"): (0, 1),
    }


def test_speech_levels_count_a_dialogue_once(small: ReportInput) -> None:
    assert figures.tell_speech(small) == [
        {"persona": "exa", "level": "banmal", "dialogues": 8, "noted": 1, "dropped": 1}
    ]


def test_a_distribution_tells_quantiles_and_bins() -> None:
    told = figures.describe(np.array([4, 4, 6, 8, 10]), 1)
    assert told is not None
    assert (told["minimum"], told["median"], told["mean"], told["maximum"]) == (4, 6, 6.4, 10)
    assert [(each["start"], each["count"]) for each in told["bins"] if each["count"]] == [
        (4, 2),
        (6, 1),
        (8, 1),
        (10, 1),
    ]


def test_a_book_among_the_dialogues_does_not_flatten_the_histogram() -> None:
    values = np.array([*range(100, 1100), 1_000_000])
    told = figures.describe(values)
    assert told is not None
    assert told["bins"][-1]["end"] is None
    assert told["bins"][-1]["count"] >= 1
    assert sum(each["count"] for each in told["bins"]) == len(values)
    assert len(told["bins"]) <= 30


def test_nothing_has_no_distribution() -> None:
    assert figures.describe(np.array([], dtype=np.int64)) is None


def test_the_report_is_the_same_each_time(small: ReportInput) -> None:
    assert build_report(small) == build_report(small)


def test_the_cluster_figures_leave_the_keeper_out(small: ReportInput) -> None:
    duplicates = build_report(small)["duplicates"]
    assert duplicates["kinds"] == {"near": 1}
    assert (duplicates["removed"], duplicates["largest"], duplicates["largest_share"]) == (1, 2, 0.25)
    assert duplicates["similarities"] == [{"start": 0.82, "end": 0.84, "count": 1}]


def test_leakage_passes_only_below_the_limit(small: ReportInput) -> None:
    assert build_report(small)["leakage"]["passed"]
    at_limit = replace(small, leakage={"highest": 0.4, "threshold": 0.4, "pair": ("a1", "a3"), "compared": 12})
    assert not build_report(at_limit)["leakage"]["passed"]
    none_found = replace(small, leakage={"highest": None, "threshold": 0.4, "pair": None, "compared": 0})
    assert build_report(none_found)["leakage"]["passed"]


def test_judge_figures_are_told_line_by_line(small: ReportInput) -> None:
    report = build_report(replace(small, judge={"scored": 1200, "naturalness": {"mean": 4.25, "agreement": 0.7}}))
    assert report["judge"] == [
        {"name": "scored", "value": "1,200"},
        {"name": "naturalness/mean", "value": "4.25"},
        {"name": "naturalness/agreement", "value": "0.7"},
    ]
