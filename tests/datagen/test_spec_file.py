from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from datagen.errors import Problem, SpecError, UsageError
from datagen.spec_file import load_spec

Edit = Callable[[Path, str, str], None]


def problems_of(spec: Path) -> tuple[Problem, ...]:
    with pytest.raises(SpecError) as caught:
        load_spec(spec)
    return caught.value.problems


def find(problems: tuple[Problem, ...], part: str) -> Problem:
    found = [problem for problem in problems if part in problem.message]
    assert len(found) == 1, problems
    return found[0]


def line_of(path: Path, part: str) -> int:
    return next(n for n, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1) if part in line)


def test_a_right_spec_loads_with_all_it_points_at(spec: Path) -> None:
    loaded = load_spec(spec)
    assert loaded.quota == 20
    assert [persona.name for persona in loaded.personas] == ["엑사"]
    assert loaded.examples["exa"][0].startswith("human1: 나 왔어")
    assert "{{ persona.name }}" in loaded.prompts.system


def test_every_mistake_is_told_at_once_with_its_line(spec: Path, edit: Edit) -> None:
    edit(spec, "quota: 12", "quota: 0")
    edit(spec, "seed: 3", "seeed: 3")
    edit(spec, "{min: 2, max: 5}", "{min: 6, max: 5}")
    edit(spec, "- name: 보고 싶다는 표현", "- name: 일상 대화")
    edit(spec, "personas/exa.yaml", "personas/ex.yaml")
    edit(spec, "examples/*.txt", "examples/*.md")
    problems = problems_of(spec)
    assert len(problems) == 6
    assert find(problems, "quota").line == line_of(spec, "quota: 0")
    assert find(problems, "quota").message == "`topics[1].quota` is 0, expected a number greater than 0"
    unknown = find(problems, "unknown key")
    assert (unknown.line, unknown.hint) == (line_of(spec, "seeed"), "did you mean `seed`?")
    assert find(problems, "min 6 is greater than max 5").line == line_of(spec, "exchanges")
    names = [n for n, line in enumerate(spec.read_text(encoding="utf-8").split("\n"), 1) if "- name: 일상 대화" in line]
    assert find(problems, "second time").line == names[1]
    missing = find(problems, "does not exist")
    assert (missing.line, missing.hint) == (line_of(spec, "personas:"), "did you mean `personas/exa.yaml`?")
    assert find(problems, "no example file").line == line_of(spec, "examples:")
    assert all(str(problem).startswith(f"{spec}:") for problem in problems)


def test_topics_that_are_all_wrong_are_told_one_by_one_and_not_as_a_list_that_is_too_short(
    spec: Path, edit: Edit
) -> None:
    edit(spec, "quota: 12", "quota: 0")
    edit(spec, "quota: 8", "quota: 0")
    assert [problem.location for problem in problems_of(spec)] == [("topics", 0, "quota"), ("topics", 1, "quota")]


def test_a_persona_under_19_is_refused_in_its_own_file(spec: Path, edit: Edit) -> None:
    persona = spec.parent / "personas" / "exa.yaml"
    edit(persona, "age: 19", "age: 17")
    (problem,) = problems_of(spec)
    assert str(problem) == f"{spec.parent}/personas/exa.yaml:3: age is 17, expected at least 19"


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        ("    quota: 12", "    qouta: 12", "unknown key `topics[1].qouta`", "did you mean `quota`?"),
        ("temperature: 0.9", "temprature: 0.9", "unknown key `provider.temprature`", "did you mean `temperature`?"),
        ("quota: 12", "quota: 많이", "`topics[1].quota` is '많이', expected a whole number", None),
        ("quota: 12", "quota: 1.5", "expected a whole number", None),
        ("language: ko", "language: en", "expected 'ko'", None),
        ("dataset: test-data", "dataset: 시험 자료", "small letters", None),
        ("brief: 하루를 보내며 나누는 가벼운 이야기.", "brief: ''", "a text that is not empty", None),
        ("장소: [도서관, 카페, 지하철]", "장소: []", "at least 1 entry", None),
        ("temperature: 0.9", "temperature: 3", "at most 2", None),
        ("- 유저가 출근길에 비를 맞았다", "- 유저가 점심 메뉴를 못 고르고 있다", "stands twice", "write another one"),
        ("seed: 3", "seed: 3\nseed: 4", "duplicate key", "once"),
        ("facets:", "facets: [", "not valid YAML", None),
        ("  기분:", "\t기분:", "not valid YAML", None),
        ("brief: 하루를", "brief: 하루: 를", "not valid YAML", "quotation marks"),
    ],
)
def test_a_mistake_says_what_was_found_and_expected(
    spec: Path, edit: Edit, old: str, new: str, message: str, hint: str | None
) -> None:
    edit(spec, old, new)
    problem = find(problems_of(spec), message)
    assert problem.line is not None
    if hint is not None:
        assert problem.hint is not None
        assert hint in problem.hint


def test_a_file_in_cp949_is_named_with_its_line_and_the_way_out(spec: Path) -> None:
    spec.write_bytes(spec.read_text(encoding="utf-8").encode("cp949"))
    (problem,) = problems_of(spec)
    assert problem.line == 8
    assert "not UTF-8" in problem.message
    assert problem.hint is not None
    assert "iconv" in problem.hint


@pytest.mark.parametrize(
    "content", ["", "- 목록\n", "그냥 글", "\x00\x01", "{a: &x [*x]}", "? [1, 2]\n: 3\n", "2026-13-45"]
)
def test_a_file_that_is_no_spec_is_a_clear_error(spec: Path, content: str) -> None:
    spec.write_text(content, encoding="utf-8")
    assert problems_of(spec)


def test_a_byte_order_mark_does_no_harm(spec: Path) -> None:
    spec.write_bytes(b"\xef\xbb\xbf" + spec.read_bytes())
    assert load_spec(spec).quota == 20


def test_an_unknown_name_lists_the_packaged_specs() -> None:
    with pytest.raises(UsageError, match="no such file") as caught:
        load_spec("exa-dta")
    assert caught.value.hint is not None
    assert "exa-data" in caught.value.hint


def test_exa_data_has_the_quotas_of_the_published_plan() -> None:
    loaded = load_spec("exa-data")
    quotas: dict[str, int] = {}
    for topic in loaded.spec.topics:
        quotas[topic.category] = quotas.get(topic.category, 0) + topic.quota
        assert len(topic.situations) >= (30 if topic.quota > 60 else 12)
    assert quotas == {"intellectual": 730, "emotional": 160}
    assert len(loaded.spec.topics) == 19


def test_gf_persona_data_has_adults_of_both_speech_levels() -> None:
    loaded = load_spec("gf-persona-data")
    assert loaded.quota == 600
    assert len(loaded.spec.topics) >= 12
    assert len(loaded.personas) >= 12
    assert {persona.speech_level for persona in loaded.personas} == {"banmal", "jondaetmal"}
    assert len({loaded.examples[persona.id] for persona in loaded.personas}) == 2


ODD = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=6),
        st.sampled_from(["농담", "../x", "*", "[", ""]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
    max_leaves=6,
)
PLACES = [("topics",), ("topics", 0), ("topics", 0, "situations"), ("topics", 0, "facets"), ("topics", 1, "quota")]
PLACES += [("exchanges",), ("exchanges", "min"), ("personas",), ("examples",), ("facets",), ("provider",), ("seed",)]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from(PLACES), value=ODD)
def test_any_value_anywhere_is_taken_or_told_with_its_place(
    spec: Path, place: tuple[str | int, ...], value: object
) -> None:
    data: Any = YAML(typ="safe").load(spec.read_text(encoding="utf-8"))
    node = data
    for part in place[:-1]:
        node = node[part]
    node[place[-1]] = value
    odd = spec.with_name("odd.yaml")
    with odd.open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(data, file)
    with suppress(SpecError):
        load_spec(odd)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=80), st.text(max_size=80).map(lambda text: text.encode(errors="surrogatepass"))))
def test_any_bytes_are_a_spec_or_a_clear_error(spec: Path, content: bytes) -> None:
    odd = spec.with_name("odd.yaml")
    odd.write_bytes(content)
    with pytest.raises(SpecError):
        load_spec(odd)
