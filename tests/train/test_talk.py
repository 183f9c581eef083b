"""What leaves a context that is full, and where the system prompt stands."""

import json
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import pytest

from datagen.errors import DataError, SpecError, UsageError
from tests.train.chatting import GREETING, Script
from train.talk import Messages, Partner, TooLongError, answer, find_persona

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


@dataclass
class Narrow:
    """Takes `room` messages at most. As with a model of ours, whoever leaves a reply sets its event."""

    room: int
    asked: list[int] = field(default_factory=list)

    def speak(self, messages: Messages, stop: Event) -> Generator[str, None, None]:
        self.asked.append(len(messages))
        if len(messages) > self.room:
            raise TooLongError
        try:
            for piece in ("알았어, ", "봐줄게."):
                if not stop.is_set():
                    yield piece
        finally:
            stop.set()


@pytest.mark.parametrize("exchanges", [1, 2, 3, 4, 7, 60, 800])
def test_a_long_chat_loses_no_more_than_it_must_and_is_not_tried_at_every_length(exchanges: int) -> None:
    chat = (CHAT[:2] * exchanges)[:-1]
    for kept in {1, 2, 3, exchanges // 3, exchanges // 2, exchanges - 1, exchanges} & {*range(1, exchanges + 1)}:
        narrow = Narrow(2 * kept - 1)
        left, *pieces = [0, *answer(Partner("tiny", narrow.speak), chat, Event())][-3:]
        assert (left, "".join(map(str, pieces))) == (exchanges - kept, "알았어, 봐줄게.")
        assert len(narrow.asked) <= 2 * exchanges.bit_length() + 2


def test_an_endpoint_that_changes_its_mind_about_what_fits_is_not_asked_for_ever() -> None:
    script = Script.of(*[TooLongError()] * 3, "?", *[TooLongError()] * 3)
    with pytest.raises(UsageError, match="does not fit"):
        list(answer(script.partner, CHAT[:2] * 5 + CHAT[:1], Event()))
    assert [11 - len(each) for each in script.asked] == [0, 2, 4, 8, 6, 8, 10]


def test_who_stops_while_a_long_chat_is_made_to_fit_gets_nothing() -> None:
    stop, narrow = Event(), Narrow(0)

    def speak(messages: Messages, stopped: Event) -> Generator[str, None, None]:
        stop.set()
        return narrow.speak(messages, stopped)

    assert list(answer(Partner("tiny", speak), CHAT[:2] * 100 + CHAT[:1], stop)) == []
    assert narrow.asked == [201]


def test_a_message_that_does_not_fit_even_alone_is_told() -> None:
    with pytest.raises(UsageError, match="does not fit"):
        list(answer(Script.of(*[TooLongError() for _ in range(3)]).partner, CHAT, Event()))
    with pytest.raises(UsageError, match="does not fit"):
        list(answer(Script.of().partner, [], Event()))


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
