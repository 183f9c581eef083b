"""The models that an evaluation is asked for: of a trained one its base and stages, else a plain one or an adapter."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from train.base import LoadedModel, find_base, load_adapter, load_base, load_skeleton, load_tokenizer, load_weights
from train.recipe import Base
from train.stage import find_stage
from train.train import read_recipe


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model to be measured. `base`: what `home`, a trained model, was trained from; None: `home` is a plain one."""

    label: str
    home: Path
    base: Base | None = None
    adapter: Path | None = None

    def check(self) -> None:
        """Raise UsageError where its configuration or tokenizer is not there: weights take their time."""
        place = find_base(self.home, self.base) if self.base else str(self.home)
        revision = self.base.revision if self.base else None
        load_tokenizer(place, revision)
        load_skeleton(place, revision)

    def load(self) -> LoadedModel:
        if self.base is None:
            return LoadedModel(self.label, load_weights(str(self.home)), load_tokenizer(str(self.home)))
        loaded = load_base(self.home, self.base)
        model: Any = loaded.model
        return replace(loaded, model=load_adapter(model, self.adapter).eval()) if self.adapter else loaded


def list_candidates(places: Sequence[Path]) -> list[Candidate]:
    """Of a trained model its base and every stage that is done; else an adapter, or a plain or merged model."""
    found = [each for place in places for each in _list_candidates(place)]
    if len({each.label for each in found}) == len(found):
        return found
    is_told_apart = len({place.name for place in places}) == len(places)
    names = [place.name if is_told_apart else str(place) for place in places for _ in _list_candidates(place)]
    return [replace(each, label=f"{name}/{each.label}") for name, each in zip(names, found, strict=True)]


def _list_candidates(place: Path) -> list[Candidate]:
    if (place / "adapter_config.json").is_file():
        home = place.parent.parent
        recipe = read_recipe(home)[0]
        name = place.parent.name.partition("-")[2] or place.name
        return [Candidate(name, home, recipe.base, place)]
    if not (place / "recipe.yaml").is_file():
        return [Candidate(place.name or str(place), place)]
    recipe = read_recipe(place)[0]
    adapters = [find_stage(place, number, stage) / "adapter" for number, stage in enumerate(recipe.stages)]
    stages = [
        Candidate(stage.name, place, recipe.base, adapter)
        for stage, adapter in zip(recipe.stages, adapters, strict=True)
        if (adapter / "adapter_config.json").is_file()
    ]
    return [Candidate("base", place, recipe.base), *stages]
