"""Topics with pictures: from the folder beside the spec over real HTTP into rows and the run's media folder."""

import base64
import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from datagen.check import describe_forecast, forecast, sample_prompts
from datagen.endpoint_options import ProviderOptions
from datagen.errors import BudgetSpentError, QuotaOutOfReachError, SpecError, UsageError
from datagen.ledger import Ledger
from datagen.media import check_media
from datagen.picture import Picture, count_tokens
from datagen.scenario import Scenario, list_dimensions, plan_scenarios, redraw_scenarios
from datagen.simulator.server import Simulator
from datagen.spec_edit import read_spec, save_spec
from datagen.spec_file import load_spec
from datagen.start import generate, open_run
from datagen.store import read_dialogues
from tests.pictures import make_gif, make_jpeg, make_png, make_wav, make_webp

StartSimulator = Callable[..., tuple[str, Simulator]]
StartServer = Callable[[Callable[[web.Request], Awaitable[web.StreamResponse]]], str]
Edit = Callable[[Path, str, str], None]

CATS = {"mia.png": make_png((220, 180, 90)), "nabi.jpg": make_jpeg(640, 480), "coco.webp": make_webp(1024, 1024)}


@pytest.fixture
def cats(spec: Path, edit: Edit) -> Path:
    """The spec with three pictures in its first topic."""
    folder = spec.parent / "pictures" / "cats"
    folder.mkdir(parents=True)
    for name, content in CATS.items():
        (folder / name).write_bytes(content)
    (folder / ".DS_Store").write_bytes(b"hidden files are nobody's pictures")
    edit(spec, "    quota: 12\n", "    quota: 12\n    pictures: pictures/cats/\n")
    return spec


def ask(url: str, **options: Any) -> ProviderOptions:
    return ProviderOptions(base_urls=(url,), **options)


def test_every_dialogue_of_the_topic_shows_a_picture_that_lies_in_the_run(
    cats: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    url, simulator = start_simulator()
    generate(str(cats), tmp_path / "run", ask(url))
    dialogues = list(read_dialogues(tmp_path / "run" / "dialogues"))
    shown = [each for each in dialogues if each.topic == "일상 대화"]
    assert all(check_media(each, tmp_path / "run") == () for each in shown)
    assert [(m.message, m.kind) for each in shown for m in each.media] == [(0, "image")] * 12
    assert Counter(json.loads(each.scenario)["picture"]["name"] for each in shown) == dict.fromkeys(CATS, 4)
    by_name = {json.loads(each.scenario)["picture"]["name"]: each.media[0] for each in shown}
    assert {name: (tmp_path / "run" / medium.path).read_bytes() for name, medium in by_name.items()} == CATS
    assert by_name["nabi.jpg"].media_type == "image/jpeg"
    assert simulator.counts["pictures"] == simulator.counts["requests"] - 8
    others = [each for each in dialogues if each.topic != "일상 대화"]
    assert all(not each.media and "picture" not in each.scenario for each in others)


def test_the_request_carries_the_picture_and_its_fingerprint_the_hash(
    cats: Path, tmp_path: Path, start_server: StartServer, edit: Edit
) -> None:
    asked: list[dict[str, Any]] = []
    edit(cats, "seed: 3", "seed: 3\npicture_detail: low")

    async def answer(request: web.Request) -> web.Response:
        asked.append(await request.json())
        lines = [f"human{n}: 이 사진 {len(asked)}번째로 좀 봐 {n}\ngpt{n}: 응, 보고 있어 {n}" for n in range(1, 4)]
        choice = {"index": 0, "message": {"role": "assistant", "content": "\n".join(lines)}, "finish_reason": "stop"}
        return web.json_response({"id": "x", "object": "chat.completion", "model": "m", "choices": [choice]})

    generate(str(cats), tmp_path / "run", ask(start_server(answer)))
    with_picture = [body["messages"] for body in asked if isinstance(body["messages"][1]["content"], list)]
    assert len(with_picture) == 12
    for _, user in with_picture:
        text, image = user["content"]
        assert text["type"] == "text"
        assert "유저가 첫마디와 함께 엑사에게 보내는 사진" in text["text"]
        head, _, encoded = image["image_url"]["url"].partition(",")
        assert image["image_url"]["detail"] == "low"
        assert (head, base64.b64decode(encoded)) in {
            ("data:image/png;base64", CATS["mia.png"]),
            ("data:image/jpeg;base64", CATS["nabi.jpg"]),
            ("data:image/webp;base64", CATS["coco.webp"]),
        }
    prints = {each.prompt_sha256 for each in read_dialogues(tmp_path / "run" / "dialogues")}
    assert {_fingerprint(body["messages"]) for body in asked} == prints


def _fingerprint(messages: list[dict[str, Any]]) -> str:
    """As the documentation says that anybody can take it."""
    for message in messages:
        for part in message["content"] if isinstance(message["content"], list) else ():
            if part["type"] == "image_url":
                content = base64.b64decode(part["image_url"]["url"].partition(",")[2])
                part["image_url"]["url"] = f"sha256:{hashlib.sha256(content).hexdigest()}"
    text = json.dumps(messages, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_dialogue_that_a_crash_left_unsealed_still_knows_its_picture(
    cats: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    url, _ = start_simulator()
    run = tmp_path / "run"
    generate(str(cats), run, ask(url))
    before = {each.id: each for each in read_dialogues(run / "dialogues")}
    for shard in (run / "dialogues").glob("*.parquet"):
        shard.unlink()  # the ledger alone is left
    generate(str(cats), run, ask(url))
    assert {each.id: each for each in read_dialogues(run / "dialogues")} == before
    assert any(each.media for each in before.values())


@pytest.mark.parametrize("change", ["edited", "removed"])
def test_a_picture_that_changed_between_calls_is_noticed_with_its_name(
    cats: Path, tmp_path: Path, start_simulator: StartSimulator, edit: Edit, change: str
) -> None:
    url, _ = start_simulator()
    generate(str(cats), tmp_path / "run", ask(url))
    picture = cats.parent / "pictures" / "cats" / "mia.png"
    if change == "edited":
        picture.write_bytes(make_png((1, 2, 3)))
    else:
        picture.unlink()
    edit(cats, "quota: 12", "quota: 14")
    with pytest.raises(UsageError, match=r"the spec is not the one(?s:.)*name: mia\.png"):
        generate(str(cats), tmp_path / "run", ask(url))


def test_a_new_picture_goes_on_in_the_same_run_and_is_used(
    cats: Path, tmp_path: Path, start_simulator: StartSimulator, edit: Edit
) -> None:
    url, _ = start_simulator()
    generate(str(cats), tmp_path / "run", ask(url))
    (cats.parent / "pictures" / "cats" / "zoe.gif").write_bytes(make_gif())
    edit(cats, "quota: 12", "quota: 30")
    generate(str(cats), tmp_path / "run", ask(url))
    names = Counter(
        json.loads(each.scenario)["picture"]["name"]
        for each in read_dialogues(tmp_path / "run" / "dialogues")
        if each.media
    )
    assert sum(names.values()) == 30
    assert names["zoe.gif"] >= 3


def test_pictures_do_not_come_to_a_topic_that_was_made_without_any(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator, edit: Edit
) -> None:
    url, _ = start_simulator()
    generate(str(spec), tmp_path / "run", ask(url))
    (spec.parent / "mia.png").write_bytes(CATS["mia.png"])
    edit(spec, "    quota: 12\n", "    quota: 12\n    pictures: mia.png\n")
    with pytest.raises(UsageError, match="the spec is not the one"):
        generate(str(spec), tmp_path / "run", ask(url))


def test_a_new_topic_about_pictures_goes_on_in_a_run_of_text(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator, edit: Edit
) -> None:
    url, _ = start_simulator()
    generate(str(spec), tmp_path / "run", ask(url))
    (spec.parent / "mia.png").write_bytes(CATS["mia.png"])
    topic = (
        "{name: 고양이, category: daily, quota: 3, pictures: mia.png, brief: 사진, situations: [유저가 사진을 보낸다]}"
    )
    edit(spec, "topics:\n", f"topics:\n  - {topic}\n")
    generate(str(spec), tmp_path / "run", ask(url))
    shown = [each.topic for each in read_dialogues(tmp_path / "run" / "dialogues") if each.media]
    assert shown == ["고양이"] * 3


def test_the_frozen_request_of_a_spec_without_pictures_is_what_it_was(spec: Path, tmp_path: Path) -> None:
    with open_run(str(spec), tmp_path / "run", ProviderOptions(base_urls=("http://127.0.0.1:9/v1",))):
        pass
    frozen = (tmp_path / "run" / "spec.yaml").read_text(encoding="utf-8")
    assert "picture" not in frozen
    assert not (tmp_path / "run" / "media").exists()


def test_a_run_of_text_alone_imports_nothing_of_pictures_but_their_names(spec: Path) -> None:
    code = (
        "import sys; from datagen.spec_file import load_spec; import datagen.generate; "
        f"load_spec({str(spec)!r}); print('pyarrow' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True, env=environment
    )
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("pictures", "says"),
    [
        ("pictures/dogs/", "there is no picture at pictures/dogs/, expected at least one"),
        ("pictures/empty", "there is no picture at pictures/empty, expected at least one"),
        ("/pictures/**", "there is no picture at /pictures/\\*\\*"),
        ("pictures/odd", "notes.txt: what begins with 'buy milk' is no picture"),
        ("pictures/odd", "fake.png: it is called .png, and its bytes are image/jpeg"),
        ("pictures/odd", "song.wav: it is a recording"),
        ("pictures/odd", "huge.png: it has 20,000,001 bytes, expected at most 20,000,000"),
        ("pictures/*/same.png", "have the same name, expected each once"),
        ("pictures/twins", "b.png and a.png are the same picture"),
        ("pictures/odd", "gone.png: it cannot be read: No such file or directory"),
        ("pictures/odd", "\\?\\?.png: its name is not UTF-8"),
    ],
)
def test_a_wrong_picture_is_told_with_its_line_and_a_hint(spec: Path, edit: Edit, pictures: str, says: str) -> None:
    folder = spec.parent / "pictures"
    for name in ("empty", "odd", "twins", "one", "two"):
        (folder / name).mkdir(parents=True)
    (folder / "odd" / "notes.txt").write_text("buy milk", encoding="utf-8")
    (folder / "odd" / "fake.png").write_bytes(make_jpeg())
    (folder / "odd" / "song.wav").write_bytes(make_wav())
    (folder / "odd" / "gone.png").symlink_to("/nowhere/gone.png")
    (folder / "odd" / os.fsdecode(b"\xff\xfe.png")).write_bytes(make_png())
    with (folder / "odd" / "huge.png").open("wb") as file:
        file.write(make_png())
        file.truncate(20_000_001)
    for name, content in (("one", make_png((1, 0, 0))), ("two", make_png((2, 0, 0)))):
        (folder / name / "same.png").write_bytes(content)
    for name in ("a.png", "b.png"):
        (folder / "twins" / name).write_bytes(make_png())
    edit(spec, "    quota: 12\n", f"    quota: 12\n    pictures: {pictures}\n")
    with pytest.raises(SpecError, match=says) as caught:
        load_spec(spec)
    lines = spec.read_text(encoding="utf-8").splitlines()
    assert all("pictures:" in lines[(each.line or 0) - 1] and each.hint for each in caught.value.problems)


def test_the_forecast_counts_the_pictures(cats: Path, edit: Edit) -> None:
    def read() -> tuple[int, dict[str, Any]]:
        loaded = load_spec(cats)
        told = describe_forecast(loaded, forecast(loaded))
        return told["topics"][0]["prompt_tokens"], told["topics"][0]

    with_pictures, told = read()
    assert told["pictures"] == 3
    edit(cats, "    pictures: pictures/cats/\n", "")
    without, told = read()
    assert "pictures" not in told
    # 255 tokens for one tile and 765 for four of them are between, and the line about the picture
    assert 255 < (with_pictures - without) / 13 < 1_300


def test_a_sample_shows_the_hash_and_not_the_picture(cats: Path) -> None:
    (_, prompt), *_ = sample_prompts(load_spec(cats), 2)
    shown = json.dumps(prompt.outline)
    assert "sha256:" in shown
    assert "base64" not in shown


def test_a_budget_sets_the_pictures_tokens_aside(
    cats: Path, tmp_path: Path, start_simulator: StartSimulator, edit: Edit
) -> None:
    edit(cats, "temperature: 0.9", "temperature: 0.9, max_completion_tokens: 500")
    url, simulator = start_simulator()
    with pytest.raises(BudgetSpentError):
        generate(str(cats), tmp_path / "run", ask(url, budget_tokens=20_000, concurrency=4))
    ledger = Ledger.open_to_read(tmp_path / "run" / "ledger.db")
    used = sum(each.prompt_tokens + each.completion_tokens for each in ledger.tallies().values())
    ledger.close()
    assert used <= 20_000
    assert simulator.counts["paid"]


def test_an_endpoint_without_eyes_is_told_from_a_dead_one(
    cats: Path, tmp_path: Path, start_server: StartServer
) -> None:
    async def refuse(_: web.Request) -> web.Response:
        body = {"error": {"message": "image_url is not supported", "type": "invalid_request_error", "code": None}}
        return web.json_response(body, status=400)

    with pytest.raises(QuotaOutOfReachError, match="http-400"):
        generate(str(cats), tmp_path / "run", ask(start_server(refuse)))


@given(st.integers(1, 40), st.integers(1, 7))
def test_pictures_are_used_evenly_whatever_their_number(slots: int, count: int) -> None:
    pictures = tuple(Picture(f"{n}.png", f"{n:064x}", "image/png", 9, 8, 8) for n in range(count))
    dimensions = list_dimensions(*_make_topic(), ("exa",), pictures)
    plan = plan_scenarios(dimensions)
    uses = Counter(next(plan).picture for _ in range(slots))
    counts = [uses[picture] for picture in pictures]
    assert max(counts) - min(counts) <= 1


@given(st.integers(0, 20), st.integers(1, 5), st.integers(2, 4))
def test_a_rejected_draft_is_tried_again_with_its_picture_and_later_with_any(slot: int, tries: int, most: int) -> None:
    pictures = tuple(Picture(f"{n}.png", f"{n:064x}", "image/png", 9, 8, 8) for n in range(5))
    dimensions = list_dimensions(*_make_topic(), ("exa",), pictures)
    planned = next(islice(plan_scenarios(dimensions), slot, None))
    drawn = list(redraw_scenarios(dimensions, slot, planned, tries, most))
    assert all(each.picture in pictures for each in drawn)
    assert ({each.picture for each in drawn} == {planned.picture}) == (tries < most)


def _make_topic() -> tuple[Any, Any]:
    from datagen.spec import Exchanges, ProviderSettings, Spec, Topic

    topic = Topic(name="고양이", category="intellectual", quota=9, brief="고양이 사진", situations=("가", "나", "다"))
    spec = Spec(
        dataset="d",
        language="ko",
        personas=("p.yaml",),
        exchanges=Exchanges(min=2, max=4),
        provider=ProviderSettings(model="m"),
        facets={"장소": ("카페", "공원")},
        topics=(topic,),
    )
    return spec, topic


def test_scenarios_of_before_pictures_read_as_they_did_and_new_ones_come_back_the_same() -> None:
    old = '{"persona": "exa", "situation": "가", "facets": {}, "opening": null, "exchanges": 2}'
    assert Scenario.from_json("t", old).picture is None
    assert Scenario.from_json("t", old).to_json() == old
    dimensions = list_dimensions(*_make_topic(), ("exa",), (Picture("a.png", "0" * 64, "image/png", 9, 8, 8),))
    scenario = next(plan_scenarios(dimensions))
    assert Scenario.from_json(scenario.topic, scenario.to_json()) == scenario


@pytest.mark.parametrize(
    ("size", "detail", "model", "tokens"),
    [
        ((1024, 1024), "high", "gpt-4o", 765),  # the examples of OpenAI's guide
        ((2048, 4096), "auto", "gpt-4o-2024-08-06", 1105),
        ((4096, 8192), "low", "gpt-4o", 85),
        ((1024, 1024), "high", "gpt-4.1-mini", 1659),
        ((128, 64), "high", "gpt-4o-mini", 8500),
        ((128, 64), "low", "gpt-4o-mini-2024-07-18", 2833),
        ((8, 8), "high", "some/vlm", 255),
    ],
)
def test_a_pictures_tokens_are_estimated_as_the_guide_says(
    size: tuple[int, int], detail: str, model: str, tokens: int
) -> None:
    assert count_tokens(Picture("a.png", "", "image/png", 9, *size), detail, model) == tokens


def test_a_topics_pictures_stay_where_its_quota_is_edited_on_the_page(cats: Path) -> None:
    edit = read_spec(cats).to_edit()
    topics = [topic.model_copy(update={"quota": 40 + at}) for at, topic in enumerate(edit.topics)]
    save_spec(cats, edit.model_copy(update={"topics": tuple(topics)}))
    loaded = load_spec(cats)
    assert [topic.quota for topic in loaded.spec.topics] == [40, 41]
    assert len(loaded.pictures["일상 대화"]) == 3
