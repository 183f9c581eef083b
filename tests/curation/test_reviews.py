"""Reviews: durable, the last one counts, and a damaged file says where."""

import multiprocessing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from curation.reviews import Review, ReviewedMessage, append_review, fold_reviews, list_turns, read_reviews
from datagen.errors import DataError

AT = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def _review(id_: str = "exa-0001", **values: object) -> Review:
    return Review.model_validate({"id": id_, "verdict": "accept", "reviewer": "검수자 1", "at": AT, **values})


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "reviews.jsonl"
    edit = _review(
        verdict="edit",
        note="존댓말이 섞여서\n반말로 고침",
        turn=1,
        messages=(
            ReviewedMessage(role="user", content="나 왔어"),
            ReviewedMessage(role="assistant", content="*손을 흔들며* 어서 와!"),
        ),
    )
    flag = _review("exa-0002", verdict="flag", reason="speech-level")
    for review in (edit, flag):
        append_review(path, review)
    found = read_reviews(path)
    assert found.by_id == {"exa-0001": edit, "exa-0002": flag}
    assert found.warning is None
    assert "어서 와!" in path.read_text(encoding="utf-8")


def test_the_last_review_of_a_dialogue_counts(tmp_path: Path) -> None:
    path = tmp_path / "reviews.jsonl"
    append_review(path, _review(verdict="flag", reason="어색함"))
    append_review(path, _review("exa-0002"))
    append_review(path, _review(note="다시 보니 괜찮다"))
    found = read_reviews(path).by_id
    assert found["exa-0001"].verdict == "accept"
    assert len(path.read_text(encoding="utf-8").splitlines()) == 3


def test_no_file_means_no_reviews(tmp_path: Path) -> None:
    assert read_reviews(tmp_path / "reviews.jsonl").by_id == {}


@pytest.mark.parametrize("cut", [1, 2, 10, 60])
def test_a_line_that_a_crash_cut_off_is_named_left_out_and_never_glued_to_the_next(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "reviews.jsonl"
    append_review(path, _review())
    append_review(path, _review("exa-0002", note="가" * 5_000))
    path.write_bytes(path.read_bytes()[:-cut])
    found = read_reviews(path)
    assert list(found.by_id) == ["exa-0001"]
    assert found.warning == f"{path}:2: the last review was cut off while written; it is left out"
    append_review(path, _review("exa-0003"))
    again = read_reviews(path)
    assert list(again.by_id) == ["exa-0001", "exa-0003"]
    assert again.warning is None


def test_a_file_with_nothing_but_a_torn_line_can_be_written_to(tmp_path: Path) -> None:
    path = tmp_path / "reviews.jsonl"
    path.write_bytes(b'{"id": "' + b"x" * 10_000)
    append_review(path, _review())
    assert list(read_reviews(path).by_id) == ["exa-0001"]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("{", "Invalid JSON"),
        ("[]", "object"),
        ('{"id": "a", "verdict": "ok", "reviewer": "검수자 1", "at": "2026-03-02T10:00:00Z"}', "verdict: "),
        ('{"id": "a", "verdict": "accept", "reviewer": "검수자 1", "at": "2026-03-02T10:00:00"}', "at: "),
        ('{"id": "a", "verdict": "accept", "reviewer": "검수자 1", "at": "2026-03-02T10:00:00Z", "x": 1}', "x: "),
        ('{"id": "a", "verdict": "edit", "reviewer": "검수자 1", "at": "2026-03-02T10:00:00Z"}', "edited `messages`"),
    ],
)
def test_a_line_that_is_no_review_is_told_with_its_number(tmp_path: Path, line: str, what: str) -> None:
    path = tmp_path / "reviews.jsonl"
    append_review(path, _review())
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    append_review(path, _review("exa-0002"))
    with pytest.raises(DataError, match=r"reviews\.jsonl:2: not a review: ") as caught:
        read_reviews(path)
    assert what in caught.value.message


def test_an_edit_is_a_whole_dialogue() -> None:
    asked = {"role": "user", "content": "나 왔어"}
    answered = {"role": "assistant", "content": "어서 와!"}
    for messages in ([], [asked], [answered, asked], [asked, asked]):
        with pytest.raises(ValidationError):
            _review(verdict="edit", messages=tuple(messages))
    with pytest.raises(ValidationError, match="belong to an edit"):
        _review(messages=(asked, answered))


def _edit(content: str, revision: int | None = None) -> Review:
    asked = {"role": "user", "content": "나 왔어"}
    return _review(verdict="edit", messages=(asked, {"role": "assistant", "content": content}), revision=revision)


def test_a_verdict_on_an_edited_text_keeps_that_text() -> None:
    first, second = _edit("어서 와!"), _edit("*손을 흔들며* 어서 와!")
    accepted = _review(revision=3)
    found = fold_reviews([first, second, accepted])
    assert found.by_id == {"exa-0001": accepted}
    edit = found.find_edit("exa-0001")
    assert edit is not None
    assert (edit.revision, list_turns(edit)) == (3, list_turns(second))
    assert fold_reviews([first, second, _review(revision=2)]).edits["exa-0001"].messages == first.messages


def test_a_verdict_that_names_no_revision_is_on_the_text_as_generated() -> None:
    assert fold_reviews([_edit("어서 와!"), _review()]).find_edit("exa-0001") is None
    assert fold_reviews([_edit("어서 와!"), _review(revision=1)]).find_edit("exa-0001") is None


def test_a_verdict_on_a_text_that_nobody_made_is_left_out_and_named() -> None:
    found = fold_reviews([_review(verdict="flag", reason="persona"), _review(revision=2)])
    assert found.by_id["exa-0001"].verdict == "flag"
    assert found.warning == "a review of exa-0001 is of revision 2, which no edit made; it is left out"


def test_an_edited_turn_comes_into_its_normal_form_and_says_something() -> None:
    assert list_turns(_edit("어서\u200b 와!\r\n"))[1].content == "어서 와!\n"
    for content in (" ", "\u200b", "가" * 50_001):
        with pytest.raises(ValidationError):
            _edit(content)
    with pytest.raises(ValidationError, match="1 is the text as generated"):
        _edit("어서 와!", revision=1)


def _append_many(path: Path, writer: int) -> None:
    for number in range(40):
        append_review(path, _review(f"exa-{writer}-{number}", note="가나다" * 3_000))


def test_processes_that_write_at_once_do_not_mix_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "reviews.jsonl"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_append_many, args=(path, writer)) for writer in range(3)]
    for each in writers:
        each.start()
    for each in writers:
        each.join(60)
    assert len(read_reviews(path).by_id) == 120


def test_a_disk_that_refuses_is_an_error_and_never_a_warning(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="could not be written"):
        append_review(tmp_path / "file" / "reviews.jsonl", _review())
