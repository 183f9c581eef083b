"""`damhwa merge`: the last stage's adapter becomes part of the base's weights, and the result proves itself.

What was written is read back from the disk and compared with base + adapter in fp32 on held-out dialogues, and its chat
template has to render and tokenise what training did. The folder takes its name after that, and only then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from datagen.errors import DataError, UsageError
from datagen.spec import Persona
from train.base import find_base, load_adapter, load_base, load_tokenizer, load_weights
from train.card import write_card
from train.conversations import Conversation, read_split
from train.masks import IGNORED, Encoded, Encoder, render
from train.preferences import read_preferences
from train.recipe import Export, Recipe
from train.saved import add_default_persona, save_model, writing_whole
from train.stage import check_adapter, find_stage, read_result
from train.talk import Sampling
from train.train import name_last, read_recipe

COMPARED_TOKENS = 4096
"""Persona tokens. Their scores wait in memory while the merged model loads: 1.7 GB at EXAONE's 102,400 entries."""

Row = tuple[Conversation, Encoded]


@dataclass(frozen=True, slots=True)
class MergeReport:
    """How near the model as saved is to base + adapter in fp32, on held-out dialogues of the last stage.

    `agreement`: share of persona tokens with the same most likely token. `kl`: nats per persona token, mean.
    """

    folder: Path
    adapter: Path
    dtype: str
    dialogues: int
    tokens: int
    agreement: float
    kl: float


def merge(folder: Path, out: Path | None = None) -> MergeReport:
    """Merge what `damhwa train` left in `folder` into the new folder `out` (None: `merged` inside `folder`).

    Raises UsageError where a stage is not done or `out` exists; DataError where the merged model strays from base +
    adapter by more than the recipe's `export` allows, or renders other text. Then nothing is left at `out`.
    """
    recipe, persona = read_recipe(folder)
    for number, stage in enumerate(recipe.stages):
        place = find_stage(folder, number, stage)
        if (result := read_result(place)) is None:
            raise UsageError(f"stage {stage.name} of {folder} is not done", "go on with `damhwa train` and its recipe")
        check_adapter(place, result)
    out = out or folder / "merged"
    size = sum(each.stat().st_size for each in Path(find_base(folder, recipe.base)).glob("*.safetensors"))
    with writing_whole(out, size) as place:
        tokenizer, rows, expected = _write_merged(folder, recipe, persona, place)
        check_text(tokenizer, load_tokenizer(str(place)), [conversation for conversation, _ in rows], persona)
        found = _compare(load_weights(str(place)), [row for _, row in rows], expected)
        _check_likeness(*found, recipe.export)
        tokens = sum(map(len, expected))
        report = MergeReport(out, name_last(folder), recipe.export.dtype, len(rows), tokens, *found)
        write_card(place, folder, {"dialogues": len(rows), "tokens": tokens, "agreement": found[0], "kl": found[1]})
    return report


def describe_merge(report: MergeReport) -> str:
    """The report in a few lines."""
    compared = f"{report.tokens:,} persona tokens of {report.dialogues:,} held-out dialogues"
    near = f"same most likely token {report.agreement:.2%}, KL {report.kl:.2g} nats a token"
    return f"{report.folder}: {report.dtype}, read back and compared on {compared}: {near}"


def _write_merged(
    folder: Path, recipe: Recipe, persona: Persona, place: Path
) -> tuple[PreTrainedTokenizerBase, list[Row], list[torch.Tensor]]:
    """The base's tokenizer, the rows to compare, and the scores that base + adapter gives them."""
    base = load_base(folder, recipe.base.model_copy(update={"quantization": None}), dtype=torch.float32)
    assert isinstance(base.model, PreTrainedModel)
    encoder = Encoder.of(base.tokenizer, recipe.max_tokens, recipe.base.end_of_turn)
    rows = _choose_rows(recipe, persona, encoder)
    model = load_adapter(base.model, name_last(folder))
    expected = [_score(model, row) for _, row in rows]  # type: ignore[arg-type]
    try:
        merged: PreTrainedModel = model.merge_and_unload(safe_merge=True).to(getattr(torch, recipe.export.dtype))
    except ValueError as exc:  # NaN among the merged weights
        raise DataError(f"the adapter {name_last(folder)} is broken: {exc}", "train the stage again") from exc
    template = base.tokenizer.get_chat_template()
    base.tokenizer.chat_template = add_default_persona(template, persona.system_prompt.strip())
    assert merged.generation_config is not None
    # `transformers serve` draws the likeliest token, whatever a request says, unless the model's own settings sample.
    settings, drawn = merged.generation_config, Sampling()
    settings.do_sample, settings.temperature, settings.top_p = True, drawn.temperature, drawn.top_p
    save_model(place, merged, base.tokenizer, recipe.base.end_of_turn)
    base.tokenizer.chat_template = template
    return base.tokenizer, rows, expected


def _choose_rows(recipe: Recipe, persona: Persona, encoder: Encoder) -> list[Row]:
    """Held-out dialogues of the last stage, up to COMPARED_TOKENS."""
    stage = recipe.stages[-1]
    read = read_split(stage.data, "validation", persona, stage.config) if stage.method == "sft" else None
    split = read or read_preferences(stage, "validation", persona)
    rows: list[Row] = []
    tokens = 0
    for conversation in split.conversations:
        row = encoder.encode(conversation)
        learned = 0 if row is None else sum(end - start for start, end in row.spans)
        if row is not None and (tokens + learned <= COMPARED_TOKENS or not rows):
            rows.append((conversation, row))
            tokens += learned
    if not rows:
        what = f"no held-out dialogue of {stage.data} fits into {recipe.max_tokens} tokens"
        raise DataError(what, "raise `max_tokens`")
    return rows


def _score(model: PreTrainedModel, row: Encoded) -> torch.Tensor:
    """Log-probabilities, float32 (learned tokens, vocabulary)."""
    ids = torch.from_numpy(row.ids).long()[None].to(model.device)
    is_next_learned = torch.from_numpy(row.labels[1:] != IGNORED)
    with torch.no_grad():
        logits: torch.Tensor = model(input_ids=ids).logits[0, :-1]
    return logits.float().cpu()[is_next_learned].log_softmax(-1)


def _compare(model: PreTrainedModel, rows: Sequence[Encoded], expected: Sequence[torch.Tensor]) -> tuple[float, float]:
    """Share of the same most likely tokens, and mean KL(base + adapter ‖ merged) in nats per token."""
    agreeing, divergence, tokens = 0, 0.0, 0
    for row, wanted in zip(rows, expected, strict=True):
        found = _score(model, row)
        agreeing += int((found.argmax(-1) == wanted.argmax(-1)).sum())
        divergence += float((wanted.exp() * (wanted - found)).double().sum())
        tokens += len(wanted)
    return agreeing / tokens, max(divergence / tokens, 0.0)  # rounding can leave it below


def _check_likeness(agreement: float, kl: float, export: Export) -> None:
    if agreement < export.min_agreement or not kl <= export.max_kl:  # a NaN is refused too
        told = f"same most likely token {agreement:.2%} (at least {export.min_agreement:.2%} allowed)"
        hint = "change the recipe's `export`, call `damhwa train` with it again (nothing is trained anew), and merge"
        raise DataError(f"merged and saved it is another model: {told}, KL {kl:.3g} (at most {export.max_kl:g})", hint)


def check_text(
    base: PreTrainedTokenizerBase,
    merged: PreTrainedTokenizerBase,
    conversations: Sequence[Conversation],
    persona: Persona,
) -> None:
    """Raise DataError where a row, with its own system message or with none, is not read as it was in training."""
    system = {"role": "system", "content": persona.system_prompt.strip()}
    for conversation in conversations:
        said = [each for each in conversation.messages if each["role"] != "system"]
        pairs = ((said, [system, *said]), (conversation.messages, conversation.messages))
        for given, trained in pairs:
            text = render(base, trained)
            ids = [each(text, add_special_tokens=False)["input_ids"] for each in (base, merged)]
            if render(merged, given) != text or ids[0] != ids[1]:
                what = f"the merged template does not render row {conversation.id} as training did"
                raise DataError(what, "the base's chat template does not take a system message as the first one")
