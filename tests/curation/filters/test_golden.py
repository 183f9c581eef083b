"""Golden tables: for each filter, dialogues that it keeps and dialogues that it drops, with the place that it names."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from curation.filter import Filter, decide
from curation.filters import FILTERS
from curation.finding import Finding
from curation.subject import PersonaSheet, Subject
from datagen.record import Message, Role, clean_text

GOLDEN = Path(__file__).parent / "golden"
DEFAULT_PERSONA = {"id": "exa", "name": "엑사", "speech_level": "banmal"}
LEAST_CASES = 30
MADE_BY_CODE = {"persona-drift"}
"""Filters of which every case is a dialogue of forty turns: see test_persona_drift.py."""
TABLED = [each for each in FILTERS if each.code not in MADE_BY_CODE]


def read_table(filter_: Filter[Any]) -> dict[str, list[dict[str, Any]]]:
    table: dict[str, list[dict[str, Any]]] = YAML(typ="safe").load((GOLDEN / f"{filter_.code}.yaml").read_text("utf-8"))
    return table


def ask(filter_: Filter[Any], case: dict[str, Any]) -> tuple[Subject, list[Finding]]:
    roles: tuple[Role, Role] = ("user", "assistant")
    messages = tuple(Message(roles[index % 2], clean_text(turn)) for index, turn in enumerate(case["turns"]))
    subject = Subject.of(messages, PersonaSheet(**{**DEFAULT_PERSONA, **case.get("persona", {})}))
    settings = filter_.settings()
    return subject, decide(filter_.code, settings, filter_.measure(subject, settings))


def list_cases(kind: str) -> list[Any]:
    return [
        pytest.param(each, case, id=f"{each.code}-{number}")
        for each in TABLED
        for number, case in enumerate(read_table(each).get(kind, ()), 1)
    ]


@pytest.mark.parametrize("filter_", TABLED, ids=lambda each: each.code)
def test_a_table_has_cases_enough(filter_: Filter[Any]) -> None:
    table = read_table(filter_)
    assert min(len(table["keep"]), len(table["drop"])) >= LEAST_CASES


@pytest.mark.parametrize(("filter_", "case"), list_cases("keep"))
def test_it_keeps(filter_: Filter[Any], case: dict[str, Any]) -> None:
    _, findings = ask(filter_, case)
    assert [each for each in findings if each.verdict == "drop"] == []


@pytest.mark.parametrize(("filter_", "case"), list_cases("note"))
def test_it_notes_and_does_not_drop(filter_: Filter[Any], case: dict[str, Any]) -> None:
    subject, findings = ask(filter_, case)
    assert {each.verdict for each in findings} == {"note"}
    assert any(names_place(subject, each, case.get("find", {})) for each in findings)


@pytest.mark.parametrize(("filter_", "case"), list_cases("drop"))
def test_it_drops_and_says_where(filter_: Filter[Any], case: dict[str, Any]) -> None:
    subject, findings = ask(filter_, case)
    drops = [each for each in findings if each.verdict == "drop"]
    assert any(names_place(subject, each, case["find"]) for each in drops), findings


def names_place(subject: Subject, finding: Finding, find: dict[str, Any]) -> bool:
    assert finding.evidence
    if finding.message is not None and finding.start is not None:
        assert finding.end is not None
        assert 0 <= finding.start < finding.end <= len(subject.utterances[finding.message].text)
    place = {"rule": finding.rule, "message": finding.message}
    if finding.message is not None:
        place["text"] = subject.utterances[finding.message].text[finding.start : finding.end]
    return all(place.get(key) == value for key, value in find.items())
