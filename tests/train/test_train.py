"""Training from end to end on a tiny base: what is learned by whom, what is told, what is refused, what goes on."""

import _thread
import json
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from datagen.errors import DataError, InterruptedRunError, UsageError
from tests.train.conftest import LICENCE, WriteRecipe
from train.checkpoints import hash_file
from train.log import keep_until
from train.recipe import load_recipe
from train.stage import ADAPTER_FILE, STAGE_FILE
from train.train import name_last, read_manifest, train


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trained")


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def load_adapter(stage: Path) -> dict[str, torch.Tensor]:
    return load_file(stage / "adapter" / ADAPTER_FILE)


@pytest.fixture
def small(trained: Path, write_recipe: WriteRecipe) -> Path:
    """The small recipe, trained once for this module."""
    train(load_recipe(write_recipe()), trained)
    return trained


def test_both_stages_are_trained_and_told(
    small: Path, capsys: pytest.CaptureFixture[str], write_recipe: WriteRecipe
) -> None:
    rows = read_lines(small / "1-one/log.jsonl")
    steps = [row for row in rows if "loss" in row]
    assert [row["step"] for row in steps] == list(range(1, len(steps) + 1))
    assert all({"learning_rate", "grad_norm", "tokens_per_s"} <= set(row) for row in steps)
    measured = [row for row in rows if "held_out_loss" in row]
    assert (measured[0]["step"], measured[-1]["step"]) == (0, len(steps))
    assert measured[-1]["held_out_loss"] < measured[0]["held_out_loss"]
    samples = read_lines(small / "2-two/samples.jsonl")
    assert {each["user"] for each in samples} == {"오늘 하루 어땠어?"}
    assert (small / "1-one/losses.png").read_bytes().startswith(b"\x89PNG")
    assert list((small / "1-one/tensorboard").glob("events.*"))
    manifest = read_manifest(small)
    assert [stage["name"] for stage in manifest["stages"]] == ["one", "two"]
    assert manifest["stages"][0]["adapter_sha256"] == hash_file(small / "1-one/adapter" / ADAPTER_FILE)
    again = train(load_recipe(write_recipe()), small)
    assert "one: done before" in capsys.readouterr().err
    assert [stage.steps for stage in again.stages] == [stage["steps"] for stage in manifest["stages"]]


def test_each_target_gets_one_adapter_and_no_other_module(small: Path, tiny_base: Path) -> None:
    """Defect: the model was wrapped in LoRA by hand, and wrapped again by the trainer."""
    names = set(load_adapter(small / "1-one"))
    layers = AutoModelForCausalLM.from_pretrained(str(tiny_base)).config.num_hidden_layers
    assert names == {
        f"base_model.model.model.layers.{layer}.self_attn.{target}.lora_{side}.weight"
        for layer in range(layers)
        for target in ("q_proj", "k_proj", "v_proj", "o_proj")
        for side in "AB"
    }


def test_stage_two_goes_on_with_the_adapter_of_stage_one(small: Path) -> None:
    first, second = load_adapter(small / "1-one"), load_adapter(small / "2-two")
    assert set(first) == set(second)
    moved = {name: (second[name] - first[name]).norm() / first[name].norm() for name in first if "lora_A" in name}
    assert all(0 < each < 0.5 for each in moved.values()), moved
    before = read_lines(small / "2-two/log.jsonl")[0]["held_out_loss"]
    after = read_lines(small / "1-one/log.jsonl")[-1]["held_out_loss"]
    assert before == pytest.approx(after, abs=1e-6)


def test_the_rows_that_were_trained_on_are_listed(small: Path, built_run: Path) -> None:
    listed = pq.read_table(small / "1-one/rows.parquet")
    ids = [
        each
        for file in (built_run / "curated/train").glob("*.parquet")
        for each in pq.read_table(file)["id"].to_pylist()
    ]
    assert listed["id"].to_pylist() == ids
    assert min(listed["tokens"].to_pylist()) > 0


def test_another_recipe_in_the_same_folder_is_refused(small: Path, write_recipe: WriteRecipe) -> None:
    with pytest.raises(UsageError, match="was begun with another recipe or persona"):
        train(load_recipe(write_recipe(first={"learning_rate": 1e-4})), small)


def test_data_that_changed_since_is_refused(
    small: Path, tmp_path: Path, built_run: Path, write_recipe: WriteRecipe
) -> None:
    run, folder = tmp_path / "run", tmp_path / "model"
    shutil.copytree(built_run, run)
    shutil.copytree(small, folder)
    (folder / "2-two" / STAGE_FILE).unlink()
    path = next((run / "curated/train").glob("*.parquet"))
    table = pq.read_table(path)
    pq.write_table(table.slice(0, len(table) - 1), path)
    with pytest.raises(DataError, match="changed since stage 2-two began"):
        train(load_recipe(write_recipe(second={"data": str(run)})), folder)
    with pytest.raises(DataError, match="changed since stage 1-one was trained on it"):
        train(load_recipe(write_recipe(first={"data": str(run)})), folder)


def test_an_adapter_that_did_not_change_is_no_result(tmp_path: Path, write_recipe: WriteRecipe) -> None:
    recipe = write_recipe(first={"learning_rate": 1e-60, "epochs": 0.1, "schedule": "constant", "warmup_ratio": 0})
    with pytest.raises(DataError, match="stage one is over, and its adapter is as it was before it"):
        train(load_recipe(recipe), tmp_path / "model")
    assert not (tmp_path / "model/1-one" / STAGE_FILE).exists()


def test_everything_is_refused_before_the_first_step(tmp_path: Path, write_recipe: WriteRecipe) -> None:
    with pytest.raises(UsageError, match=r"there is no .*nowhere, expected a run or a folder"):
        train(load_recipe(write_recipe(second={"data": str(tmp_path / "nowhere")})), tmp_path / "model")
    assert not list((tmp_path / "model").glob("1-*"))
    lora = {"r": 4, "alpha": 8, "targets": ["q_proj", "out_proj"]}
    with pytest.raises(UsageError, match="LoRA target out_proj matches no module"):
        train(load_recipe(write_recipe(lora=lora)), tmp_path / "model")
    with pytest.raises(DataError, match="has an exchange of at most 40 tokens"):
        train(load_recipe(write_recipe(max_tokens=40)), tmp_path / "other")


def test_dialogues_that_are_cut_or_left_out_are_counted(
    tmp_path: Path, write_recipe: WriteRecipe, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(first={"epochs": 0.1}, second={"epochs": 0.1}, max_tokens=280)
    result = train(load_recipe(recipe), tmp_path / "model").stages[0]
    assert result.cut > 0
    assert f"{result.cut:,} cut to 280 tokens, {result.left_out:,} left out as too long" in capsys.readouterr().err
    rows = pq.read_table(tmp_path / "model/1-one/rows.parquet")
    assert sum(rows["is_cut"].to_pylist()) == result.cut
    assert rows["tokens"].null_count == result.left_out


def test_a_stage_that_was_broken_off_goes_on_and_ends_the_same(
    small: Path, tmp_path: Path, write_recipe: WriteRecipe, capsys: pytest.CaptureFixture[str]
) -> None:
    """By Ctrl-C, and with its newest checkpoint torn."""
    folder = tmp_path / "model"
    recipe = load_recipe(write_recipe())
    thread = interrupt_at(folder / "1-one/checkpoints/checkpoint-4/whole.json")
    with pytest.raises(InterruptedRunError, match="stopped; what was trained is in "):
        train(recipe, folder)
    thread.join(60)
    newest = max((folder / "1-one/checkpoints").iterdir(), key=lambda each: int(each.name.rpartition("-")[2]))
    (newest / "optimizer.pt").write_bytes((newest / "optimizer.pt").read_bytes()[:-10])
    train(recipe, folder)
    told = capsys.readouterr().err
    assert f"one: {newest.name} is torn, and skipped" in told
    assert "one: goes on from checkpoint-" in told
    for stage in ("1-one", "2-two"):
        assert hash_file(folder / stage / "adapter" / ADAPTER_FILE) == hash_file(
            small / stage / "adapter" / ADAPTER_FILE
        )
        steps = [row["step"] for row in read_lines(folder / stage / "log.jsonl") if "loss" in row]
        assert steps == list(range(1, len(steps) + 1))
    assert not (folder / "1-one/checkpoints").exists()
    assert name_last(folder) == folder / "2-two/adapter"


def interrupt_at(sealed: Path) -> threading.Thread:
    """Press Ctrl-C in this process as soon as a checkpoint is whole."""

    def wait() -> None:
        while not sealed.exists():
            time.sleep(0.002)
        _thread.interrupt_main()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


@pytest.mark.parametrize("how", ["gone", "altered"])
def test_an_adapter_that_is_not_the_one_the_stage_ended_with_is_refused(
    small: Path, tmp_path: Path, write_recipe: WriteRecipe, how: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(small, folder)
    path = folder / "1-one/adapter" / ADAPTER_FILE
    path.unlink() if how == "gone" else path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(DataError, match="is not the adapter that stage one ended with"):
        train(load_recipe(write_recipe()), folder)


def test_a_folder_beside_the_stages_is_not_taken_for_one(
    small: Path, tmp_path: Path, write_recipe: WriteRecipe
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(small, folder)
    shutil.copytree(folder / "2-two", folder / "1-backup")
    shutil.rmtree(folder / "2-two")
    train(load_recipe(write_recipe()), folder)
    assert hash_file(folder / "2-two/adapter" / ADAPTER_FILE) == hash_file(small / "2-two/adapter" / ADAPTER_FILE)


def test_a_training_that_diverged_is_no_result(tmp_path: Path, tiny_base: Path, write_recipe: WriteRecipe) -> None:
    base = tmp_path / "base"
    shutil.copytree(tiny_base, base)
    tensors = load_file(base / "model.safetensors")
    save_file({**tensors, "model.norm.weight": tensors["model.norm.weight"] * torch.nan}, base / "model.safetensors")
    recipe = write_recipe(first={"epochs": 0.1}, base={"model": str(base), "dtype": "float32", "licence": LICENCE})
    with pytest.raises(DataError, match="stage one diverged"):
        train(load_recipe(recipe), tmp_path / "model")


def test_another_prompt_than_the_data_were_made_with_is_refused(
    tmp_path: Path, built_run: Path, write_recipe: WriteRecipe
) -> None:
    text = (built_run.parent / "specs/personas/exa.yaml").read_text(encoding="utf-8")
    persona = tmp_path / "exa.yaml"
    persona.write_text(
        text.replace("system_prompt: |\n", "system_prompt: |\n  오늘은 조금 더 다정하다.\n"), encoding="utf-8"
    )
    assert persona.read_text(encoding="utf-8") != text
    with pytest.raises(UsageError, match="was made with another system prompt of 'exa'"):
        train(load_recipe(write_recipe(persona=str(persona))), tmp_path / "model")


def test_how_often_it_measures_changes_nothing(small: Path, tmp_path: Path, write_recipe: WriteRecipe) -> None:
    train(load_recipe(write_recipe(first={"evaluate_every": 100}, second={"evaluate_every": 1})), tmp_path / "model")
    for stage in ("1-one", "2-two"):
        found, wanted = (hash_file(each / stage / "adapter" / ADAPTER_FILE) for each in (tmp_path / "model", small))
        assert found == wanted


def test_rows_grouped_by_length_come_in_the_same_order_after_a_break(tmp_path: Path, write_recipe: WriteRecipe) -> None:
    grouped = {"group_by_length": True, "batch": 2, "accumulation": 2, "epochs": 1.2, "save_every": 4}
    recipe = load_recipe(write_recipe(first=grouped, second={"epochs": 0.2}))
    train(recipe, tmp_path / "whole")
    thread = interrupt_at(tmp_path / "broken/1-one/checkpoints/checkpoint-8/whole.json")
    with pytest.raises(InterruptedRunError):
        train(recipe, tmp_path / "broken")
    thread.join(60)
    train(recipe, tmp_path / "broken")
    found = [hash_file(tmp_path / each / "1-one/adapter" / ADAPTER_FILE) for each in ("whole", "broken")]
    assert found[0] == found[1]


def test_torn_records_are_told_or_made_again(small: Path, tmp_path: Path, write_recipe: WriteRecipe) -> None:
    folder = tmp_path / "model"
    shutil.copytree(small, folder)
    (folder / "2-two" / STAGE_FILE).unlink()
    (folder / "2-two/begun.json").write_text('{"train": "12', encoding="utf-8")
    train(load_recipe(write_recipe()), folder)
    (folder / "manifest.json").write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match=r"manifest\.json is not what `damhwa train` wrote"):
        train(load_recipe(write_recipe()), folder)


def test_a_recipe_may_lie_in_the_folder_of_its_model(tmp_path: Path, write_recipe: WriteRecipe) -> None:
    recipe = write_recipe(first={"epochs": 0.2}, second={"epochs": 0.2})
    assert recipe == tmp_path / "recipe.yaml"
    assert len(train(load_recipe(recipe), tmp_path).stages) == 2


def test_a_sample_with_a_line_separator_in_it_stays_one_line(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    rows = [{"step": step, "reply": "그래\u2028응\x85"} for step in (1, 2, 3)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows) + "null\n", encoding="utf-8")
    assert keep_until(path, 2) == rows[:2]
    assert keep_until(path, 2) == rows[:2]


def test_a_recipe_that_was_refused_is_mended_in_the_same_folder(tmp_path: Path, write_recipe: WriteRecipe) -> None:
    wrong = {"r": 4, "alpha": 8, "targets": ["q_proj", "out_proj"]}
    tiny = {"layers": 1, "hidden": 16, "heads": 2, "vocabulary": 500, "steps": 1, "batch": 1, "tokens": 1024}
    base = {"tiny": tiny, "dtype": "float32", "licence": LICENCE}
    with pytest.raises(UsageError, match="LoRA target out_proj matches no module"):
        train(load_recipe(write_recipe(lora=wrong, base=base)), tmp_path / "model")
    made = hash_file(tmp_path / "model/base/model.safetensors")
    short = {"first": {"epochs": 0.2}, "second": {"epochs": 0.2}}
    train(load_recipe(write_recipe(**short, base=base)), tmp_path / "model")
    assert hash_file(tmp_path / "model/base/model.safetensors") == made
    other = {**base, "tiny": {**tiny, "layers": 2}}
    with pytest.raises(UsageError, match="was begun with another recipe"):
        train(load_recipe(write_recipe(**short, base=other)), tmp_path / "model")


def test_a_stage_is_added_to_a_trained_model(small: Path, tmp_path: Path, write_recipe: WriteRecipe) -> None:
    folder = tmp_path / "model"
    shutil.copytree(small, folder)
    recipe = load_recipe(write_recipe()).recipe
    stages = [each.model_dump(mode="json") for each in recipe.stages]
    more = load_recipe(write_recipe(stages=[*stages, {**stages[1], "name": "three", "epochs": 0.2}]))
    results = train(more, folder).stages
    assert [each.name for each in results] == ["one", "two", "three"]
    assert hash_file(folder / "2-two/adapter" / ADAPTER_FILE) == hash_file(small / "2-two/adapter" / ADAPTER_FILE)
    assert name_last(folder) == folder / "3-three/adapter"


def test_rows_longer_than_the_bases_context_are_refused(tmp_path: Path, write_recipe: WriteRecipe) -> None:
    with pytest.raises(UsageError, match="max_tokens is 2,048, and the base knows 1,024 positions"):
        train(load_recipe(write_recipe(max_tokens=2048)), tmp_path / "model")


def test_a_call_that_is_refused_leaves_what_the_model_says_of_its_stages(
    small: Path, tmp_path: Path, write_recipe: WriteRecipe
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(small, folder)
    stages = read_manifest(folder)["stages"]
    (folder / "1-one/adapter" / ADAPTER_FILE).unlink()
    with pytest.raises(DataError, match="is not the adapter"):
        train(load_recipe(write_recipe()), folder)
    assert read_manifest(folder)["stages"] == stages
