"""`damhwa train`: a recipe's stages in their order, each on top of the one before; on from where an earlier call broke.

Everything that can be refused is refused before the first step of the first stage.
"""

import json
import shutil
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from pydantic import ValidationError
from rich.markup import escape
from safetensors import SafetensorError

from datagen.console import err, format_seconds
from datagen.errors import DataError, InterruptedRunError, UsageError
from datagen.run_folder import lock_run
from datagen.spec import Persona
from train.base import find_base, load_base, load_skeleton, load_tokenizer
from train.checks import check_skeleton, check_tokens
from train.conversations import Split, read_split
from train.masks import Encoder
from train.preferences import read_preferences
from train.recipe import Licence, LoadedRecipe, Recipe, Stage, fingerprint
from train.stage import (
    StageData,
    StageResult,
    check_adapter,
    find_stage,
    prepare,
    read_result,
    run_stage,
    tell,
    write_json,
)

PACKAGES = ("damhwa", "torch", "transformers", "peft", "accelerate", "tokenizers")
MANIFEST = "manifest.json"
_SPLITS = ("train", "validation")


@dataclass(frozen=True, slots=True)
class Trained:
    """What a call of `train` leaves in `folder`."""

    folder: Path
    stages: tuple[StageResult, ...]


def train(loaded: LoadedRecipe, folder: Path) -> Trained:
    """Train a recipe into `folder`, or go on with it.

    Raises UsageError, DataError for what cannot be trained as asked; InterruptedRunError on Ctrl-C.
    """
    # Who asks first decides: without `cpu`, the processes of a machine without a GPU would each think they are alone.
    PartialState(cpu=not torch.cuda.is_available())
    with lock_run(folder) if PartialState().is_main_process else nullcontext():
        try:
            return _train(loaded, folder)
        except KeyboardInterrupt as exc:
            hint = "the same command goes on: a stage from its last checkpoint, a base that is made in place anew"
            raise InterruptedRunError(f"stopped; what was trained is in {folder}", hint) from exc
        except (OSError, SafetensorError) as exc:
            hint = "free some space, and see that the folder may be written: the same command goes on"
            raise DataError(f"{folder} could not be written: {exc}", hint) from exc


def _train(loaded: LoadedRecipe, folder: Path) -> Trained:
    recipe = loaded.recipe
    print_licence(recipe.base.licence, recipe.base.hub or recipe.base.model or recipe.name)
    if (processes := PartialState().num_processes) > 1:
        tell(f"{processes} processes: an optimizer step takes {processes} times the rows that the recipe says")
    if recipe.base.tiny is None:
        find_base(folder, recipe.base)
    splits = [_read_splits(stage, loaded) for stage in recipe.stages]
    _begin(loaded, folder)
    _make_base(loaded, folder, splits)
    encoder = _open_encoder(loaded, folder)
    check_skeleton(load_skeleton(find_base(folder, recipe.base), recipe.base.revision), recipe)
    data = [prepare(stage, both, encoder) for stage, both in zip(recipe.stages, splits, strict=True)]
    results: tuple[StageResult, ...] = ()
    for number, each in enumerate(data):
        results = (*results, _run_stage(loaded, number, each, folder))
        _write_manifest(folder, describe(loaded, results))
    return Trained(folder, results)


def print_licence(licence: Licence, base: str) -> None:
    """On stderr, before anything is trained."""
    if PartialState().is_main_process:
        use = "" if licence.commercial else ". NOT for commercial use: what is trained from it is bound by that too"
        err.print(escape(f"base {base}: {licence.name} ({licence.url}){use}"))


def describe(loaded: LoadedRecipe, stages: Sequence[StageResult]) -> dict[str, Any]:
    """The manifest: what was asked, with what, and what each stage that is done gave."""
    return {
        "recipe": loaded.recipe.model_dump(mode="json"),
        "fingerprint": loaded.fingerprint,
        "persona": loaded.persona.model_dump(mode="json", exclude={"examples"}),
        "versions": {name: metadata.version(name) for name in PACKAGES},
        "stages": [asdict(stage) for stage in stages],
    }


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a trained model. Raises UsageError where there is none, DataError where it is torn."""
    try:
        manifest: object = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise UsageError(f"{folder} is no trained model: there is no {MANIFEST} in it", "see `damhwa train`") from exc
    except (OSError, ValueError) as exc:
        raise DataError(f"{folder / MANIFEST} cannot be read: {exc}", "train again with the same recipe") from exc
    if not isinstance(manifest, dict):
        raise DataError(f"{folder / MANIFEST} is not what `damhwa train` wrote", "delete it, and train again")
    return manifest


def read_recipe(folder: Path) -> tuple[Recipe, Persona]:
    """Recipe and persona that a trained model was made with. Raises UsageError, DataError."""
    manifest = read_manifest(folder)
    try:
        return Recipe.model_validate(manifest["recipe"]), Persona.model_validate(manifest["persona"])
    except (KeyError, ValidationError) as exc:
        raise DataError(f"{folder / MANIFEST} is not what `damhwa train` wrote: {exc}", "train again") from exc


def _read_splits(stage: Stage, loaded: LoadedRecipe) -> tuple[Split, Split]:
    if stage.method != "sft":
        return read_preferences(stage, "train", loaded.persona), read_preferences(stage, "validation", loaded.persona)
    persona = loaded.persona
    train_split, held_out = (read_split(stage.data, name, persona, stage.config) for name in _SPLITS)
    if train_split.prompts.get(persona.id, persona.system_prompt).strip() != persona.system_prompt.strip():
        what = f"{stage.data} was made with another system prompt of '{persona.id}' than the recipe's persona has"
        hint = "the model would be served with a prompt that it did not learn: give the recipe the persona of the run's"
        raise UsageError(what, f"{hint} spec.yaml, or build the data anew")
    return train_split, held_out


def _begin(loaded: LoadedRecipe, folder: Path) -> None:
    """Write down what is asked. Stages that did not begin yet may be other ones than in an earlier call.

    Raises UsageError where those that did are.
    """
    is_base_kept, done = True, list[StageResult]()
    if (folder / MANIFEST).exists():
        recipe, persona = read_recipe(folder)
        places = [find_stage(folder, number, stage) for number, stage in enumerate(recipe.stages)]
        begun = sum((place / "begun.json").exists() for place in places)
        if begun and fingerprint(recipe, persona, begun) != fingerprint(loaded.recipe, loaded.persona, begun):
            hint = f"give another folder with -o, or bring the recipe back: {folder / 'recipe.yaml'} shows it"
            raise UsageError(f"{folder} was begun with another recipe or persona", hint)
        done = [result for place in places[:begun] if (result := read_result(place)) is not None]
        is_base_kept = (recipe.base, recipe.seed) == (loaded.recipe.base, loaded.recipe.seed)
    PartialState().wait_for_everyone()  # none may still be reading
    if PartialState().is_main_process:
        if not is_base_kept:
            shutil.rmtree(folder / "base", ignore_errors=True)
        with suppress(shutil.SameFileError):
            shutil.copyfile(loaded.path, folder / "recipe.yaml")
        _write_manifest(folder, describe(loaded, done))
    PartialState().wait_for_everyone()


def _make_base(loaded: LoadedRecipe, folder: Path, splits: Sequence[tuple[Split, Split]]) -> None:
    if loaded.recipe.base.tiny is None:
        return
    if PartialState().is_main_process and not (folder / "base").exists():
        from train.tiny import make_tiny

        conversations = [each.messages for split, _ in splits for each in split.conversations]
        make_tiny(folder / "base", conversations, loaded.recipe.base.tiny, loaded.recipe.seed)
    PartialState().wait_for_everyone()


def _open_encoder(loaded: LoadedRecipe, folder: Path) -> Encoder:
    base = loaded.recipe.base
    tokenizer = load_tokenizer(find_base(folder, base), base.revision, base.pad)
    check_tokens(tokenizer, base.end_of_turn)
    return Encoder.of(tokenizer, loaded.recipe.max_tokens, base.end_of_turn)


def _run_stage(loaded: LoadedRecipe, number: int, data: StageData, folder: Path) -> StageResult:
    stage = loaded.recipe.stages[number]
    place = find_stage(folder, number, stage)
    done = read_result(place)
    if done is not None:
        if done.fingerprint != data.train.fingerprint:
            hint = f"give another folder with -o; or delete {place} and what follows it"
            raise DataError(f"{stage.data} changed since stage {place.name} was trained on it", hint)
        check_adapter(place, done)
        tell(f"{stage.name}: done before, {done.steps:,} steps")
        return done
    result = run_stage(loaded, number, data, load_base(folder, loaded.recipe.base), place)
    tell(describe_result(result))
    return result


def describe_result(result: StageResult) -> str:
    """A stage in one line."""
    losses = ""
    if result.held_out_loss_before is not None and result.held_out_loss_after is not None:
        losses = f", held-out loss {result.held_out_loss_before:.3f} → {result.held_out_loss_after:.3f}"
    return f"{result.name}: {result.steps:,} steps in {format_seconds(result.seconds)}{losses}"


def describe_trained(trained: Trained) -> str:
    """The summary in a few lines."""
    lines = [describe_result(stage) for stage in trained.stages]
    following = f"next: damhwa evaluate {trained.folder} --data RUN, then damhwa merge {trained.folder}"
    return "\n".join([*lines, f"adapter: {name_last(trained.folder)}", following])


def name_last(folder: Path) -> Path:
    """The adapter of the last stage of a trained model."""
    recipe, _ = read_recipe(folder)
    return find_stage(folder, len(recipe.stages) - 1, recipe.stages[-1]) / "adapter"


def _write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    if PartialState().is_main_process:
        write_json(folder / MANIFEST, manifest)
