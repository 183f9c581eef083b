"""Merging: what is written is what was trained, says what it was made from, and is refused where it is not."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from ruamel.yaml import YAML
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from datagen.errors import DataError, UsageError
from tests.train.conftest import WriteRecipe
from train.checkpoints import hash_file
from train.conversations import Conversation
from train.masks import render
from train.merge import check_text, describe_merge, merge
from train.recipe import load_recipe
from train.saved import add_default_persona
from train.stage import ADAPTER_FILE
from train.train import name_last, read_recipe, train

NC = {"name": "EXAONE AI Model License Agreement 1.1 - NC", "url": "https://example.org/LICENSE", "commercial": False}
ASKED = [{"role": "user", "content": "나 오늘 발표하다가 머리가 하얘졌어."}]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trained")


@pytest.fixture
def trained(place: Path, write_recipe: WriteRecipe) -> Path:
    """The small recipe, trained once for this module, with adapters that are far from nothing."""
    recipe = write_recipe({"learning_rate": 2e-2}, {"learning_rate": 2e-2})
    train(load_recipe(recipe), place)
    return place


def change_recipe(trained: Path, **keys: Any) -> None:
    manifest = json.loads((trained / "manifest.json").read_text(encoding="utf-8"))
    manifest["recipe"] |= keys
    (trained / "manifest.json").write_text(json.dumps(manifest, ensure_ascii=False), encoding="utf-8")


def compute_logits(model: Any, ids: list[int]) -> torch.Tensor:
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0]
    assert isinstance(logits, torch.Tensor)
    return logits


def test_a_merged_model_computes_what_base_and_adapter_do(trained: Path, tmp_path: Path) -> None:
    change_recipe(trained, export={"dtype": "float32"})
    report = merge(trained, tmp_path / "merged")

    recipe, _ = read_recipe(trained)
    base = AutoModelForCausalLM.from_pretrained(str(recipe.base.model))
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "merged")
    ids = tokenizer(render(tokenizer, ASKED, is_prompt=True), add_special_tokens=False)["input_ids"]
    merged = compute_logits(AutoModelForCausalLM.from_pretrained(tmp_path / "merged"), ids)
    without = compute_logits(base, ids)
    expected = compute_logits(PeftModel.from_pretrained(base, str(name_last(trained))).train(mode=False), ids)
    torch.testing.assert_close(merged, expected, rtol=0, atol=1e-4)
    assert (without - expected).abs().max() > 0.1
    assert report.agreement == 1
    assert abs(report.kl) < 1e-6
    assert report.dialogues
    assert f"{report.tokens:,} persona tokens" in describe_merge(report)


def test_it_is_saved_as_the_recipe_says_and_measured_as_it_was_saved(trained: Path, tmp_path: Path) -> None:
    change_recipe(trained, export={"dtype": "bfloat16", "min_agreement": 0.8, "max_kl": 0.05})
    report = merge(trained, tmp_path / "merged")

    tensors = load_file(tmp_path / "merged/model.safetensors")
    assert {each.dtype for each in tensors.values()} == {torch.bfloat16}
    assert 0 < report.kl < 0.05
    assert 0.8 <= report.agreement <= 1


def test_it_lies_inside_the_trained_folder_if_nothing_else_is_said(trained: Path) -> None:
    change_recipe(trained, export={"dtype": "float32"})
    assert merge(trained).folder == trained / "merged"
    with pytest.raises(UsageError, match="exists already"):
        merge(trained)


def test_its_template_renders_what_training_rendered_and_takes_another_system_message(
    trained: Path, tmp_path: Path
) -> None:
    """Defect: the merged chat template printed stray blank lines between turns."""
    change_recipe(trained, export={"dtype": "float32"})
    merge(trained, tmp_path / "merged")

    recipe, persona = read_recipe(trained)
    base = AutoTokenizer.from_pretrained(str(recipe.base.model))
    merged = AutoTokenizer.from_pretrained(tmp_path / "merged")
    for system in (persona.system_prompt.strip(), "너는 사서다."):
        messages = [{"role": "system", "content": system}, *ASKED]
        trained_on = base.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        assert merged.apply_chat_template(messages, tokenize=False, add_generation_prompt=True) == trained_on
        is_own = system == persona.system_prompt.strip()
        assert (merged.apply_chat_template(ASKED, tokenize=False, add_generation_prompt=True) == trained_on) == is_own


def test_one_that_strays_too_far_is_refused_and_nothing_is_left(trained: Path, tmp_path: Path) -> None:
    change_recipe(trained, export={"dtype": "bfloat16", "min_agreement": 0, "max_kl": 1e-12})
    with pytest.raises(DataError, match=r"it is another model: .* KL .*at most 1e-12") as caught:
        merge(trained, tmp_path / "here" / "merged")
    assert "export" in str(caught.value.hint)
    assert not list((tmp_path / "here").iterdir())


def test_another_adapter_than_the_stage_ended_with_is_refused(trained: Path, tmp_path: Path) -> None:
    change_recipe(trained, export={"dtype": "float32"})
    path = name_last(trained) / ADAPTER_FILE
    kept, tensors = path.read_bytes(), load_file(path)
    save_file({name: torch.full_like(each, torch.nan) for name, each in tensors.items()}, path)
    try:
        with pytest.raises(DataError, match="is not the adapter that stage two ended with"):
            merge(trained, tmp_path / "here" / "merged")
        stage = path.parent.parent / "stage.json"
        record = stage.read_text(encoding="utf-8")
        stage.write_text(record.replace(hashlib.sha256(kept).hexdigest(), hash_file(path)), encoding="utf-8")
        with pytest.raises(DataError, match="NaN"):
            merge(trained, tmp_path / "here" / "merged")
        stage.write_text(record, encoding="utf-8")
    finally:
        path.write_bytes(kept)
    assert not list((tmp_path / "here").iterdir())


def test_a_template_that_renders_one_blank_line_more_is_refused(trained: Path) -> None:
    recipe, persona = read_recipe(trained)
    base, merged = (AutoTokenizer.from_pretrained(str(recipe.base.model)) for _ in range(2))
    row = Conversation("exa-data-1", ({"role": "system", "content": "너는 사서다."}, *ASKED))
    merged.chat_template = add_default_persona(base.chat_template, persona.system_prompt.strip())
    check_text(base, merged, [row], persona)

    merged.chat_template = "\n" + merged.chat_template
    with pytest.raises(DataError, match="does not render row exa-data-1 as training did"):
        check_text(base, merged, [row], persona)


def test_a_stage_that_is_not_done_is_named(trained: Path, tmp_path: Path) -> None:
    stage = trained / "2-two/stage.json"
    kept = stage.rename(tmp_path / "stage.json")
    try:
        with pytest.raises(UsageError, match=r"stage two of .* is not done"):
            merge(trained, tmp_path / "merged")
    finally:
        kept.rename(stage)


def test_the_lineage_is_the_manifest_with_the_hashes_of_the_weights(trained: Path, tmp_path: Path) -> None:
    change_recipe(trained, export={"dtype": "float32"})
    report = merge(trained, tmp_path / "merged")

    lineage = json.loads((tmp_path / "merged/lineage.json").read_text(encoding="utf-8"))
    manifest = json.loads((trained / "manifest.json").read_text(encoding="utf-8"))
    assert lineage.items() >= manifest.items()
    assert lineage["weights"] == {"model.safetensors": hash_file(tmp_path / "merged/model.safetensors")}
    assert lineage["comparison"]["tokens"] == report.tokens


def read_card(folder: Path) -> tuple[dict[str, Any], str]:
    _, front, text = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    return YAML(typ="safe").load(front), text


def test_the_card_tells_licence_data_recipe_and_that_the_data_is_simulated(trained: Path, tmp_path: Path) -> None:
    change_recipe(trained, export={"dtype": "float32"})
    merge(trained, tmp_path / "merged")

    front, text = read_card(tmp_path / "merged")
    assert (front["language"], front["license"], "base_model" in front) == (["ko"], "apache-2.0", False)
    manifest = json.loads((trained / "manifest.json").read_text(encoding="utf-8"))
    for told in (manifest["fingerprint"], *(stage["fingerprint"] for stage in manifest["stages"]), "transformers 5"):
        assert told in text
    assert "simulated" in text
    assert "Not for commercial use" not in text
    assert "## Evaluation" not in text


def test_the_card_of_a_non_commercial_base_says_so_and_shows_the_evaluation(trained: Path, tmp_path: Path) -> None:
    manifest = json.loads((trained / "manifest.json").read_text(encoding="utf-8"))
    change_recipe(trained, export={"dtype": "float32"}, base=manifest["recipe"]["base"] | {"licence": NC})
    values = [{"value": 0.914, "low": 0.88, "high": 0.95}, None]
    data = {"conversations": 40, "prompts": 20, "split": "test", "place": "runs/exa-data", "fingerprint": "abc123"}
    report = {"models": ["base", "two"], "data": data, "measures": [{"name": "speech_level", "values": values}]}
    (trained / "evaluation").mkdir()
    (trained / "evaluation/report.json").write_text(json.dumps(report), encoding="utf-8")
    merge(trained, tmp_path / "merged")

    front, text = read_card(tmp_path / "merged")
    assert (front["license"], front["license_name"], front["license_link"]) == ("other", NC["name"], NC["url"])
    assert "**Not for commercial use.**" in text
    assert "| speech_level | 0.914 (0.88–0.95) | – |" in text
