"""The model card and lineage.json: what they say of each stage is what the stage itself wrote."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from tests.train.evaluation_world import PERSONA, RECIPE
from train.card import write_card
from train.recipe import Recipe
from train.stage import StageResult

NEAR = {"dialogues": 3, "tokens": 211, "agreement": 1.0, "kl": 1.3e-7}


def write_stage(folder: Path, name: str, after: float) -> dict[str, Any]:
    """A stage's folder as far as the card reads it."""
    result = asdict(
        StageResult(
            name=name,
            method="sft",
            data=f"runs/{name}",
            fingerprint="c0ffee",
            held_out_fingerprint="decade",
            is_simulated=False,
            rows=40,
            cut=0,
            left_out=0,
            tokens=9_000,
            steps=12,
            seconds=3.0,
            held_out_loss_before=5.0,
            held_out_loss_after=after,
            adapter_sha256="0" * 64,
        )
    )
    folder.mkdir(parents=True)
    (folder / "stage.json").write_text(json.dumps(result), encoding="utf-8")
    return result


def test_a_training_that_was_killed_before_its_last_manifest_has_all_its_stages_in_the_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained, out = tmp_path / "models/exagirl", tmp_path / "elsewhere/merged"
    first = write_stage(trained / "1-gf-persona-data", "gf-persona-data", 4.25)
    second = write_stage(trained / "2-exa-data", "exa-data", 3.125)
    recipe = Recipe.model_validate(RECIPE).model_dump(mode="json")
    manifest = {"recipe": recipe, "persona": PERSONA, "fingerprint": "f00d", "versions": {}, "stages": [first]}
    (trained / "manifest.json").write_text(json.dumps(manifest, ensure_ascii=False), encoding="utf-8")
    out.mkdir(parents=True)
    save_file({"one": torch.zeros(1)}, out / "model.safetensors")

    monkeypatch.chdir(tmp_path)
    write_card(out, Path("models/exagirl"), NEAR)

    card = (out / "README.md").read_text(encoding="utf-8")
    assert "| gf-persona-data (sft) | runs/gf-persona-data | 40 | 12 | 0.0001 | 5.000 → 4.250 |" in card
    assert "| exa-data (sft) | runs/exa-data | 40 | 12 | 0.0001 | 5.000 → 3.125 |" in card
    lineage = json.loads((out / "lineage.json").read_text(encoding="utf-8"))
    assert lineage["stages"] == [first, second]
    assert (out / lineage["trained_in"]).resolve() == trained
