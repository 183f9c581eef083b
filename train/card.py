"""What lies beside merged weights: the model card for people (README.md), and lineage.json for programs."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from datagen.errors import DataError
from train.checkpoints import hash_file
from train.stage import find_stage, read_result
from train.train import read_manifest, read_recipe

_USE = """\
## Use

```python
from transformers import pipeline

chat = pipeline("text-generation", model="this-folder")
print(chat([{"role": "user", "content": "오늘 하루 어땠어?"}], max_new_tokens=160)[0]["generated_text"][-1]["content"])
```

The chat template brings the persona's system prompt where the messages have none. `damhwa chat FOLDER` opens a chat."""
_HUB_LICENCES = ("apache-2.0", "mit", "cc-by-4.0", "cc-by-nc-4.0", "llama3.1", "llama3.2", "gemma")
_SIMULATED = (
    "**Some of its data is simulated**: templates, not a model's or a person's words. It is for trying things out."
)


def write_card(out: Path, trained: Path, comparison: dict[str, float]) -> None:
    """Write README.md and lineage.json to the merged model in `out`, which was trained in `trained`.

    `comparison`: with base + adapter, as `damhwa merge` measured it. Raises DataError where what it reads is torn.
    """
    manifest = read_manifest(trained)
    asked = enumerate(read_recipe(trained)[0].stages)
    done = [read_result(find_stage(trained, number, stage)) for number, stage in asked]
    # Not the manifest's own: training writes it after the last stage, and may have been killed between them.
    made = {
        "trained_in": os.path.relpath(trained.resolve(), out.resolve()),
        "stages": [asdict(each) for each in done if each is not None],
    }
    weights = {path.name: hash_file(path) for path in sorted(out.glob("*.safetensors"))}
    lineage = manifest | made | {"weights": weights, "comparison": comparison}
    (out / "lineage.json").write_text(json.dumps(lineage, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    report = trained / "evaluation" / "report.json"
    try:
        evaluation = json.loads(report.read_text(encoding="utf-8")) if report.is_file() else None
    except ValueError as exc:
        raise DataError(f"{report} is torn: {exc}", "run `damhwa evaluate` again, or delete it") from exc
    (out / "README.md").write_text("\n".join(_draw(lineage, evaluation)) + "\n", encoding="utf-8")


def _draw(lineage: dict[str, Any], evaluation: dict[str, Any] | None) -> Iterator[str]:
    recipe, licence = lineage["recipe"], lineage["recipe"]["base"]["licence"]
    yield from _draw_front_matter(recipe)
    yield f"\n# {recipe['name']}\n"
    base = recipe["base"]["hub"] or recipe["base"]["model"] or "a small Llama that was made in place"
    yield f"{lineage['persona']['name']}, a Korean-speaking persona: LoRA on {base}, merged. Made with Damhwa.\n"
    if any(stage["is_simulated"] for stage in lineage["stages"]):
        yield f"{_SIMULATED}\n"
    yield f"## Licence\n\nThe base is under [{licence['name']}]({licence['url']}), and so is what was made from it."
    if not licence["commercial"]:
        yield "\n**Not for commercial use.** Those terms go with the weights wherever they are copied."
    yield f"\n{_USE}\n\n## Training\n\nRecipe `{lineage['fingerprint']}`, in full in lineage.json.\n"
    yield from _draw_stages(recipe, lineage["stages"])
    near = lineage["comparison"]
    yield f"\nMerged in float32, saved as {recipe['export']['dtype']}, read back and compared with base + adapter on"
    yield f"{near['tokens']:,} persona tokens of {near['dialogues']:,} held-out dialogues: same most likely token"
    yield f"{near['agreement']:.2%}, KL divergence {near['kl']:.2g} nats a token."
    if evaluation is not None:
        yield from _draw_evaluation(evaluation)
    versions = ", ".join(f"{name} {version}" for name, version in lineage["versions"].items())
    yield f"\n## Made with\n\n{versions}"


def _draw_front_matter(recipe: dict[str, Any]) -> Iterator[str]:
    """The keys that the Hugging Face hub reads. A JSON string is a YAML string too."""
    base, licence = recipe["base"]["hub"], recipe["base"]["licence"]
    is_known = licence["name"].lower() in _HUB_LICENCES
    yield "---\nlanguage: [ko]\nlibrary_name: transformers\npipeline_tag: text-generation"
    yield f"license: {licence['name'].lower() if is_known else 'other'}"
    if not is_known:
        yield f"license_name: {json.dumps(licence['name'], ensure_ascii=False)}\nlicense_link: {licence['url']}"
    if base:  # a folder's name means nothing there
        yield f"base_model: {base}\nbase_model_relation: finetune"
    yield "tags: [damhwa, persona, dialogue, lora]\n---"


def _draw_stages(recipe: dict[str, Any], stages: list[dict[str, Any]]) -> Iterator[str]:
    yield "| stage | data | dialogues | steps | learning rate | held-out loss | data's sha256 |"
    yield "|---|---|--:|--:|--:|--:|---|"
    for asked, done in zip(recipe["stages"], stages, strict=True):
        losses = " → ".join(f"{done[f'held_out_loss_{when}'] or float('nan'):.3f}" for when in ("before", "after"))
        yield (
            f"| {done['name']} ({done['method']}) | {done['data']} | {done['rows']:,} | {done['steps']:,}"
            f" | {asked['learning_rate']:g} | {losses} | `{done['fingerprint']}` |"
        )


def _draw_evaluation(report: dict[str, Any]) -> Iterator[str]:
    """A row a measure, a column a model; 95 % intervals in brackets."""
    data = report["data"]
    yield f"\n## Evaluation\n\nOn {data['conversations']:,} dialogues of the {data['split']} split of {data['place']}"
    yield f"(sha256 `{data['fingerprint']}`), and on replies to {data['prompts']:,} of them; 95 % intervals.\n"
    yield f"| | {' | '.join(report['models'])} |\n|---|{'--:|' * len(report['models'])}"
    for measure in report["measures"]:
        cells = [_draw_value(each) for each in measure["values"]]
        yield f"| {measure['name']} | {' | '.join(cells)} |"


def _draw_value(value: dict[str, float] | None) -> str:
    return "–" if value is None else f"{value['value']:.3g} ({value['low']:.3g}–{value['high']:.3g})"
