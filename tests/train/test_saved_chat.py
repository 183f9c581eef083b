"""Chats on disk, and as curation and review see them."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import dedent
from typing import Any
from urllib.request import Request, urlopen

import pytest

import damhwa
from curation.curate import CurateRequest, curate
from datagen.errors import DataError, UsageError
from review_ui.reviewed_run import ReviewOptions
from tests.conftest import PERSONA
from tests.review_ui.browser.station import Station
from tests.train.chatting import COMFORT, GREETING, Script
from train.saved_chat import SavedChats

CHAT = [
    {"role": "user", "content": "나 왔어"},
    {"role": "assistant", "content": GREETING},
    {"role": "user", "content": "오늘 힘들었어"},
    {"role": "assistant", "content": COMFORT},
]
OTHER = [
    {"role": "user", "content": "점심 뭐 먹지?"},
    {"role": "assistant", "content": "*턱을 괴며* 비 오니까 칼국수 어때? 국물이 당기는 날이잖아."},
]
PARTNER = Script.of().partner


def _read(saved: SavedChats) -> list[Any]:
    return [json.loads(line) for line in saved.file.read_text(encoding="utf-8").splitlines()]


def test_a_chat_is_a_row_with_who_said_what_and_the_same_is_saved_once(tmp_path: Path) -> None:
    saved = SavedChats(tmp_path / "chats")
    ids = [saved.save(PARTNER, messages) for messages in (OTHER, CHAT, CHAT)]
    rows = _read(saved)
    assert [row["id"] for row in rows] == ids[:2]
    assert ids[1] == ids[2]
    assert [row["messages"] for row in rows] == [OTHER, CHAT]
    assert {(row["topic"], row["persona"], row["model"]) for row in rows} == {("채팅", "exa", "exagirl-tiny")}
    assert rows[0]["created_at"].endswith("+00:00")


def test_a_chat_that_went_on_takes_the_place_of_its_beginning_and_of_nothing_else(tmp_path: Path) -> None:
    saved = SavedChats(tmp_path)
    saved.file.write_text('{"messages": 3}\n[]\n', encoding="utf-8")
    beginning, *_, whole = [saved.save(PARTNER, messages) for messages in (CHAT[:2], OTHER, CHAT)]
    assert [row["messages"] for row in _read(saved)[2:]] == [OTHER, CHAT]
    assert beginning != whole


def test_chats_that_are_saved_at_the_same_time_are_all_there(tmp_path: Path) -> None:
    saved = SavedChats(tmp_path)
    chats = [[{"role": "user", "content": f"{number}번"}, CHAT[1]] for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda chat: saved.save(PARTNER, chat), chats))
    assert len(_read(saved)) == 24


def test_behind_a_torn_line_a_new_one_begins(tmp_path: Path) -> None:
    saved = SavedChats(tmp_path)
    saved.file.write_text('{"messages": [{"role": "us', encoding="utf-8")
    saved.save(PARTNER, CHAT)
    assert json.loads(saved.file.read_text(encoding="utf-8").splitlines()[1])["messages"] == CHAT


def test_nothing_said_and_a_folder_that_cannot_be_written_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing was said"):
        SavedChats(tmp_path).save(PARTNER, [])
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be written") as caught:
        SavedChats(tmp_path / "file").save(PARTNER, CHAT)
    assert "--chats" in str(caught.value.hint)


def test_a_chat_sent_to_review_is_dealt_to_a_reviewer_also_while_the_page_is_open(tmp_path: Path) -> None:
    saved, run, persona = SavedChats(tmp_path / "chats"), tmp_path / "runs" / "chats", tmp_path / "exa.yaml"
    persona.write_text("\n".join(line[4:] for line in PERSONA.splitlines()), encoding="utf-8")
    first = saved.save(PARTNER, CHAT)
    curate(CurateRequest(saved.folder, run, (persona,)))
    station = Station(run, ReviewOptions(personas=(persona,)))
    station.start()
    try:
        assert _deal(station) == {first: CHAT}
        longer = [
            *CHAT,
            {"role": "user", "content": "고마워"},
            {"role": "assistant", "content": "*씩 웃으며* 뭘 그런 걸로."},
        ]
        second, third = saved.save(PARTNER, OTHER), saved.save(PARTNER, longer)
        curate(CurateRequest(saved.folder, run, (persona,)))
        assert _deal(station) == {second: OTHER, third: longer}
    finally:
        station.stop()


def _deal(station: Station) -> dict[str, list[dict[str, str]]]:
    """What a reviewer gets in both modes, by id."""
    with urlopen(f"{station.url}/api/v1/me") as answer:
        csrf = json.load(answer)["csrf"]
    found = {}
    for mode in ("audit", "triage"):
        body = json.dumps({"mode": mode, "count": 5}).encode()
        headers = {"Content-Type": "application/json", "X-CSRF-Token": csrf}
        with urlopen(Request(f"{station.url}/api/v1/runs/chats/claims", body, headers)) as answer:
            for card in json.load(answer)["cards"]:
                found[card["id"]] = [{"role": each["role"], "content": each["content"]} for each in card["turns"]]
    return found


def test_a_chat_that_curation_drops_is_not_said_to_be_in_the_queue(tmp_path: Path) -> None:
    persona = tmp_path / "exa.yaml"
    persona.write_text(dedent(PERSONA), encoding="utf-8")
    chats, run = tmp_path / "chats", tmp_path / "run"
    broken = [
        {"role": "user", "content": "뭐 해?"},
        {"role": "assistant", "content": "*책을 덮으며 너 기다렸지~ *웃으며"},
    ]
    saved = SavedChats(chats)
    kept = [saved.save(PARTNER, messages) for messages in (CHAT, broken)]
    assert damhwa._send_to_review(chats, kept[0], run, persona) == f"damhwa review {run} --persona {persona}"
    with pytest.raises(UsageError, match="curation does not let it through to reviewers: stage-direction") as caught:
        damhwa._send_to_review(chats, kept[1], run, persona)
    assert f"damhwa explain {run} {kept[1]}" in str(caught.value.hint)
