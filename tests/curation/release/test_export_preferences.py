"""Preferences: who is to blame is the answer that was found wanting, in the context in which it was given."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.release.export import ExportSource, ExportSummary, export
from curation.release.preferences import draw_split, find_rewritten
from curation.reviews import Review, ReviewedMessage, fold_reviews
from curation.settling.split_memory import SPLITS
from curation.subject import PersonaSheet
from datagen.errors import DataError, UsageError
from datagen.record import Message
from datagen.store import read_dialogues
from tests.curation.release.curated_folder import make_dialogue, make_run

AT = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
EXA = PersonaSheet("exa", "엑사", "banmal", system_prompt="너는 엑사야.")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run")


def _export(run: Path, *reviews: Review, with_system_prompt: bool = False) -> ExportSummary:
    source = ExportSource(run, {"exa": EXA}, fold_reviews(reviews))
    return export([source], run.parent / "out", "preferences", with_system_prompt=with_system_prompt)


def _read(run: Path, configuration: str) -> list[dict[str, Any]]:
    files = [run.parent / "out" / configuration / f"{split}.jsonl" for split in SPLITS]
    return [json.loads(line) for file in files if file.exists() for line in file.read_text("utf-8").splitlines()]


def _turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _edit(number: int, **answers: str) -> Review:
    messages = [
        ReviewedMessage(role=each.role, content=answers.get(f"turn{index}", each.content))
        for index, each in enumerate(make_dialogue(number).messages)
    ]
    return Review(
        id=f"exa-data-{number:04}", verdict="edit", messages=tuple(messages), reason="말투", reviewer="검수자 1", at=AT
    )


def test_accepted_dialogues_are_wanted_for_their_last_answer(run: Path) -> None:
    _export(run)
    row = next(each for each in _read(run, "kto") if each["id"] == "exa-data-0005")
    messages = [_turn(each.role, each.content) for each in make_dialogue(5).messages]
    assert row["prompt"] == messages[:-1]
    assert row["completion"] == messages[-1:]
    assert row["label"] is True
    assert row["reason"] is None


def test_dropped_dialogues_are_unwanted_for_the_first_answer_found_wanting(run: Path) -> None:
    summary = _export(run)
    rows = [each for each in _read(run, "kto") if not each["label"]]
    assert [row["id"] for row in rows] == ["exa-data-0020", "exa-data-0021"]
    for row, number in zip(rows, (20, 21), strict=True):
        asked, answered = make_dialogue(number).messages[:2]
        assert row["prompt"] == [_turn("user", asked.content)]
        assert row["completion"] == [_turn("assistant", answered.content)]
        assert row["reason"] == "speech-level"
    assert summary.blameless == 1
    assert sum(summary.counts["kto"].values()) == 22
    assert "dpo" not in summary.counts


def test_a_flag_makes_an_accepted_answer_unwanted_and_acceptance_clears_a_dropped_one(run: Path) -> None:
    flag = Review(id="exa-data-0007", verdict="flag", reason="어색함", turn=3, reviewer="검수자 1", at=AT)
    whole = Review(id="exa-data-0008", verdict="flag", reason="재미없음", reviewer="검수자 1", at=AT)
    cleared = Review(id="exa-data-0020", verdict="accept", reviewer="검수자 1", at=AT)
    _export(run, flag, whole, cleared)
    rows = {each["id"]: each for each in _read(run, "kto")}
    assert rows["exa-data-0007"]["label"] is False
    assert rows["exa-data-0007"]["reason"] == "어색함"
    assert rows["exa-data-0007"]["completion"][0]["content"] == make_dialogue(7).messages[3].content
    assert not {"exa-data-0008", "exa-data-0020"} & set(rows)


def test_an_edited_answer_is_chosen_over_the_one_it_replaces(run: Path) -> None:
    _export(run, _edit(6, turn3="*웃으며* 다음에 또 얘기해 줘!"), with_system_prompt=True)
    messages = [_turn(each.role, each.content) for each in make_dialogue(6).messages]
    assert _read(run, "dpo") == [
        {
            "prompt": [_turn("system", "너는 엑사야."), *messages[:3]],
            "chosen": [_turn("assistant", "*웃으며* 다음에 또 얘기해 줘!")],
            "rejected": [messages[3]],
            "id": "exa-data-0006",
            "topic": "일상 대화",
            "reason": "말투",
        }
    ]
    assert "exa-data-0006" not in {each["id"] for each in _read(run, "kto")}


def test_a_rejected_edit_is_nothing_to_choose(run: Path) -> None:
    path = run / "curated" / "decisions.parquet"
    rows = pq.read_table(path).to_pylist()
    for row in rows:
        if row["id"] == "exa-data-0006":
            row |= {"status": "dropped", "reason": "speech-level", "split": None}
    pq.write_table(pa.Table.from_pylist(rows, schema=pq.read_schema(path)), path)
    rejected = _edit(6, turn3="네, 다음에 또 이야기해 주시기 바랍니다.")
    flagged = Review(id="exa-data-0007", verdict="flag", turn=1, reason="말투", revision=2, reviewer="검수자 1", at=AT)
    _export(run, rejected, _edit(7, turn1="네, 알겠습니다."), flagged, _edit(8, turn1="*웃으며* 그럼, 당연하지!"))
    assert [each["id"] for each in _read(run, "dpo")] == ["exa-data-0008"]
    unwanted = {each["id"]: each for each in _read(run, "kto") if not each["label"]}
    assert "exa-data-0006" not in unwanted
    assert unwanted["exa-data-0007"]["completion"] == [_turn("assistant", "네, 알겠습니다.")]


def test_an_accepted_edit_is_chosen_and_wanted(run: Path) -> None:
    accepted = Review(id="exa-data-0006", verdict="accept", revision=2, reviewer="검수자 2", at=AT)
    _export(run, _edit(6, turn3="*웃으며* 다음에 또 얘기해 줘!"), accepted)
    assert [each["id"] for each in _read(run, "dpo")] == ["exa-data-0006"]
    assert "exa-data-0006" in {each["id"] for each in _read(run, "kto") if each["label"]}


@pytest.mark.parametrize("reason", ["duplicate", "edit-rejected"])
def test_a_flag_that_finds_no_fault_with_an_answer_blames_none(run: Path, reason: str) -> None:
    flag = Review(id="exa-data-0007", verdict="flag", reason=reason, turn=3, reviewer="검수자 1", at=AT)
    _export(run, flag)
    assert "exa-data-0007" not in {each["id"] for each in _read(run, "kto")}


def test_a_pair_stays_in_the_split_of_its_dialogue(run: Path) -> None:
    _export(run, _edit(0, turn1="*안아 주며* 많이 속상했지?"), _edit(2, turn1="그럼, 보고 싶었지!"))
    for number, split in ((0, "test"), (2, "validation")):
        lines = (run.parent / "out" / "dpo" / f"{split}.jsonl").read_text("utf-8").splitlines()
        assert [json.loads(line)["id"] for line in lines] == [f"exa-data-{number:04}"]


def test_where_the_users_words_were_changed_too_there_is_no_pair() -> None:
    original = make_dialogue(1).messages
    asked = [Message("user", "저녁 뭐 먹지?"), Message("assistant", "파스타!"), *original[2:]]
    assert find_rewritten(original, asked) == []
    answered = [*original[:3], Message("assistant", "별말씀을 다 하네 ㅎㅎ")]
    assert find_rewritten(original, answered) == [3]


def test_where_turns_were_taken_out_only_the_first_difference_is_a_pair() -> None:
    original = (*make_dialogue(1).messages, Message("user", "잘 자"), Message("assistant", "잘 자!"))
    shortened = [original[0], Message("assistant", "김치찌개!"), *original[4:]]
    assert find_rewritten(original, shortened) == [1]


def test_ids_spread_over_the_splits_and_always_the_same_way() -> None:
    drawn = [draw_split(f"exa-data-{number}") for number in range(2_000)]
    assert drawn == [draw_split(f"exa-data-{number}") for number in range(2_000)]
    assert 1_750 < drawn.count("train") < 1_850
    assert 60 < drawn.count("test") < 140


def test_trainers_get_what_the_conversational_formats_ask_for(run: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    _export(run, _edit(6, turn3="*웃으며* 또 얘기해 줘!"))
    loaded = {
        name: datasets.load_dataset(str(tmp_path / "out"), name, split="train", cache_dir=str(tmp_path / "cache"))
        for name in ("kto", "dpo")
    }
    assert loaded["kto"].features["label"].dtype == "bool"
    for column in ("chosen", "rejected"):
        assert [each["role"] for each in loaded["dpo"][0][column]] == ["assistant"]


def test_without_the_generated_dialogues_there_are_no_preferences(run: Path) -> None:
    (run / "dialogues").rename(run / "elsewhere")
    with pytest.raises(UsageError, match=r"there is no .*dialogues"):
        _export(run)
    source = ExportSource(run, originals=lambda: read_dialogues(run / "elsewhere"))
    assert export([source], run.parent / "out", "preferences").counts["kto"]


def test_missing_findings_are_named(run: Path) -> None:
    (run / "curated" / "findings.parquet").unlink()
    with pytest.raises(DataError, match=r"findings\.parquet cannot be read"):
        _export(run)


def test_only_one_run_gives_preferences(run: Path, tmp_path: Path) -> None:
    other = make_run(tmp_path / "gf", dataset="gf-persona-data")
    with pytest.raises(UsageError, match="from one run, not 2"):
        export([ExportSource(run), ExportSource(other)], tmp_path / "out", "preferences")
