"""The form of a spec without a browser: what was typed becomes the edit meant, and what was not touched stays."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.errors import UsageError
from datagen.spec_edit import read_spec, save_spec
from review_ui.authoring.next_build import plan_build
from review_ui.authoring.open_specs import OpenSpec, open_specs
from review_ui.pages.spec_actions import check, overwrite, rearrange, save
from review_ui.pages.spec_form import Draft, TopicDraft, draft_of, make_edit, read_draft, read_facets, write_facets
from tests.conftest import edit, write_spec

WORD = st.text(st.sampled_from("가나다 abc,:\"'#-"), min_size=1, max_size=12).map(lambda text: " ".join(text.split()))
TEXT = WORD.filter(bool)


@given(st.dictionaries(TEXT, st.lists(TEXT, min_size=1, max_size=4).map(tuple), max_size=4))
def test_facets_read_back_as_they_were_written(facets: dict[str, tuple[str, ...]]) -> None:
    assert read_facets(write_facets(facets)) == facets


def test_facets_are_lines_of_a_name_and_values() -> None:
    facets = {"장소": ("도서관", "카페"), "날씨": ("흐림, 바람", "비")}
    assert write_facets(facets) == '장소: 도서관, 카페\n날씨: "흐림, 바람", 비'
    assert read_facets("장소 :도서관,카페\n\n  기분 \n장소: 지하철") == {
        "장소": ("도서관", "카페", "지하철"),
        "기분": (),
    }


def post(draft: Draft, **changed: str) -> dict[str, str]:
    """The fields that a browser sends of a draft, lines ended as it ends them."""
    fields = {"fingerprint": draft.fingerprint, "count": str(len(draft.topics))}
    for at, topic in enumerate(draft.topics):
        for name in ("original", "name", "category", "quota", "brief", "situations", "facets"):
            fields[f"t{at}-{name}"] = getattr(topic, name).replace("\n", "\r\n")
    return fields | changed


def test_a_form_that_nobody_touched_changes_no_byte_of_the_file(spec: Path) -> None:
    edit(spec, "    quota: 12", "    quota: 12\n    facets: {소리: [\"두\\n줄\", '쉼표, 하나']}")
    edit(spec, "      - 유저가 출근길에 비를 맞았다", "      - >-\n        유저가 출근길에\n        비를 맞았다")
    before = spec.read_bytes()
    known = read_spec(spec)
    wanted, problems = make_edit(read_draft(post(draft_of(known))), known)
    assert problems == []
    assert wanted is not None
    save_spec(spec, wanted)
    assert spec.read_bytes() == before


@pytest.mark.parametrize(("typed", "saved"), [("1,200", 1200), (" 30 ", 30), ("３０", 30)])
def test_a_quota_may_be_typed_as_people_write_numbers(spec: Path, typed: str, saved: int) -> None:
    known = read_spec(spec)
    assert save(at(spec), read_draft(post(draft_of(known), **{"t0-quota": typed}))).done == "done.save"
    assert read_spec(spec).topics[0].quota == saved


def at(spec: Path) -> OpenSpec:
    return OpenSpec("test-data", spec, spec.parent / "run")


def test_every_mistake_is_told_at_once_with_its_line_and_its_field(spec: Path) -> None:
    before = spec.read_bytes()
    typed = {"t0-quota": "많이", "t1-quota": "0", "t1-brief": " ", "t0-facets": "장소"}
    outcome = save(at(spec), read_draft(post(draft_of(read_spec(spec)), **typed)))
    assert outcome.status == 422
    told = {each.location[:3]: str(each) for each in outcome.problems}
    assert set(told) == {
        ("topics", 0, "quota"),
        ("topics", 0, "facets"),
        ("topics", 1, "quota"),
        ("topics", 1, "brief"),
    }
    assert told["topics", 0, "quota"] == f"{spec}:13: `topics[1].quota` is '많이', expected a whole number"
    assert "`topics[2].quota` is 0, expected a number greater than 0" in told["topics", 1, "quota"]
    assert spec.read_bytes() == before


def test_what_is_too_long_for_an_edit_is_told_at_its_field(spec: Path) -> None:
    typed = {"t0-name": "가" * 201, "t1-quota": "99999999999"}
    outcome = check(at(spec), read_draft(post(draft_of(read_spec(spec)), **typed)))
    assert [each.location for each in outcome.problems] == [("topics", 0, "name"), ("topics", 1, "quota")]


def test_a_conflict_shows_both_and_overwriting_takes_what_was_seen(spec: Path) -> None:
    mine = read_draft(post(draft_of(read_spec(spec)), **{"t0-quota": "30"}))
    edit(spec, "quota: 8", "quota: 9")
    edit(spec, "name: 일상 대화", "name: 하루 이야기")
    told = save(at(spec), mine)
    assert (told.status, told.is_conflict, told.draft) == (409, True, mine)
    assert [(each.topic, each.field, each.theirs, each.mine) for each in told.differences] == [
        ("일상 대화", "", "", "일상 대화"),
        ("보고 싶다는 표현", "quota", "9", "8"),
        ("하루 이야기", "", "하루 이야기", ""),
    ]
    edit(spec, "quota: 9", "quota: 10")
    assert overwrite(at(spec), mine, told.seen).is_conflict
    assert overwrite(at(spec), mine, read_spec(spec).fingerprint).done == "done.save"
    assert [(topic.name, topic.quota) for topic in read_spec(spec).topics] == [
        ("일상 대화", 30),
        ("보고 싶다는 표현", 8),
    ]


def test_topics_come_go_and_move_without_losing_what_was_typed() -> None:
    draft = Draft("", tuple(TopicDraft(name=name, quota="많이") for name in "가나다"))

    def names(action: str) -> str:
        outcome = rearrange(draft, action)
        return "" if outcome is None else "".join(topic.name or "-" for topic in outcome.draft.topics)

    assert names("add") == "가나다-"
    assert names("delete:1") == "가다"
    assert (names("up:2"), names("down:0")) == ("가다나", "나가다")
    assert (names("up:0"), names("down:2")) == ("가나다", "가나다")
    assert [rearrange(draft, action) for action in ("delete:3", "up:x", "save", "")] == [None] * 4


def test_a_spec_is_tied_to_the_run_of_its_dataset_or_to_the_one_that_is_empty(built_run: Path, tmp_path: Path) -> None:
    spec, new = built_run.parent / "specs" / "test-data.yaml", tmp_path / "new"
    assert open_specs([spec], [new, built_run]) == [OpenSpec("test-data", spec, built_run)]
    other = write_spec(tmp_path / "other")
    edit(other, "dataset: test-data", "dataset: other-data")
    assert [each.run for each in open_specs([spec, other], [built_run, new])] == [built_run, new]
    assert open_specs([other], [new])[0].run_name == "new"


def test_a_spec_without_a_run_or_with_several_is_refused(built_run: Path, tmp_path: Path) -> None:
    spec = built_run.parent / "specs" / "test-data.yaml"
    other = write_spec(tmp_path / "other")
    with pytest.raises(UsageError, match="two of the specs build dataset 'test-data'"):
        open_specs([spec, other], [built_run])
    with pytest.raises(UsageError, match="several runs"):
        open_specs([spec], [tmp_path / "one", tmp_path / "two"])
    edit(other, "dataset: test-data", "dataset: other-data")
    with pytest.raises(UsageError, match="none of the runs is of dataset 'other-data'"):
        open_specs([other], [built_run])


def test_a_run_of_the_simulator_tells_what_it_takes_to_go_on(spec: Path, built_run: Path) -> None:
    here = OpenSpec("test-data", spec, built_run)
    assert (plan_build(here, is_offline=True).refusal, plan_build(here, is_offline=False).remedy) == (None, "offline")
    edit(spec, "    quota: 12", "    quota: 14")
    assert plan_build(here, is_offline=False).remedy == "offline"
    edit(spec, "장소: [도서관", "장소: [서점")
    assert [plan_build(here, each).remedy for each in (True, False)] == ["about", "about"]
