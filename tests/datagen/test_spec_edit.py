"""Editing a spec: what nobody changed keeps its bytes, what was changed keeps its comments, and nothing gets lost."""

import difflib
import json
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from ruamel.yaml import YAML

from datagen.errors import DataError, FileChangedError, SpecError, UsageError
from datagen.spec_edit import check_spec, forecast_spec, read_spec, save_spec
from datagen.spec_file import load_spec
from datagen.topic_forms import SpecEdit

ROOT = Path(__file__).parents[2]
Topics = list[dict[str, Any]]
Edit = Callable[[Path, str, str], None]


@pytest.fixture
def exa(tmp_path: Path) -> Path:
    """A copy of the project's own specs, of which `exa-data` is to be edited."""
    return shutil.copytree(ROOT / "specs", tmp_path / "project") / "exa-data.yaml"


def change(path: Path, act: Callable[[Topics], object]) -> SpecEdit:
    """The edit that `act` makes of the topics as they stand in the file."""
    edit = read_spec(path).to_edit()
    topics = [topic.model_dump() for topic in edit.topics]
    act(topics)
    return SpecEdit.model_validate({"fingerprint": edit.fingerprint, "topics": topics})


def diff_of_saving(path: Path, act: Callable[[Topics], object]) -> list[str]:
    """Lines taken away (-) and added (+) by an edit."""
    before = path.read_text("utf-8").split("\n")
    save_spec(path, change(path, act))
    after = path.read_text("utf-8").split("\n")
    return [line for line in difflib.ndiff(before, after) if line[0] in "-+"]


def new_topic(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "category": "emotional",
        "quota": 5,
        "brief": "비가 오는 날에 나누는 이야기다.",
        "situations": ["유저가 우산을 잃어버렸다고 말한다", "유저가 빗소리를 들려준다: 토독토독"],
        "facets": {"날씨": ["가랑비", "소나기"]},
    }


def test_a_changed_quota_is_a_diff_of_one_line(exa: Path) -> None:
    assert diff_of_saving(exa, lambda topics: topics[6].update(quota=55)) == ["-     quota: 40", "+     quota: 55"]
    assert load_spec(exa).spec.topics[6].quota == 55


def test_a_renamed_topic_keeps_its_place_and_its_comments(spec: Path, edit: Edit) -> None:
    edit(spec, "    quota: 12", "    quota: 12  # 열두 편이면 충분함")
    diff = diff_of_saving(spec, lambda topics: topics[0].update(name="하루 이야기", quota=14))
    assert diff == [
        "-   - name: 일상 대화",
        "+   - name: 하루 이야기",
        "-     quota: 12  # 열두 편이면 충분함",
        "+     quota: 14  # 열두 편이면 충분함",
    ]


def test_words_added_to_a_brief_leave_its_first_lines_alone(exa: Path) -> None:
    diff = diff_of_saving(exa, lambda topics: topics[0].update(brief=topics[0]["brief"] + " 끝은 열어 둔다."))
    assert diff == ["-       말하지 않는다.", "+       말하지 않는다. 끝은 열어 둔다."]


def test_a_long_new_brief_is_folded_to_the_width_of_a_screen(exa: Path) -> None:
    brief = " ".join(["유저가 지난 여름의 바다를 떠올린다."] * 12)
    save_spec(exa, change(exa, lambda topics: topics[3].update(brief=f"{brief}\n둘째 문단.")))
    assert load_spec(exa).spec.topics[3].brief == f"{brief}\n둘째 문단."
    assert max(len(line) for line in exa.read_text("utf-8").split("\n") if "지난 여름" in line) < 80


def test_situations_come_go_and_move_with_their_comments(spec: Path, edit: Edit) -> None:
    edit(spec, "      - 유저가 점심 메뉴", "      # 배고픈 시간\n      - 유저가 점심 메뉴")
    edit(spec, "이어폰을 자랑한다", "이어폰을 자랑한다  # 상표는 말하지 않음")

    def act(topics: Topics) -> None:
        rain, lunch, earphones = topics[0]["situations"]
        topics[0]["situations"] = [lunch, "유저가 묻는다: # 이게 뭐야?", rain, f"{earphones}, 두 번째로"]

    save_spec(spec, change(spec, act))
    lines = spec.read_text("utf-8").split("\n")
    start = lines.index("    situations:")
    assert lines[start + 1 : start + 6] == [
        "      # 배고픈 시간",
        "      - 유저가 점심 메뉴를 못 고르고 있다",
        '      - "유저가 묻는다: # 이게 뭐야?"',
        "      - 유저가 출근길에 비를 맞았다",
        "      - 유저가 새로 산 이어폰을 자랑한다, 두 번째로  # 상표는 말하지 않음",
    ]


def test_a_new_topic_is_written_like_those_before_it(exa: Path) -> None:
    diff = diff_of_saving(exa, lambda topics: topics.append(new_topic("비 오는 날")))
    assert [line for line in diff if line[0] == "-"] == []
    assert [line[2:] for line in diff] == [
        "  - name: 비 오는 날",
        "    category: emotional",
        "    quota: 5",
        "    brief: >-",
        "      비가 오는 날에 나누는 이야기다.",
        "    situations:",
        "      - 유저가 우산을 잃어버렸다고 말한다",
        '      - "유저가 빗소리를 들려준다: 토독토독"',
        "    facets:",
        "      날씨: [가랑비, 소나기]",
        "",
    ]
    assert load_spec(exa).spec.topics[-1].facets == {"날씨": ("가랑비", "소나기")}


def test_deleted_topics_leave_the_headings_of_the_others(exa: Path) -> None:
    diff = diff_of_saving(exa, lambda topics: topics.__delitem__(0))
    assert all(line.startswith("-") for line in diff)
    assert not any("──" in line for line in diff)
    assert "-   - name: 일상 대화" in diff


def test_reordered_topics_keep_their_bytes_and_headings_stay_above_their_groups(exa: Path) -> None:
    before = exa.read_text("utf-8")
    save_spec(exa, change(exa, lambda topics: topics.insert(1, topics.pop(4))))
    after = exa.read_text("utf-8")
    assert sorted(after.split("\n")) == sorted(before.split("\n"))
    assert [topic.name for topic in read_spec(exa).topics][:3] == ["일상 대화", "정서적 위로", "챗봇 질의응답"]
    assert after.index("── intellectual") < after.index("일상 대화\n")
    assert after.index("철학적 질문\n") < after.index("── emotional") < after.index("보고 싶다는 표현\n")


def test_facets_are_added_renamed_and_taken_away(exa: Path) -> None:
    def act(topics: Topics) -> None:
        topics[0]["facets"] = {
            "이야기 결": topics[0]["facets"]["대화의 결"],
            "날씨": ("맑음", "비: 조금", "눈, 조금"),
        }
        topics[1]["facets"] = {}

    diff = diff_of_saving(exa, act)
    assert [line for line in diff if line[0] == "+"] == [
        "+       이야기 결: [두서없는 수다, 서로 놀리는 장난, 소소한 의논, 조용히 나누는 이야기, 웃음이 터지는 이야기]",
        '+       날씨: [맑음, "비: 조금", "눈, 조금"]',
    ]
    assert load_spec(exa).spec.topics[1].facets == {}


FLOW = """\
# 한 줄짜리 명세
dataset: flow-data
language: ko
personas: [personas/exa.yaml]
exchanges: {min: 2, max: 5}
provider: {model: gpt-4o}
topics: [
  {name: 일상 대화, category: life, quota: 12, brief: 가볍다., situations: [비가 온다, 눈이 온다]},  # 첫째
  {name: 농담, category: life, quota: 8, brief: '웃기다', situations: [웃는다], facets: {기분: [설렘]}}
]
examples: [examples/*.txt]
"""


def test_a_spec_in_brackets_is_edited_in_its_brackets(spec: Path) -> None:
    spec.write_text(FLOW, encoding="utf-8")

    def act(topics: Topics) -> None:
        topics[0].update(quota=13, situations=["비가 온다, 많이", "눈이 온다"])
        topics[1].update(brief="웃기다: 하나", facets={"기분": ["설렘", "지침"]})

    assert diff_of_saving(spec, act) == [
        "-   {name: 일상 대화, category: life, quota: 12, brief: 가볍다., situations: [비가 온다, 눈이 온다]},  # 첫째",
        "+   {name: 일상 대화, category: life, quota: 13, brief: 가볍다., situations: "
        '["비가 온다, 많이", 눈이 온다]},  # 첫째',
        "-   {name: 농담, category: life, quota: 8, brief: '웃기다', situations: [웃는다], facets: {기분: [설렘]}}",
        '+   {name: 농담, category: life, quota: 8, brief: "웃기다: 하나", situations: [웃는다], '
        "facets: {기분: [설렘, 지침]}}",
    ]


def test_a_topic_added_among_brackets_keeps_every_comment(spec: Path) -> None:
    spec.write_text(FLOW.replace("  # 첫째", ""), encoding="utf-8")
    save_spec(spec, change(spec, lambda topics: topics.append(new_topic("비 오는 날"))))
    assert [topic.name for topic in load_spec(spec).spec.topics] == ["일상 대화", "농담", "비 오는 날"]
    assert spec.read_text("utf-8").startswith("# 한 줄짜리 명세\n")


def test_a_comment_between_brackets_is_kept_or_the_edit_is_refused(spec: Path) -> None:
    for act in (lambda topics: topics.append(new_topic("비 오는 날")), lambda topics: topics.reverse()):
        spec.write_text(FLOW, encoding="utf-8")
        wanted = change(spec, act)
        with suppress(UsageError):
            assert len(save_spec(spec, wanted).topics) == len(wanted.topics)
        assert spec.read_text("utf-8").count("# 첫째") == 1


def test_shared_values_stay_shared_for_the_topics_that_nobody_changed(spec: Path, edit: Edit) -> None:
    edit(spec, "situations:\n      - 유저가 출장지", "situations: &second\n      - 유저가 출장지")
    third = "  - {name: 셋째, category: emotional, quota: 3, brief: 셋째 주제다., situations: *second}\n"
    edit(spec, "examples: [", f"{third}examples: [")
    text = spec.read_text("utf-8")
    save_spec(spec, change(spec, lambda topics: topics[2].update(quota=4)))
    assert spec.read_text("utf-8") == text.replace("quota: 3", "quota: 4")
    save_spec(spec, change(spec, lambda topics: topics[2].update(situations=["유저가 셋째 이야기를 꺼낸다"])))
    topics = load_spec(spec).spec.topics
    assert (len(topics[1].situations), topics[2].situations) == (2, ("유저가 셋째 이야기를 꺼낸다",))


def test_dos_line_ends_a_byte_order_mark_and_a_missing_last_line_end_stay(spec: Path) -> None:
    content = b"\xef\xbb\xbf" + spec.read_bytes().rstrip(b"\n").replace(b"\n", b"\r\n")
    spec.write_bytes(content)
    save_spec(spec, change(spec, lambda topics: topics[1].update(quota=9)))
    assert spec.read_bytes() == content.replace(b"quota: 8", b"quota: 9")
    save_spec(spec, change(spec, lambda topics: topics.append(new_topic("비 오는 날"))))
    assert spec.read_bytes().count(b"\n") == spec.read_bytes().count(b"\r\n")


def test_the_check_tells_what_the_command_would_tell_once_it_is_saved(spec: Path) -> None:
    text = spec.read_text("utf-8")

    def act(topics: Topics) -> None:
        topics[0].update(quota=0, situations=[])
        topics[1].update(name="일상 대화", brief="")
        topics.append({**new_topic("비 오는 날"), "situations": ["같은 말", "같은 말"]})

    edit = change(spec, act)
    problems = check_spec(spec, edit)
    with pytest.raises(SpecError) as refused:
        save_spec(spec, edit)
    assert list(refused.value.problems) == problems
    assert spec.read_text("utf-8") == text
    written = _text_to_be_saved(spec, edit)
    spec.write_text(written, encoding="utf-8")
    with pytest.raises(SpecError) as told:
        load_spec(spec)
    assert list(told.value.problems) == problems
    assert len(problems) == 5
    assert {problem.file for problem in problems} == {str(spec)}
    lines = written.split("\n")
    assert "quota: 0" in lines[next(each.line for each in problems if "quota" in each.message) - 1]  # type: ignore[operator]


def _text_to_be_saved(spec: Path, edit: SpecEdit) -> str:
    from datagen import spec_edit

    return spec_edit._apply(spec.read_bytes(), spec, edit).decode()


def test_a_spec_with_mistakes_can_be_read_and_mended(spec: Path, edit: Edit) -> None:
    edit(spec, "quota: 12", "quota: 0")
    edit(spec, "brief: 보고 싶은 마음을 다정하게 나눈다.", "brief:")
    assert [topic.quota for topic in read_spec(spec).topics] == [0, 8]
    save_spec(spec, change(spec, lambda topics: (topics[0].update(quota=7), topics[1].update(brief="그리움."))))
    assert [(topic.quota, topic.brief[:3]) for topic in load_spec(spec).spec.topics] == [(7, "하루를"), (8, "그리움")]


def test_the_forecast_is_of_the_edited_spec(exa: Path) -> None:
    before = forecast_spec(exa, read_spec(exa).to_edit())
    after = forecast_spec(exa, change(exa, lambda topics: topics[0].update(quota=400)))
    assert (before["quota"], after["quota"]) == (890, 1090)
    assert after["cost_usd"] > before["cost_usd"] > 0
    json.dumps(after)


def test_a_file_that_somebody_else_saved_is_neither_checked_nor_overwritten(spec: Path, edit: Edit) -> None:
    mine = change(spec, lambda topics: topics[0].update(quota=5))
    edit(spec, "quota: 8", "quota: 9")
    text = spec.read_text("utf-8")
    for act in (save_spec, check_spec, forecast_spec):
        with pytest.raises(FileChangedError, match="was changed since it was read"):
            act(spec, mine)
    assert spec.read_text("utf-8") == text


def test_of_two_authors_who_save_at_once_one_is_told(spec: Path) -> None:
    edits = [change(spec, lambda topics, quota=quota: topics[0].update(quota=quota)) for quota in (30, 31, 32, 33)]  # type: ignore[misc]
    outcomes: list[str] = []

    def save(edit: SpecEdit) -> None:
        try:
            outcomes.append(f"saved {save_spec(spec, edit).topics[0].quota}")
        except FileChangedError:
            outcomes.append("told")

    threads = [threading.Thread(target=save, args=(edit,)) for edit in edits]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes)[1:] == ["told"] * 3
    assert sorted(outcomes)[0] == f"saved {load_spec(spec).spec.topics[0].quota}"


def test_saving_keeps_mode_and_link_and_leaves_nothing_beside_the_file(spec: Path, tmp_path: Path) -> None:
    spec.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(spec)
    names = sorted(spec.parent.iterdir())
    edit = read_spec(link).to_edit()
    # paths are relative to the link's own folder, as for every command: its persona is not there
    with pytest.raises(SpecError, match="does not exist"):
        save_spec(link, edit.model_copy(update={"topics": edit.topics[:1]}))
    for name in ("personas", "examples"):
        (tmp_path / name).symlink_to(spec.parent / name)
    saved = save_spec(link, edit.model_copy(update={"topics": edit.topics[:1]}))
    assert link.is_symlink()
    assert spec.stat().st_mode & 0o777 == 0o640
    assert len(load_spec(spec).spec.topics) == 1
    assert saved == read_spec(link)
    assert sorted(spec.parent.iterdir()) == names


def test_a_disk_that_takes_nothing_leaves_the_old_file_whole(spec: Path) -> None:
    content = spec.read_bytes()
    spec.with_name(f".{spec.name}.writing").mkdir()  # the temporary file cannot be opened
    with pytest.raises(DataError, match="could not be written"):
        save_spec(spec, change(spec, lambda topics: topics[0].update(quota=5)))
    assert spec.read_bytes() == content


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (lambda topics: topics[0].update(original="없는 주제"), "which the file does not have"),
        (lambda topics: topics.append(topics[0]), "which the file does not have"),
    ],
)
def test_an_edit_of_a_topic_that_is_not_there_is_refused(
    spec: Path, act: Callable[[Topics], object], told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        save_spec(spec, change(spec, act))


@pytest.mark.parametrize(
    "fields",
    [
        {"situations": ["가"] * 1_001},
        {"brief": "가" * 10_001},
        {"quota": 10**9},
        {"quota": "많이"},
        {"colour": "분홍"},
        {"name": "\ud800"},
    ],
)
def test_an_edit_beyond_the_limits_is_no_edit(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SpecEdit.model_validate({"fingerprint": "0" * 64, "topics": [{**new_topic("비"), **fields}]})
    with pytest.raises(ValidationError):
        SpecEdit.model_validate({"fingerprint": "0" * 64, "topics": [new_topic(str(n)) for n in range(501)]})


@pytest.mark.parametrize("content", ["", "- 목록\n", "topics: 3\n", "topics: [{quota: 많이}]\n", "a: [\n"])
def test_a_file_that_is_no_spec_tells_so_with_its_place(spec: Path, content: str) -> None:
    spec.write_text(content, encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        read_spec(spec)
    assert caught.value.problems[0].file == str(spec)


WORD = st.text(
    st.sampled_from(list("가나다라 ab01:#-,[]{}&*!|>'\"%@`?\\~=\n\t.…😀\u200b\x85")), min_size=1, max_size=12
)
TEXT = WORD.filter(lambda text: text.strip() != "").map(str.strip)
LINE = TEXT.map(lambda text: " ".join(text.split())).filter(bool)
TOPIC = st.fixed_dictionaries(
    {
        "name": LINE,
        "category": st.sampled_from(["intellectual", "emotional"]),
        "quota": st.integers(1, 99),
        "brief": TEXT,
        "situations": st.lists(LINE, min_size=1, max_size=4, unique=True),
        "facets": st.dictionaries(LINE, st.lists(LINE, min_size=1, max_size=3), max_size=2),
    }
)
TOPICS = st.lists(TOPIC, min_size=1, max_size=4, unique_by=lambda topic: topic["name"])
ANY_FORM = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def write_odd(spec: Path, topics: Topics, flow: bool | None, seed: int) -> Path:
    """The spec with these topics as a dumper writes them, with comments strewn over it."""
    yaml = YAML(typ="safe")
    yaml.default_flow_style = flow
    yaml.width, yaml.allow_unicode = 60 + seed % 60, seed % 5 > 0
    data = YAML(typ="safe").load(spec)
    data["topics"] = topics
    path = spec.with_name("odd.yaml")
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(data, file)
    assume(_is_readable(path, topics))  # the dumper has its own mistakes with odd characters
    if flow is False:
        lines = path.read_text("utf-8").split("\n")
        at = next(number for number, line in enumerate(lines) if line.startswith("topics:")) + 1
        lines[at:at] = ["", "# 묶음", ""][: seed % 4]
        path.write_text("\n".join(lines), encoding="utf-8")
    return path


def _is_readable(path: Path, topics: Topics) -> bool:
    try:
        return bool(YAML(typ="safe").load(path)["topics"] == topics)
    except Exception:  # whatever the reader raises
        return False


@ANY_FORM
@given(TOPICS, st.sampled_from([True, False, None]), st.integers(0, 99))
def test_an_edit_without_a_change_leaves_every_byte(spec: Path, topics: Topics, flow: bool | None, seed: int) -> None:
    path = write_odd(spec, topics, flow, seed)
    content = path.read_bytes()
    save_spec(path, read_spec(path).to_edit())
    assert path.read_bytes() == content


@ANY_FORM
@given(TOPICS, TOPICS, st.sampled_from([True, False, None]), st.randoms(use_true_random=False))
def test_what_is_saved_says_what_the_edit_says_and_nothing_else_changed(
    spec: Path, old: Topics, new: Topics, flow: bool | None, random: Any
) -> None:
    path = write_odd(spec, old, flow, random.randrange(100))
    originals = [topic.name for topic in read_spec(path).topics]
    random.shuffle(originals)
    wanted = [dict(topic, original=originals.pop() if originals and random.random() < 0.7 else None) for topic in new]
    known = {topic.name: topic.model_dump() for topic in read_spec(path).topics}
    for topic in wanted:
        for name in ("category", "quota", "brief", "situations", "facets"):
            if topic["original"] is not None and random.random() < 0.6:
                topic[name] = known[topic["original"]][name]
    edit = SpecEdit.model_validate({"fingerprint": read_spec(path).fingerprint, "topics": wanted})
    before = YAML(typ="safe").load(path)
    saved = save_spec(path, edit)
    after = YAML(typ="safe").load(path)
    expected = [topic.model_dump(exclude={"original"}) for topic in edit.topics]
    assert [topic.model_dump() for topic in saved.topics] == expected
    assert {**before, "topics": None} == {**after, "topics": None}
    assert check_spec(path, saved.to_edit()) == []
