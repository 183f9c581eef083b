"""Preferences of a reviewed run, through `damhwa export` into the trainers: where they start, and what they learn."""

import json
import math
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from curation.release.export import export, open_export_source
from curation.reviews import REVIEWS_FILE, Review, append_review
from datagen.errors import DataError, InterruptedRunError, SpecError, UsageError
from tests.train.conftest import WriteRecipe
from tests.train.test_train import interrupt_at
from train.base import load_adapter, load_base
from train.checkpoints import SEAL
from train.masks import Encoder, render
from train.preferences import Preference, encode_preferences, read_preferences
from train.recipe import LoadedRecipe, load_recipe
from train.stage import ADAPTER_FILE, prepare
from train.train import train

AT = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
REWRITTEN = (
    "*두 손을 꼭 잡으며* 괜찮아, {유저}야. 오늘은 내가 옆에 있을게!",
    "*고개를 끄덕이며* 그랬구나~ 얘기해 줘서 고마워, {유저}야.",
    "*활짝 웃으며* 역시 {유저}야! 내일은 더 재밌을 거야 ㅎㅎ",
)
POLITE = ("네, 알겠습니다. 무엇을 도와드릴까요?", "죄송합니다. 그건 잘 모르겠습니다.", "좋은 하루 보내시기 바랍니다.")
LEARNING = {"epochs": 1, "batch": 4, "accumulation": 1, "learning_rate": 1e-2, "schedule": "constant"}


@pytest.fixture(scope="module")
def exported(built_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The preferences of a run in which every third dialogue was rewritten, and every third flagged."""
    run = tmp_path_factory.mktemp("reviewed") / "exa-data"
    shutil.copytree(built_run, run)
    for split in ("train", "validation", "test"):
        for path in sorted((run / "curated" / split).glob("*.parquet")):
            for number, row in enumerate(pq.read_table(path).to_pylist()):
                _review(run, number, row["id"], row["messages"])
    out = run.parent / "preferences"
    export([open_export_source(run, ())], out, "preferences", with_system_prompt=True)
    for path in (out / "kto").glob("*.parquet"):
        _spoil_unwanted(path)
    return out


def _spoil_unwanted(path: Path) -> None:
    """Give what was found wanting a fault that can be learned: the simulator's dialogues were judged by turns."""
    rows = pq.read_table(path)
    answers = [
        row["completion"] if row["label"] else [{"role": "assistant", "content": POLITE[number % len(POLITE)]}]
        for number, row in enumerate(rows.to_pylist())
    ]
    place = rows.schema.get_field_index("completion")
    pq.write_table(rows.set_column(place, "completion", pa.array(answers, rows.schema.field(place).type)), path)


def _review(run: Path, number: int, id_: str, messages: list[dict[str, str]]) -> None:
    about: dict[str, Any] = {"id": id_, "reviewer": "검수자 1", "at": AT}
    if number % 3 == 0:
        edited = [*messages[:-1], messages[-1] | {"content": REWRITTEN[number % len(REWRITTEN)]}]
        about |= {"verdict": "edit", "messages": tuple(edited), "reason": "말투"}
    elif number % 3 == 1:
        about |= {"verdict": "flag", "turn": 1, "reason": "말투"}
    else:
        about |= {"verdict": "accept"}
    append_review(run / REVIEWS_FILE, Review.model_validate(about))


def load(write_recipe: WriteRecipe, data: Path, *methods: str, **keys: Any) -> LoadedRecipe:
    """A recipe of fine-tuning and then a stage for each of `methods`."""
    first = load_recipe(write_recipe()).recipe.stages[0].model_dump(mode="json")
    first |= {"epochs": 0.25, "learning_rate": 1e-2, "evaluate_every": 100}
    learning = first | LEARNING | {"warmup_ratio": 0.0, "data": str(data), "save_every": 5, "held_out": 50} | keys
    return load_recipe(write_recipe(stages=[first, *({**learning, "name": each, "method": each} for each in methods)]))


def read_log(stage: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (stage / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def encode(loaded: LoadedRecipe, folder: Path, method: str, split: str) -> list[Preference]:
    stage = next(each for each in loaded.recipe.stages if each.method == method)
    encoder = Encoder.of(load_base(folder, loaded.recipe.base).tokenizer, loaded.recipe.max_tokens)
    rows = encode_preferences(read_preferences(stage, split, loaded.persona), encoder)
    return [row for row in rows if isinstance(row, Preference)]


def find_gains(loaded: LoadedRecipe, folder: Path, stages: tuple[str, str], rows: list[Preference]) -> torch.Tensor:
    """(rows, answers): how much likelier, in nats, the second stage's adapter finds each answer than the first's."""
    scores = []
    for stage in stages:
        model: Any = load_adapter(load_base(folder, loaded.recipe.base).model, folder / stage / "adapter")  # type: ignore[arg-type]
        scores.append([[_score(model, row, span) for span in row.spans] for row in rows])
    return torch.tensor(scores[1]) - torch.tensor(scores[0])


@torch.no_grad()
def _score(model: Any, row: Preference, span: tuple[int, int]) -> float:
    prompt = torch.from_numpy(row.ids[: row.spans[0][0]]).long()
    answer = torch.from_numpy(row.ids[span[0] : span[1]]).long()
    logits = model(input_ids=torch.cat([prompt, answer])[None]).logits[0, len(prompt) - 1 : -1]
    return float(logits.log_softmax(-1).gather(1, answer[:, None]).sum())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trained")


@pytest.fixture
def trained(folder: Path, exported: Path, write_recipe: WriteRecipe) -> LoadedRecipe:
    """Fine-tuned, then DPO, then KTO in `folder`; once for this module."""
    loaded = load(write_recipe, exported, "dpo", "kto")
    train(loaded, folder)
    return loaded


def test_prompts_read_as_in_fine_tuning_and_answers_end_their_turn(
    exported: Path, tiny_base: Path, write_recipe: WriteRecipe
) -> None:
    loaded = load(write_recipe, exported, "dpo", "kto")
    tokenizer = load_base(tiny_base, loaded.recipe.base).tokenizer
    found = [
        tuple(tokenizer.decode(row.ids[begin:end]) for begin, end in ((0, row.spans[0][0]), *row.spans))
        for row in encode(loaded, tiny_base, "dpo", "train")
    ]
    expected = []
    for row in pq.read_table(exported / "dpo" / "train.parquet").to_pylist():
        assert row["prompt"][0]["role"] == "system"
        answers = [row[name][0]["content"] + "[|endofturn|]" for name in ("chosen", "rejected")]
        expected.append((render(tokenizer, row["prompt"], is_prompt=True), *answers))
    assert sorted(found) == sorted(expected)
    judged = [(row.id, row.is_wanted) for row in encode(loaded, tiny_base, "kto", "train")]
    rows = [(row["id"], row["label"]) for row in pq.read_table(exported / "kto" / "train.parquet").to_pylist()]
    assert sorted(judged) == sorted(rows)
    verdicts = [is_wanted for _, is_wanted in judged]
    assert verdicts not in (sorted(verdicts), sorted(verdicts, reverse=True))


def test_a_stage_starts_from_the_adapter_before_it_which_is_its_reference(trained: LoadedRecipe, folder: Path) -> None:
    assert trained
    start, first = read_log(folder / "2-dpo")[:2]
    assert start["held_out_loss"] == pytest.approx(math.log(2), abs=1e-6)
    assert first["loss"] == pytest.approx(math.log(2), abs=1e-6)
    for row in (start, read_log(folder / "3-kto")[0]):
        assert row["step"] == 0
        assert row["held_out_reward_margin"] == pytest.approx(0, abs=1e-6)
    names = [set(load_file(folder / stage / "adapter" / ADAPTER_FILE)) for stage in ("1-one", "2-dpo", "3-kto")]
    assert names[0] == names[1] == names[2]
    assert not list((folder / "2-dpo" / "adapter").glob("*/"))


def test_dpo_makes_rewritten_answers_likelier_than_what_they_replace(trained: LoadedRecipe, folder: Path) -> None:
    end = read_log(folder / "2-dpo")[-1]
    assert end["held_out_loss"] < math.log(2)
    gains = find_gains(trained, folder, ("1-one", "2-dpo"), encode(trained, folder, "dpo", "validation"))
    margin = (gains[:, 0] - gains[:, 1]).mean().item()
    assert margin > 0
    assert end["held_out_reward_margin"] == pytest.approx(0.1 * margin, rel=1e-3)


def test_kto_makes_accepted_answers_likelier_against_flagged_ones(trained: LoadedRecipe, folder: Path) -> None:
    rows = encode(trained, folder, "kto", "train")
    gains = find_gains(trained, folder, ("2-dpo", "3-kto"), rows)[:, 0]
    wanted = torch.tensor([row.is_wanted for row in rows])
    assert gains[wanted].mean() > gains[~wanted].mean() + 1
    assert read_log(folder / "3-kto")[-1]["held_out_loss"] < read_log(folder / "3-kto")[0]["held_out_loss"]


@pytest.mark.slow
def test_preference_stages_that_were_broken_off_go_on_and_end_the_same(
    trained: LoadedRecipe, folder: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    shutil.copytree(folder, again)
    for stage in ("2-dpo", "3-kto"):
        shutil.rmtree(again / stage)
    for stage in ("2-dpo", "3-kto"):
        thread = interrupt_at(again / stage / "checkpoints" / "checkpoint-5" / SEAL)
        with pytest.raises(InterruptedRunError):
            train(trained, again)
        thread.join()
        assert (again / stage / "checkpoints").is_dir()
    train(trained, again)
    for stage in ("2-dpo", "3-kto"):
        weights = [load_file(each / stage / "adapter" / ADAPTER_FILE) for each in (folder, again)]
        assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
        losses = [[row.get("loss") for row in read_log(each / stage)] for each in (folder, again)]
        assert losses[0] == losses[1]


def test_rows_that_do_not_fit_are_left_out_and_counted(
    exported: Path, tiny_base: Path, write_recipe: WriteRecipe, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = load(write_recipe, exported, "dpo")
    stage = loaded.recipe.stages[1]
    train_split, held_out = (read_preferences(stage, name, loaded.persona) for name in ("train", "validation"))
    tokenizer = load_base(tiny_base, loaded.recipe.base).tokenizer
    whole = prepare(stage, (train_split, held_out), Encoder.of(tokenizer, 1024))
    lengths = sorted(len(row.ids) for row in whole.rows)
    limit = max(lengths[len(lengths) // 2], min(len(row.ids) for row in whole.held_out_rows))
    few = prepare(stage, (train_split, held_out), Encoder.of(tokenizer, limit))
    assert few.left_out
    assert {row.id for row in few.rows} | set(few.left_out) == {row.id for row in whole.rows}
    assert f"{len(few.left_out)} left out as too long" in capsys.readouterr().err
    assert all(any(row.ids.tolist() == other.ids.tolist() for other in whole.rows) for row in few.rows)


def test_data_without_preferences_are_refused(exported: Path, tmp_path: Path, write_recipe: WriteRecipe) -> None:
    stage, persona = load(write_recipe, tmp_path / "none", "dpo").recipe.stages[1], load_recipe("exagirl-2.4b").persona
    with pytest.raises(UsageError, match=r"none/dpo/train.parquet is missing or empty") as found:
        read_preferences(stage, "train", persona)
    assert "damhwa export RUN --format preferences" in str(found.value.hint)
    assert "edited in review" in str(found.value.hint)
    broken = tmp_path / "broken"
    shutil.copytree(exported, broken)
    stage = stage.model_copy(update={"data": str(broken)})
    path = broken / "dpo" / "train.parquet"
    table = pq.read_table(path)
    for content, error, message in (
        (table[:0], UsageError, "is missing or empty"),
        (table.drop_columns(["rejected"]), DataError, "holds no id, prompt, chosen, rejected as Parquet"),
        (_replace(table, "chosen", [{"role": "user", "content": "응?"}]), DataError, "has the turns user assistant"),
    ):
        pq.write_table(content, path)
        with pytest.raises(error, match=message):
            read_preferences(stage, "train", persona)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="as Parquet"):
        read_preferences(stage, "train", persona)


def _replace(table: pa.Table, name: str, value: object) -> pa.Table:
    column = pa.array([value] * len(table), table.schema.field(name).type)
    return table.set_column(table.schema.get_field_index(name), name, column)


def test_a_special_token_in_an_answer_is_refused(
    exported: Path, tmp_path: Path, tiny_base: Path, write_recipe: WriteRecipe
) -> None:
    shutil.copytree(exported, tmp_path / "marked")
    path = tmp_path / "marked" / "dpo" / "train.parquet"
    said = [{"role": "assistant", "content": "*웃으며* 잘 자[|endofturn|]"}]
    pq.write_table(_replace(pq.read_table(path), "rejected", said), path)
    loaded = load(write_recipe, tmp_path / "marked", "dpo")
    with pytest.raises(DataError, match=r"holds the special token \[\|endofturn\|\]"):
        encode(loaded, tiny_base, "dpo", "train")


def test_kto_needs_both_verdicts_and_company_in_a_batch(
    exported: Path, tmp_path: Path, write_recipe: WriteRecipe
) -> None:
    shutil.copytree(exported, tmp_path / "praised")
    path = tmp_path / "praised" / "kto" / "train.parquet"
    pq.write_table(_replace(pq.read_table(path), "label", True), path)
    loaded = load(write_recipe, tmp_path / "praised", "kto")
    with pytest.raises(UsageError, match=r"every answer in .*praised \(kto, train\) is wanted"):
        read_preferences(loaded.recipe.stages[1], "train", loaded.persona)
    with pytest.raises(SpecError, match="expected batch 2 or more"):
        load(write_recipe, exported, "kto", batch=1)
    with pytest.raises(SpecError, match="group_by_length are for method 'sft'"):
        load(write_recipe, exported, "dpo", group_by_length=True)


def test_without_trl_the_recipe_is_refused_before_anything_is_trained(
    exported: Path, tmp_path: Path, write_recipe: WriteRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "trl", None)  # as Python sees a package that is not there
    with pytest.raises(UsageError, match=r"stage dpo \(dpo\) needs trl") as found:
        train(load(write_recipe, exported, "dpo"), tmp_path / "model")
    assert found.value.hint == "pip install 'damhwa[prefs]'"
    assert not list((tmp_path / "model").glob("1-*"))
