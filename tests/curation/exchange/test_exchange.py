"""Out to Label Studio and Argilla and back: the same reviews, those of others, and whatever makes no sense named."""

import base64
import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from curation.curate import CurateRequest, curate
from curation.exchange.exchange import ImportOptions, export_reviews, import_reviews
from curation.reviews import REVIEWS_FILE, Review, append_review, list_turns
from datagen.errors import DataError, UsageError
from datagen.record import Message
from datagen.simulator.compose import Request, compose
from tests.pictures import make_png, make_wav

AT = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
LATER = datetime(2026, 3, 9, 8, 30, tzinfo=UTC)
OPTIONS = ImportOptions(LATER)
PERSONA = "id: exa\nname: 엑사\nage: 19\nspeech_level: banmal\nsystem_prompt: 너는 엑사야. 늘 반말로 밝게 말해.\n"
TALK = "유저: 나 왔어\n페르소나: *손을 흔들며* 어서 와!\n유저: 오늘 힘들었다\n페르소나: 고생했어, 여기 앉아 봐."
EDITED = TALK.replace("고생했어", "*의자를 빼 주며* 고생했어")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Eight dialogues, one of them with a finding behind an emoji that browsers count as two characters."""
    (tmp_path / "exa.yaml").write_text(PERSONA, encoding="utf-8")
    rng = random.Random(4)
    talks = [compose(Request("일상 대화", 3, "banmal"), rng) for _ in range(8)]
    talks[7] = (*talks[7][:-1], Message("assistant", "🙂 좋아, 내일 또 얘기하자. 그렇게 하십시오."))
    rows = [
        {"id": f"exa-{number}", "topic": "일상 대화", "messages": to_turns(each)} for number, each in enumerate(talks)
    ]
    (tmp_path / "data").mkdir()
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (tmp_path / "data" / "dialogues.jsonl").write_text(text, encoding="utf-8")
    recurate(tmp_path)
    return tmp_path / "out"


def recurate(folder: Path) -> None:
    curate(CurateRequest(folder / "data", folder / "out", (folder / "exa.yaml",)))


def to_turns(messages: tuple[Message, ...]) -> list[dict[str, str]]:
    return [{"role": each.role, "content": each.content} for each in messages]


@pytest.fixture
def shown(run: Path) -> Path:
    """The same, the first of them with a picture and a recording, the second with a picture that is too large."""
    picture, voice = (base64.b64encode(content).decode() for content in (make_png(), make_wav()))
    path = run.parent / "data" / "dialogues.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for row, url in ((rows[0], f"data:image/png;base64,{picture}"), (rows[1], "large.png")):
        text = {"type": "text", "text": row["messages"][0]["content"]}
        row["messages"][0]["content"] = [text, {"type": "image_url", "image_url": {"url": url}}]
    said = {"type": "text", "text": rows[0]["messages"][1]["content"]}
    audio = {"type": "input_audio", "input_audio": {"data": voice, "format": "wav"}}
    rows[0]["messages"][1]["content"] = [said, audio]
    (run.parent / "data" / "large.png").write_bytes(make_png()[:-12] + bytes(5_000_000) + make_png()[-12:])
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    recurate(run.parent)
    return run


def say(run: Path, id_: str, verdict: str, **values: object) -> Review:
    values = {"id": id_, "verdict": verdict, "reviewer": "검수자 1", "at": AT, **values}
    review = Review.model_validate(values)
    append_review(run / REVIEWS_FILE, review)
    return review


def edit(run: Path, id_: str, **values: object) -> Review:
    answered = "*웃으며* 그거 나도 궁금했어.\n유저: 라고 쓰면 헷갈리겠지?"
    messages = ({"role": "user", "content": "나 왔어"}, {"role": "assistant", "content": answered})
    return say(run, id_, "edit", messages=messages, **values)


def read_json(path: Path) -> list[dict[str, Any]]:
    value: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return value


def write_json(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return path


@pytest.mark.parametrize("users", [{}, {"검수자 1": "25407923-92e6-4a5b-98b7-3ed73850c6a1"}])
@pytest.mark.parametrize("format_", ["label-studio", "argilla"])
def test_reviews_that_go_out_come_back_the_same(run: Path, format_: str, users: dict[str, str]) -> None:
    reviews = [
        say(run, "exa-0", "accept", note="첫 줄\n둘째 줄"),
        say(run, "exa-1", "flag", reason="persona", turn=1, event=7),
        edit(run, "exa-2", reason="speech-level", turn=1, revision=3),
        say(run, "exa-3", "flag", reason="어색함"),
        edit(run, "exa-4", revision=2),
        say(run, "exa-4", "accept", revision=2, reviewer="검수자 2"),
    ]
    recurate(run.parent)
    written = export_reviews(run, run.parent / "exchange", format_, users)
    assert (written.dialogues, written.reviews) == (7, 6)  # the last is dropped, and nobody reviewed it
    back = import_reviews(written.files[0], format_, ImportOptions(LATER, users))
    assert back.problems == ()
    assert sorted(back.reviews, key=lambda each: (each.id, each.verdict == "accept")) == reviews


def test_the_configuration_of_label_studio_has_a_control_for_every_result(run: Path) -> None:
    say(run, "exa-1", "flag", reason='"어색함" & 다른 것', turn=1)
    recurate(run.parent)
    tasks, configuration = export_reviews(run, run.parent / "exchange", "label-studio").files
    root = ElementTree.parse(configuration).getroot()
    controls = {each.get("name"): each for each in root.iter() if each.get("toName") == "dialogue"}
    assert set(controls) == {"finding", "verdict", "reason", "turn", "note", "edited", "sent"}
    assert '"어색함" & 다른 것' in {each.get("alias") for each in controls["reason"]}
    used = {
        result["from_name"] for task in read_json(tasks) for each in task["annotations"] for result in each["result"]
    }
    assert used <= set(controls)
    variables = {str(each.get("value"))[1:] for each in root.iter() if str(each.get("value")).startswith("$")}
    assert all(variables <= set(task["data"]) for task in read_json(tasks))


def test_a_finding_is_a_prediction_that_browsers_find_at_its_place(run: Path) -> None:
    say(run, "exa-7", "accept")
    recurate(run.parent)
    tasks = read_json(export_reviews(run, run.parent / "exchange", "label-studio").files[0])
    (task,) = (each for each in tasks if each["data"]["id"] == "exa-7")
    (found,) = (
        each for each in task["predictions"][0]["result"] if each["value"]["paragraphlabels"] == ["speech-level"]
    )
    value = found["value"]
    units = task["data"]["dialogue"][int(value["start"])]["text"].encode("utf-16-le")
    assert units[2 * value["startOffset"] : 2 * value["endOffset"]].decode("utf-16-le") == value["text"]
    assert "하십시오" in value["text"]
    assert "speech-level" in task["data"]["findings"]


def label_studio_task(*results: dict[str, Any], **annotation: object) -> dict[str, Any]:
    """As Label Studio's export "JSON" has it."""
    return {
        "id": 812,
        "annotations": [
            {
                "id": 301,
                "completed_by": 4,
                "result": [{"id": "Dx_aB91ISN", "to_name": "dialogue", "origin": "manual", **each} for each in results],
                "was_cancelled": False,
                "ground_truth": False,
                "created_at": "2026-03-05T01:02:03.513742Z",
                "updated_at": "2026-03-05T01:04:05.746926Z",
                "draft_created_at": None,
                "lead_time": 42.1,
                "prediction": {},
                "result_count": len(results),
                "task": 812,
                **annotation,
            }
        ],
        "file_upload": "1d2c-tasks.json",
        "drafts": [],
        "predictions": [],
        "data": {"id": "exa-0001", "revision": 1, "topic": "일상 대화", "dialogue": [], "transcript": TALK},
        "meta": {},
        "created_at": "2026-03-04T21:52:49.513742Z",
        "updated_at": "2026-03-05T01:04:05.746926Z",
        "inner_id": 1,
        "total_annotations": 1,
        "project": 83,
        "updated_by": 4,
    }


def choose(name: str, *values: str) -> dict[str, Any]:
    return {"from_name": name, "type": "choices", "value": {"choices": list(values)}}


def write(name: str, *values: str) -> dict[str, Any]:
    return {"from_name": name, "type": "textarea", "value": {"text": list(values)}}


def number(value: float) -> dict[str, Any]:
    return {"from_name": "turn", "type": "number", "value": {"number": value}}


def test_annotations_of_label_studio_are_reviews(tmp_path: Path) -> None:
    tasks = [
        label_studio_task(
            choose("verdict", "flag"), choose("reason", "fact"), number(2), write("note", "날짜가", "틀림")
        ),
        label_studio_task(choose("verdict", "승인"), write("edited", TALK)),
        label_studio_task(
            choose("verdict", "edit"), write("edited", EDITED), completed_by={"id": 9, "email": "b@lab.kr"}
        ),
        label_studio_task(write("edited", EDITED), completed_by={"id": 9, "first_name": "검수", "last_name": "둘"}),
    ]
    found = import_reviews(
        write_json(tmp_path / "export.json", tasks), "label-studio", ImportOptions(LATER, {"검수자 1": "4"})
    )
    assert found.problems == ()
    flag, accept, edited, unnamed = found.reviews
    assert (flag.verdict, flag.reason, flag.turn, flag.note) == ("flag", "fact", 1, "날짜가\n틀림")
    assert (flag.reviewer, flag.at.isoformat()) == ("검수자 1", "2026-03-05T01:04:05.746926+00:00")
    assert (accept.verdict, accept.messages, accept.revision) == ("accept", None, None)
    assert list_turns(edited)[3].content == "*의자를 빼 주며* 고생했어, 여기 앉아 봐."
    assert (edited.reviewer, unnamed.reviewer, unnamed.verdict) == ("b@lab.kr", "검수 둘", "edit")


def test_a_verdict_on_an_edited_text_names_its_revision(tmp_path: Path) -> None:
    task = label_studio_task(choose("verdict", "accept"))
    task["data"]["revision"] = 2
    (review,) = import_reviews(write_json(tmp_path / "export.json", [task]), "label-studio", OPTIONS).reviews
    assert review.revision == 2


@pytest.mark.parametrize(
    ("task", "what", "kept"),
    [
        (label_studio_task(), "annotation 1: there is no verdict", 0),
        (label_studio_task(was_cancelled=True), "annotation 1: it was skipped", 0),
        (label_studio_task(choose("verdict", "accept", "flag")), "verdict has 2 answers", 0),
        (label_studio_task(choose("verdict", "maybe")), "the verdict is 'maybe'", 0),
        (label_studio_task(choose("verdict", "edit"), write("edited", TALK)), "the text is as it was shown", 0),
        (
            label_studio_task(choose("verdict", "edit"), write("edited", "유저: 나 왔어")),
            "ends with the user's turn",
            0,
        ),
        (label_studio_task(choose("verdict", "flag"), write("edited", EDITED)), "the edited text is left out", 1),
        (label_studio_task(choose("verdict", "flag"), number(5)), "turn 5 is left out: the dialogue has 4", 1),
        (label_studio_task(choose("verdict", "flag"), number(1.5)), "turn 1.5 is no number of a turn", 1),
        (label_studio_task(choose("verdict", "flag"), number(float("nan"))), "turn nan is no number of a turn", 1),
        (label_studio_task(choose("verdict", "flag"), choose("mood", "good")), "'choices' from 'mood' is not known", 1),
        (label_studio_task(choose("verdict", "flag"), choose("edited", "x")), "from 'edited' is not known", 1),
        (label_studio_task(choose("verdict", "flag"), {"type": "relation"}), "type 'relation' from None", 1),
        (label_studio_task(choose("verdict", "flag"), write("sent", "{")), "annotation 1, sent: ", 1),
        (label_studio_task(choose("verdict", "flag"), created_at="어제"), "annotation 1: created_at", 0),
        ({"id": 1, "annotations": [], "data": {"text": "다른 데이터"}}, "task 1: data.id: Field required", 0),
        ({"id": "exa-1", "verdict": "flag", "annotator": 1}, "task 1: there are no `annotations`", 0),
        ("exa-1", "task 1: ", 0),
    ],
)
def test_what_label_studio_wrote_and_makes_no_sense_is_named(
    tmp_path: Path, task: object, what: str, kept: int
) -> None:
    path = write_json(tmp_path / "export.json", [task])
    found = import_reviews(path, "label-studio", OPTIONS)
    problem = found.problems[0]
    assert problem.startswith(f"{path}:task 1")
    assert what in problem
    assert len(found.reviews) == kept


def test_an_annotation_that_somebody_changed_is_theirs(run: Path) -> None:
    sent = say(run, "exa-1", "flag", reason="persona", turn=1)
    path = export_reviews(run, run.parent / "exchange", "label-studio").files[0]
    tasks = read_json(path)
    (task,) = (each for each in tasks if each["data"]["id"] == "exa-1")
    (annotation,) = task["annotations"]
    annotation |= {"completed_by": 5, "updated_at": "2026-03-06T00:00:00Z"}
    assert import_reviews(write_json(path, tasks), "label-studio", OPTIONS).reviews == (sent,)
    next(each for each in annotation["result"] if each["from_name"] == "turn")["value"]["number"] = 4
    (changed,) = import_reviews(write_json(path, tasks), "label-studio", OPTIONS).reviews
    assert (changed.turn, changed.reviewer, changed.at.day) == (3, "label-studio-5", 6)


def argilla_record(**responses: object) -> dict[str, Any]:
    """As `dataset.records.to_json` has it."""
    names, contents = ("user", "assistant", "user", "assistant"), [line.split(": ", 1)[1] for line in TALK.split("\n")]
    return {
        "id": "exa-0001",
        "fields": {
            "dialogue": [{"role": role, "content": content} for role, content in zip(names, contents, strict=True)],
            "findings": "–",
        },
        "metadata": {"topic": "일상 대화", "revision": 1},
        "suggestions": {},
        "responses": responses,
        "vectors": {},
        "status": "completed",
        "_server_id": "8b8f8a7e-6f2f-4a3b-9a7e-0d5b1c2d3e4f",
    }


def test_responses_of_argilla_are_reviews_each_by_its_user(tmp_path: Path) -> None:
    one, two = "25407923-92e6-4a5b-98b7-3ed73850c6a1", "0a6bfa5c-1c7b-4c8e-8f43-5a7d2b9c1e00"
    record = argilla_record(
        verdict=[{"value": "flag", "user_id": one}, {"value": "edit", "user_id": two}],
        reason=[{"value": "unsafe", "user_id": one}],
        turn=[{"value": "4", "user_id": one}],
        edited=[{"value": EDITED, "user_id": two}],
    )
    path = write_json(tmp_path / "records.json", [record])
    found = import_reviews(path, "argilla", ImportOptions(LATER, {"검수자 1": one}))
    assert found.problems == ()
    flag, edited = found.reviews
    assert (flag.verdict, flag.reason, flag.turn, flag.reviewer) == ("flag", "unsafe", 3, "검수자 1")
    assert (edited.verdict, edited.reviewer, edited.at) == ("edit", two, LATER)
    assert list_turns(edited)[3].content.startswith("*의자를 빼 주며*")


@pytest.mark.parametrize(
    ("record", "what"),
    [
        (argilla_record(note=[{"value": "좋다", "user_id": "u"}]), "user u: there is no verdict"),
        (argilla_record(mood=[{"value": "좋다", "user_id": "u"}]), "the question 'mood' is not known"),
        (argilla_record(verdict=[{"value": "accept", "user_id": "u", "status": "draft"}]), "a response that is draft"),
        (argilla_record(verdict="accept"), "responses.verdict: "),
        (argilla_record() | {"fields": {"text": "다른 데이터"}}, "fields.dialogue: Field required"),
        (argilla_record() | {"fields": {"dialogue": []}}, "the dialogue is none"),
        (argilla_record() | {"metadata": {"reviews": "[{}]"}}, "record 1, metadata.reviews"),
        (None, "record 1: "),
    ],
)
def test_what_argilla_wrote_and_makes_no_sense_is_named(tmp_path: Path, record: object, what: str) -> None:
    path = write_json(tmp_path / "records.json", [record])
    found = import_reviews(path, "argilla", OPTIONS)
    (problem,) = found.problems
    assert problem.startswith(f"{path}:record 1")
    assert what in problem
    assert found.reviews == ()


def test_pictures_and_recordings_are_shown_in_both_tools(shown: Path) -> None:
    export_reviews(shown, shown.parent / "ls", "label-studio")
    export_reviews(shown, shown.parent / "argilla", "argilla")
    tasks = {each["data"]["id"]: each["data"]["media"] for each in read_json(shown.parent / "ls" / "tasks.json")}
    fields = {each["id"]: each["fields"] for each in read_json(shown.parent / "argilla" / "records.json")}
    picture, voice = (base64.b64encode(content).decode() for content in (make_png(), make_wav()))
    assert tasks["exa-0"] == (
        f'<p>1번째 말의 사진</p><img src="data:image/png;base64,{picture}" alt="1번째 말의 사진">'
        f'<p>2번째 말의 녹음</p><audio controls src="data:audio/wav;base64,{voice}"></audio>'
    )
    assert tasks["exa-1"].startswith("<p>1번째 말의 사진: 너무 커서 싣지 않음 (5,000,")
    assert tasks["exa-2"] == "–"
    assert {id_: each["media"] for id_, each in fields.items() if "media" in each} == {
        id_: tasks[id_] for id_ in ("exa-0", "exa-1")
    }
    config = (shown.parent / "ls" / "labelling.xml").read_text(encoding="utf-8")
    assert ElementTree.fromstring(config).find("HyperText[@value='$media']") is not None
    settings = json.loads((shown.parent / "argilla" / "settings.json").read_text(encoding="utf-8"))
    (field,) = (each for each in settings["fields"] if each["name"] == "media")
    assert field["settings"] == {"type": "text", "use_markdown": True}


def test_a_picture_that_was_altered_is_said_to_be_so(shown: Path) -> None:
    for path in (shown / "media").iterdir():
        path.write_bytes(b"?")
    export_reviews(shown, shown.parent / "ls", "label-studio")
    tasks = {each["data"]["id"]: each["data"]["media"] for each in read_json(shown.parent / "ls" / "tasks.json")}
    assert tasks["exa-0"] == "<p>1번째 말의 사진: 파일이 없거나 바뀜</p><p>2번째 말의 녹음: 파일이 없거나 바뀜</p>"


@pytest.mark.parametrize("format_", ["label-studio", "argilla"])
def test_without_pictures_nothing_speaks_of_them(run: Path, format_: str) -> None:
    for path in export_reviews(run, run.parent / "exchange", format_).files:
        assert "media" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("format_", ["label-studio", "argilla"])
def test_a_file_that_is_no_export_is_told(tmp_path: Path, format_: str) -> None:
    with pytest.raises(UsageError, match="no such file"):
        import_reviews(tmp_path / "export.json", format_, OPTIONS)
    for text, what in (("{", "is not JSON"), ("{}", "holds dict, expected a list"), ("[" * 100_000, "is not JSON")):
        (tmp_path / "export.json").write_text(text, encoding="utf-8")
        with pytest.raises(DataError, match=what):
            import_reviews(tmp_path / "export.json", format_, OPTIONS)


def test_an_unknown_format_and_a_folder_that_is_not_curated_are_told(run: Path) -> None:
    with pytest.raises(UsageError, match="no exchange format 'labelstudio'") as caught:
        export_reviews(run, run.parent / "exchange", "labelstudio")
    assert "did you mean 'label-studio'?" in (caught.value.hint or "")
    with pytest.raises(UsageError, match="is not curated"):
        export_reviews(run.parent / "data", run.parent / "exchange", "argilla")
