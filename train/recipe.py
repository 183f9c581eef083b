"""What a training run is made of: the forms of a recipe's YAML, and reading one.

Unknown keys are refused and every mistake is told with file:line, as in a spec. The persona's file is relative to the
recipe's; data and models are named as on the command line, relative to the working folder.
"""

import hashlib
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from datagen.errors import SpecError, UsageError
from datagen.form_file import FormReader, is_file
from datagen.packaged import find_packaged
from datagen.spec import Persona

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64)]


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Licence(_Form):
    """The base's licence. It is printed before training and written into the model card."""

    name: Text
    url: Text
    commercial: bool
    """Whether what is made from the base may be used commercially."""


class TinyBase(_Form):
    """A base made in place: a small Llama, pre-trained on the stages' own text. For trying things out."""

    layers: int = Field(4, ge=1, le=32)
    hidden: int = Field(256, ge=16, le=2048, multiple_of=8)
    heads: int = Field(4, ge=1, le=256)
    vocabulary: int = Field(4000, ge=400, le=200_000)
    """Entries of the byte-level BPE tokenizer."""
    steps: int = Field(300, ge=1, le=1_000_000)
    """Optimizer steps of pre-training."""
    batch: int = Field(8, ge=1, le=4096)
    tokens: int = Field(512, ge=32, le=131_072)
    """Context, and length of a pre-training row."""
    learning_rate: float = Field(1e-3, gt=0, le=1)

    @model_validator(mode="after")
    def _has_whole_heads(self) -> Self:
        if self.hidden % (2 * self.heads):  # rotary positions turn pairs of a head's values
            raise ValueError(f"hidden {self.hidden} is no multiple of 2 × heads, {2 * self.heads}")
        return self


class Base(_Form):
    """The model that is trained on."""

    model: Text | None = None
    """Its folder."""
    hub: Text | None = None
    """Or its name on the Hugging Face hub, where `revision` names a commit."""
    revision: Text | None = None
    tiny: TinyBase | None = None
    licence: Licence
    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    quantization: Literal["4bit"] | None = None
    """`4bit`: QLoRA (NF4 by bitsandbytes) for small GPUs. Changes the losses: the base is rounded."""
    end_of_turn: Text | None = None
    """The token that ends a turn; None: the tokenizer's eos."""
    pad: Text | None = None
    """The padding token, where the tokenizer has none of its own or it is the eos."""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if sum(each is not None for each in (self.model, self.hub, self.tiny)) != 1:
            raise ValueError("expected one of `model`, `hub` and `tiny`")
        return self


class Lora(_Form):
    """Low-rank adapters (Hu et al. 2021, arXiv 2106.09685)."""

    r: int = Field(ge=1, le=8192)
    alpha: int = Field(ge=1, le=65_536)
    dropout: float = Field(0.0, ge=0, lt=1)
    targets: tuple[Text, ...] = Field(min_length=1)
    """Last part of the names of the linear modules that get one."""


class Stage(_Form):
    """One pass over one dataset. Batch × accumulation rows make an optimizer step."""

    name: Name
    data: Text
    """A run, a `curated/` or exported folder, or whatever `datasets.load_dataset` reads."""
    config: Text | None = None
    """Configuration of a dataset that has several."""
    method: Literal["sft", "dpo", "kto"] = "sft"
    """`dpo`, `kto`: from a folder of `damhwa export --format preferences`; needs the extra `prefs`."""
    epochs: float = Field(gt=0, le=1000)
    batch: int = Field(ge=1, le=4096)
    accumulation: int = Field(ge=1, le=65_536)
    learning_rate: float = Field(gt=0, le=1)
    schedule: Literal["cosine", "linear", "constant", "constant_with_warmup"]
    warmup_ratio: float = Field(0.0, ge=0, lt=1)
    max_grad_norm: float = Field(1.0, gt=0)
    beta: float = Field(0.1, gt=0)
    """Of `dpo` and `kto`: how much straying from the stage's start costs."""
    packing: bool = False
    """Dialogues in one row without padding, blind to each other. Changes the losses: a step sees more of them."""
    group_by_length: bool = False
    """Rows of like length in one batch. Changes the losses: the order of the rows is another."""
    evaluate_every: int = Field(50, ge=1)
    """Optimizer steps between measurements on held-out rows, with samples."""
    save_every: int = Field(50, ge=1)
    """Optimizer steps between checkpoints: at most so many are done again after a kill."""
    held_out: int = Field(200, ge=1)
    """Rows of the validation split that are measured."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.warmup_ratio and self.schedule == "constant":
            raise ValueError("schedule 'constant' has no warm-up, expected 'constant_with_warmup' or no warmup_ratio")
        if self.packing and self.batch > 1:
            raise ValueError("packing makes rows of `max_tokens` itself, expected batch 1")
        if self.method != "sft" and (self.packing or self.group_by_length):
            raise ValueError(f"packing and group_by_length are for method 'sft', not for {self.method!r}")
        if self.method == "kto" and self.batch < 2:
            raise ValueError("method 'kto' compares an answer with the others of its batch, expected batch 2 or more")
        return self


class Evaluation(_Form):
    """What is drawn while training, and measured by `damhwa evaluate`."""

    prompts: tuple[Text, ...] = ()
    """What the user says in the samples that are drawn at every measurement."""
    dialogues: int = Field(100, ge=1)
    """Held-out dialogues that get a generated reply."""
    max_new_tokens: int = Field(160, ge=1)
    temperature: float = Field(0.8, ge=0, le=2)
    """Of `damhwa evaluate`, as people chat with it; 0 takes the most likely token each time."""


class Export(_Form):
    """What `damhwa merge` writes, and how near it has to be to base + adapter."""

    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    min_agreement: float = Field(0.98, ge=0, le=1)
    """Share of persona tokens at which both have the same most likely token."""
    max_kl: float = Field(0.01, gt=0)
    """Nats per persona token, mean."""


class Recipe(_Form):
    name: Name
    seed: int = Field(0, ge=0, lt=2**32)
    base: Base
    lora: Lora
    persona: Text
    """File of the persona: who answers where rows name none, and the merged model's default system prompt."""
    max_tokens: int = Field(2048, ge=32, le=1_048_576)
    """A longer dialogue is cut after a whole exchange."""
    gradient_checkpointing: bool = False
    """Less memory for about a third more time. The losses stay."""
    stages: tuple[Stage, ...] = Field(min_length=1)
    evaluation: Evaluation = Evaluation()
    export: Export = Export()

    @model_validator(mode="after")
    def _names_are_once(self) -> Self:
        twice = [name for name, count in Counter(stage.name for stage in self.stages).items() if count > 1]
        if twice:
            raise ValueError(f"two stages are called {twice[0]!r}, expected a name for each")
        return self


class LoadedRecipe(_Form):
    """A recipe with its persona. `fingerprint`: sha256 over all that decides what is trained."""

    path: Path
    recipe: Recipe
    persona: Persona
    fingerprint: str


def load_recipe(name: str | Path) -> LoadedRecipe:
    """The recipe at a path, or the packaged one of that name (`exagirl-2.4b`).

    Raises SpecError with every mistake in it and in its persona's file, UsageError where there is no such file.
    """
    path = _find_recipe(Path(name))
    reader = FormReader()
    recipe = reader.validate(path, reader.read_yaml(path), Recipe)
    persona = None
    if recipe is not None:
        file = path.parent / recipe.persona
        if is_file(file):
            persona = reader.validate(file, reader.read_yaml(file), Persona)
        else:
            reader.add_at(path, ("persona",), f"there is no {file}", "give the persona's file, relative to the recipe")
    if recipe is None or persona is None or reader.problems:
        raise SpecError(sorted(reader.problems, key=lambda problem: problem.line or 0), "the recipe")
    return LoadedRecipe(path=path, recipe=recipe, persona=persona, fingerprint=fingerprint(recipe, persona))


def fingerprint(recipe: Recipe, persona: Persona, count: int | None = None) -> str:
    """sha256 of what decides the weights, after the first `count` stages; None: after all.

    Without what only measures or exports, which may change between calls; data have fingerprints of their own.
    """
    beside = {"data", "config", "evaluate_every", "save_every", "held_out"}
    stages = [stage.model_dump_json(exclude=beside) for stage in recipe.stages[:count]]
    own = recipe.model_dump_json(exclude={"name", "stages", "evaluation", "export", "persona"})
    return hashlib.sha256("\n".join([own, *stages, persona.model_dump_json()]).encode()).hexdigest()


def _find_recipe(path: Path) -> Path:
    if is_file(path):
        return path
    packaged = find_packaged(f"recipes/{path.name if path.suffix == '.yaml' else f'{path.name}.yaml'}")
    if packaged is not None and path.parts[:-1] in ((), ("specs", "recipes")):
        return packaged
    folder = find_packaged("recipes")
    names = ", ".join(sorted(each.stem for each in folder.glob("*.yaml"))) if folder else "none"
    raise UsageError(f"{path}: no such recipe", f"give a path, or the name of a packaged recipe: {names}")
