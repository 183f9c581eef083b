"""What leaves a context that is full, and where the system prompt stands."""

import json
from pathlib import Path
from threading import Event

import pytest

from datagen.errors import DataError, SpecError, UsageError
from tests.train.chatting import GREETING, Script
from train.talk import Partner, TooLongError, answer, find_persona

CHAT = [
    {"role": "user", "content": "나 왔어"},
    {"role": "assistant", "content": GREETING},
    {"role": "user", "content": "보드게임 하자"},
    {"role": "assistant", "content": "좋아, 내가 먼저 할게!"},
    {"role": "user", "content": "살살 해 줘"},
]


def test_the_oldest_exchanges_leave_whole_and_the_system_prompt_stays() -> None:
    script = Script.of(TooLongError(), TooLongError(), "알았어, 봐줄게.")
    partner = Partner("tiny", script.speak, "exa", "엑사", "너는 엑사다.")
    left, *pieces = answer(partner, CHAT, Event())
    assert left == 2
    assert "".join(map(str, pieces)) == "알았어, 봐줄게."
    assert script.asked[0] == [{"role": "system", "content": "너는 엑사다."}, *CHAT]
    assert script.asked[2] == [{"role": "system", "content": "너는 엑사다."}, *CHAT[4:]]


def test_without_a_system_prompt_the_models_own_is_not_disturbed() -> None:
    script = Script.of(GREETING)
    assert "".join(map(str, answer(script.partner, CHAT[:1], Event()))) == GREETING
    assert script.asked == [CHAT[:1]]


def test_a_message_that_does_not_fit_even_alone_is_told() -> None:
    with pytest.raises(UsageError, match="does not fit"):
        list(answer(Script.of(*[TooLongError() for _ in range(3)]).partner, CHAT, Event()))


PERSONA = {"id": "exa", "name": "엑사", "age": 19, "speech_level": "banmal", "system_prompt": "너는 엑사다.\n"}


def test_the_persona_is_that_of_the_file_else_that_of_the_models_own_record(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(json.dumps(PERSONA | {"id": "boram", "name": "보람"}), encoding="utf-8")
    assert find_persona(tmp_path, None) is None
    (tmp_path / "lineage.json").write_text(json.dumps({"persona": PERSONA}), encoding="utf-8")
    own, given = find_persona(tmp_path, None), find_persona(tmp_path, tmp_path / "other.yaml")
    assert own is not None
    assert given is not None
    assert (own.name, given.name) == ("엑사", "보람")
    partner = Partner.of("tiny", Script.of().speak, own)
    assert (partner.id, partner.name, partner.system_prompt) == ("exa", "엑사", "너는 엑사다.")
    assert Partner.of("tiny", Script.of().speak, None).system_prompt is None


def test_a_wrong_persona_is_told_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "exa.yaml").write_text("id: exa\nname: 엑사\nage: 9\n", encoding="utf-8")
    (tmp_path / "manifest.json").write_text('{"persona": 3}', encoding="utf-8")
    with pytest.raises(SpecError, match=r"exa\.yaml:3"):
        find_persona(None, tmp_path / "exa.yaml")
    with pytest.raises(SpecError, match=r"none\.yaml"):
        find_persona(None, tmp_path / "none.yaml")
    with pytest.raises(DataError, match=r"manifest\.json"):
        find_persona(tmp_path, None)
