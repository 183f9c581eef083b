"""`damhwa voice` over real HTTP: what is spoken, what is paid, and what is left when it is killed."""

import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import warnings
import wave
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from curation.build import BuildOptions, build
from curation.curate import CurateRequest, curate
from curation.explain import explain
from curation.lookup import read_table
from curation.recordings import Recordings, spell_out
from curation.voicing.voice import VoiceRequest, describe_voices, voice
from datagen.endpoint_options import ProviderOptions
from datagen.errors import BudgetSpentError, ProviderError, UsageError
from datagen.media import check_media
from datagen.record import Dialogue
from datagen.simulator.server import Simulator
from datagen.store import read_dialogues
from tests.conftest import edit as edit_file
from tests.conftest import serve_in_thread, write_spec
from tests.pictures import MP3, make_png, make_wav

StartSimulator = Callable[..., tuple[str, Simulator]]
Edit = Callable[[Path, str, str], None]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture(scope="session")
def _built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A curated run of 20 dialogues, half of them about pictures, with a voice in its spec."""
    folder = tmp_path_factory.mktemp("spoken")
    spec = write_spec(folder / "specs")
    (spec.parent / "pictures").mkdir()
    for number in range(3):
        (spec.parent / "pictures" / f"{number}.png").write_bytes(make_png((number, 0, 0)))
    edit_file(spec, "    quota: 12\n", "    quota: 12\n    pictures: pictures/\n")
    edit_file(spec, "seed: 3", "seed: 3\nvoice: {model: tts-1, voice: coral}")
    build(str(spec), folder / "run", BuildOptions(ProviderOptions(offline=True), baseline=0))
    return folder


@pytest.fixture
def run(_built: Path, tmp_path: Path) -> Path:
    """A run of the test's own; its spec lies beside it."""
    subprocess.run(["cp", "-r", str(_built / "run"), str(_built / "specs"), str(tmp_path)], check=True)
    return tmp_path / "run"


@pytest.fixture
def serve_speech() -> Iterator[Callable[[Handler], str]]:
    with ExitStack() as stack:

        def start(handler: Handler) -> str:
            app = web.Application()
            app.router.add_post("/v1/audio/speech", handler)
            return stack.enter_context(serve_in_thread(app))

        yield start


def ask(run: Path, url: str, **more: Any) -> VoiceRequest:
    own = {name: more.pop(name) for name in ("splits", "voice", "format") if name in more}
    return VoiceRequest(run, options=ProviderOptions(base_urls=(url,), **more), **own)


def read_curated(run: Path) -> list[Dialogue]:
    return [each for split in ("train", "validation", "test") for each in read_dialogues(run / "curated" / split)]


def count_recordings(run: Path, split: str) -> int:
    return sum(medium.kind == "audio" for each in read_dialogues(run / "curated" / split) for medium in each.media)


def test_every_utterance_of_the_persona_in_the_splits_is_spoken(run: Path, start_simulator: StartSimulator) -> None:
    url, simulator = start_simulator()
    before = read_curated(run)
    summary = voice(ask(run, url))
    dialogues = read_curated(run)
    assert [replace(each, media=()) for each in dialogues] == [replace(each, media=()) for each in before]
    for dialogue in dialogues:
        spoken = [at for at, each in enumerate(dialogue.messages) if each.role == "assistant"]
        assert [each.message for each in dialogue.media if each.kind == "audio"] == spoken
        assert check_media(dialogue, run) == ()
    assert {each.id: each.media[0] for each in before if each.media} == {
        each.id: each.media[0] for each in dialogues if each.media[0].kind == "image"
    }
    assert summary["recordings"] == sum(each.turns // 2 for each in dialogues)
    assert summary["added"] == simulator.counts["speech"] == simulator.counts["spoken"]
    assert all(not any(m.kind == "audio" for m in each.media) for each in read_dialogues(run / "dialogues"))
    assert "20 dialogues are spoken" in describe_voices(summary)


def test_datasets_loads_the_splits_of_now_though_it_loaded_those_of_before(
    run: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    assert not count_loaded_recordings(run, tmp_path / "cache")
    voice(ask(run, start_simulator()[0]))
    assert count_loaded_recordings(run, tmp_path / "cache") == count_recordings(run, "train") > 0


def count_loaded_recordings(run: Path, cache: Path) -> int:
    """As one who loads the folder again and again, with one cache."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import datasets

        rows = datasets.load_dataset(str(run / "curated"), cache_dir=str(cache))["train"]
    return sum(medium["kind"] == "audio" for media in rows["media"] for medium in media or ())


def test_a_recording_is_a_wav_as_long_as_its_text_and_directions_are_not_spoken(
    run: Path, serve_speech: Callable[[Handler], str]
) -> None:
    asked: list[dict[str, Any]] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(await request.json())
        assert request.headers["Accept"] == "application/octet-stream"
        return web.Response(body=make_wav(len(asked)), content_type="audio/wav")

    voice(ask(run, serve_speech(answer)))
    assert {(each["model"], each["voice"], each["response_format"]) for each in asked} == {("tts-1", "coral", "wav")}
    assert not any("*" in each["input"] or "{" in each["input"] for each in asked)
    said = {spell_out(m.content) for each in read_curated(run) for m in each.messages if m.role == "assistant"}
    assert {each["input"] for each in asked} == said


def test_a_persona_speaks_with_its_own_voice_and_a_voice_given_here_speaks_for_all(
    run: Path, start_simulator: StartSimulator, edit: Edit
) -> None:
    url, simulator = start_simulator()
    edit(run.parent / "specs" / "personas" / "exa.yaml", "age: 19", "age: 19\nvoice: marin")
    edit(run.parent / "specs" / "test-data.yaml", "coral", "cedar")  # a voice decides no dialogue: the run goes on
    spec = str(run.parent / "specs" / "test-data.yaml")
    build(spec, run, BuildOptions(ProviderOptions(offline=True), baseline=0))
    voice(ask(run, url))
    first = {(each.id, each.medium.message): each for each in Recordings.read(run)}
    assert {each.voice for each in first.values()} == {"marin"}
    paid = simulator.counts["speech"]
    voice(ask(run, url, voice="sage"))
    second = {(each.id, each.medium.message): each for each in Recordings.read(run)}
    assert {each.voice for each in second.values()} == {"sage"}
    assert simulator.counts["speech"] == 2 * paid
    assert all(first[key].medium.sha256 != each.medium.sha256 for key, each in second.items())


def test_the_same_command_again_pays_nothing_and_a_lost_recording_alone_is_spoken_again(
    run: Path, start_simulator: StartSimulator
) -> None:
    url, simulator = start_simulator()
    first = voice(ask(run, url))
    paid = simulator.counts["speech"]
    tables = {path: path.read_bytes() for path in (run / "curated").rglob("*.parquet")}
    assert voice(ask(run, url)) == {**first, "added": 0, "cost_usd": 0.0}
    assert simulator.counts["speech"] == paid
    assert {path: path.read_bytes() for path in (run / "curated").rglob("*.parquet")} == tables
    gone, torn = (run / each.medium.path for each in list(Recordings.read(run))[:2])
    gone.unlink()
    torn.write_bytes(torn.read_bytes()[:-2] + b"xy")
    assert voice(ask(run, url))["added"] == 2
    assert simulator.counts["speech"] == paid + 2
    assert all(check_media(each, run) == () for each in read_curated(run))


@pytest.mark.slow
def test_kill_9_of_voice_loses_and_pays_again_at_most_what_was_in_flight(
    run: Path, start_simulator: StartSimulator
) -> None:
    url, simulator = start_simulator(latency_s=0.05)
    command = [sys.executable, "-m", "damhwa", "voice", str(run), "--base-url", url, "--concurrency", "4", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    for at in (8, 20, 33):
        with subprocess.Popen(command, env=environment, **pipes) as process:
            deadline = time.monotonic() + 60
            while simulator.counts["spoken"] < at and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
        with closing(sqlite3.connect(run / "ledger.db")) as ledger:
            known = [json.loads(row[0]) for row in ledger.execute("SELECT reply FROM answers WHERE kind = 'voice'")]
        assert all((run / each["path"]).stat().st_size == each["size"] for each in known)
    done = subprocess.run(command, env=environment, check=True, **pipes)
    summary = json.loads(done.stdout)
    distinct = len({each.text for each in Recordings.read(run)})
    assert summary["recordings"] == sum(each.turns // 2 for each in read_curated(run))
    assert distinct <= simulator.counts["spoken"] <= distinct + 3 * 4
    assert not list((run / "media").glob(".*"))


def test_a_budget_is_kept_by_the_character_and_the_next_call_goes_on(
    run: Path, start_simulator: StartSimulator
) -> None:
    url, simulator = start_simulator()
    with pytest.raises(BudgetSpentError, match="the budget of"):
        voice(ask(run, url, budget_usd=0.01))  # 666 characters of tts-1 at 15 dollars a million
    assert 0 < simulator.counts["spoken_characters"] * 15 / 1e6 <= 0.01
    some = sum(1 for each in read_curated(run) for medium in each.media if medium.kind == "audio")
    assert some >= simulator.counts["spoken"] > 0
    already = simulator.counts["spoken_characters"]
    summary = voice(ask(run, url, budget_usd=1.0))
    assert summary["cost_usd"] == pytest.approx((simulator.counts["spoken_characters"] - already) * 15 / 1e6, abs=1e-6)


def test_an_unknown_price_is_no_price(run: Path, start_simulator: StartSimulator) -> None:
    url, _ = start_simulator()
    assert voice(ask(run, url, model="gpt-4o-mini-tts"))["cost_usd"] is None
    with pytest.raises(UsageError, match="the price of model 'gpt-4o-mini-tts' is unknown"):
        voice(ask(run, url, model="gpt-4o-mini-tts", budget_usd=1.0))


def test_where_nobody_can_be_asked_the_commands_own_options_are_named(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="voice: no model to ask: OPENAI_API_KEY is not set") as caught:
        voice(VoiceRequest(run))
    assert caught.value.hint is not None
    assert "--base-url" in caught.value.hint
    assert "--offline" in caught.value.hint


def test_the_simulators_faults_cost_retries_and_no_recording(run: Path, start_simulator: StartSimulator) -> None:
    url, simulator = start_simulator(server_error=0.1, cut=0.1, malformed=0.1)
    summary = voice(ask(run, url, concurrency=64))  # the waits between tries go by together
    assert summary["refused"] == 0
    assert all(check_media(each, run) == () for each in read_curated(run))
    assert all(simulator.counts[name] for name in ("server_error", "cut", "malformed"))


def test_an_endpoint_that_speaks_another_format_is_believed_by_its_bytes(
    run: Path, serve_speech: Callable[[Handler], str]
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=MP3, content_type="audio/wav")

    voice(ask(run, serve_speech(answer)))
    assert {each.medium.media_type for each in Recordings.read(run)} == {"audio/mpeg"}


def test_an_endpoint_that_cannot_speak_ends_the_command_with_its_word(
    run: Path, start_simulator: StartSimulator
) -> None:
    url, _ = start_simulator()
    with pytest.raises(ProviderError, match="the simulator speaks wav alone"):
        voice(ask(run, url, format="mp3"))


def test_only_the_split_that_was_asked_for_is_spoken_and_others_keep_theirs(
    run: Path, start_simulator: StartSimulator
) -> None:
    url, _ = start_simulator()
    voice(ask(run, url, splits=("test",)))
    assert count_recordings(run, "test")
    assert not count_recordings(run, "train")
    assert not count_recordings(run, "validation")
    voice(ask(run, url, splits=("validation",)))
    assert count_recordings(run, "test")
    assert count_recordings(run, "validation")
    assert not count_recordings(run, "train")


def test_curating_again_keeps_the_recordings_and_an_edited_line_has_none(
    run: Path, start_simulator: StartSimulator
) -> None:
    url, _ = start_simulator()
    voice(ask(run, url))
    spoken = {each.id: each.media for each in read_curated(run)}
    dialogue = next(each for each in read_curated(run) if each.turns >= 4)
    messages = [{"role": each.role, "content": each.content} for each in dialogue.messages]
    messages[1]["content"] = "*고개를 끄덕이며* 그래, 그건 나도 처음 들어 보는 이야기야."
    review = {"id": dialogue.id, "verdict": "edit", "reviewer": "r", "at": "2026-03-02T09:00:00Z"}
    (run / "reviews.jsonl").write_text(json.dumps({**review, "messages": messages}) + "\n", encoding="utf-8")
    curate(CurateRequest(run))
    again = {each.id: each.media for each in read_curated(run)}
    assert again.pop(dialogue.id) == tuple(each for each in spoken.pop(dialogue.id) if each.message != 1)
    assert again == {id_: media for id_, media in spoken.items() if id_ in again}


def test_a_run_that_was_never_curated_is_spoken_as_it_is(run: Path, start_simulator: StartSimulator) -> None:
    url, _ = start_simulator()
    subprocess.run(["rm", "-r", str(run / "curated")], check=True)
    summary = voice(ask(run, url))
    assert summary["dialogues"] == len(list(read_dialogues(run / "dialogues")))
    assert not (run / "curated").exists()
    with pytest.raises(UsageError, match="is not curated, so it has no splits"):
        voice(ask(run, url, splits=("train",)))


def test_explain_tells_pictures_and_recordings_with_path_and_hash(run: Path, start_simulator: StartSimulator) -> None:
    url, _ = start_simulator()
    voice(ask(run, url))
    dialogue = next(each for each in read_curated(run) if each.media[0].kind == "image")
    told = explain(run, dialogue.id).to_json()
    assert [each["sha256"] for each in told["media"]] == [each.sha256 for each in dialogue.media]
    done = subprocess.run(
        [sys.executable, "-m", "damhwa", "explain", str(run), dialogue.id],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "COLUMNS": "400"},
    )
    assert f"shows {dialogue.media[0].path}" in done.stdout
    assert f"is spoken in {dialogue.media[1].path}" in done.stdout


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_a_dialogue_whose_picture_is_damaged_is_dropped_with_evidence(run: Path, damage: str) -> None:
    dialogue = next(each for each in read_curated(run) if each.media)
    picture = run / dialogue.media[0].path
    if damage == "gone":
        picture.unlink()
    else:
        picture.write_bytes(make_png((9, 9, 9)))
    curate(CurateRequest(run))
    assert dialogue.id not in {each.id for each in read_curated(run)}
    findings = read_table(run / "curated" / "findings.parquet", ["id", "code", "message", "evidence", "verdict"])
    (found,) = [each for each in findings.to_pylist() if each["id"] == dialogue.id and each["code"] == "media"]
    assert (found["verdict"], found["message"]) == ("drop", 0)
    assert f"사진 파일이 없거나 행에 적힌 것과 다름: {dialogue.media[0].path}" in found["evidence"]


def test_the_next_build_brings_a_lost_picture_back(run: Path) -> None:
    before = {each.id for each in read_curated(run)}
    for picture in (run / "media").glob("*.png"):
        picture.unlink()
    spec = str(run.parent / "specs" / "test-data.yaml")
    build(spec, run, BuildOptions(ProviderOptions(offline=True), baseline=0))
    assert {each.id for each in read_curated(run)} == before


def test_a_simulated_recording_can_be_played_and_lasts_as_long_as_its_text(
    start_simulator: StartSimulator, run: Path
) -> None:
    url, _ = start_simulator()
    voice(ask(run, url))
    for each in Recordings.read(run):
        with wave.open(io.BytesIO((run / each.medium.path).read_bytes())) as file:
            assert file.getnframes() / file.getframerate() == pytest.approx(0.12 * len(each.text), rel=0.01)


@given(st.text(st.sampled_from("가나*{}유저 \n.!ㅎ^")))
def test_what_is_spoken_holds_no_marks_of_a_direction_that_closes(text: str) -> None:
    spoken = spell_out(text)
    assert spoken == " ".join(spoken.split())
    assert not spoken or any(map(str.isalnum, spoken))


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("*밝게 웃으며* 안녕!\n잘 잤어?", "안녕! 잘 잤어?"),
        ("*{유저}를 바라본다*", ""),
        ("{유저}, 이리 와 *손짓한다*", "유저, 이리 와"),
        ("…!", ""),
    ],
)
def test_directions_are_not_spoken(text: str, spoken: str) -> None:
    assert spell_out(text) == spoken


def test_a_text_run_writes_splits_without_looking_at_rows_for_recordings(built_run: Path) -> None:
    assert not (built_run / "media").exists()
    assert not Recordings.read(built_run)
    for path in (built_run / "curated" / "train").glob("*.parquet"):
        media = pq.read_table(path, columns=["media"]).column("media")
        assert media.null_count == len(media)


def test_the_example_of_the_documentation_is_built_and_spoken(tmp_path: Path, start_simulator: StartSimulator) -> None:
    page = (Path(__file__).parents[2] / "docs" / "media.md").read_text(encoding="utf-8")
    files = dict(re.findall(r'^```yaml title="(.+?)"\n(.+?)^```', page, re.MULTILINE | re.DOTALL))
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    cats = tmp_path / "pictures" / "cats"
    cats.mkdir(parents=True)
    for number in range(3):
        (cats / f"{number}.png").write_bytes(make_png((number, 90, 90)))
    options = ProviderOptions(base_urls=(start_simulator()[0],))
    build(str(tmp_path / "cats-data.yaml"), tmp_path / "run", BuildOptions(options, baseline=0))
    voice(VoiceRequest(tmp_path / "run", options=options))
    dialogues = read_curated(tmp_path / "run")
    assert Counter(each.topic for each in dialogues) == {"우리 집 고양이": 6, "퇴근길": 4}
    assert [each.media[0].kind for each in dialogues if each.topic == "우리 집 고양이"] == ["image"] * 6
    assert {each.voice for each in Recordings.read(tmp_path / "run")} == {"marin"}
