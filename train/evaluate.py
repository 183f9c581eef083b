"""`damhwa evaluate`: models side by side on held-out conversations, with intervals, as report.json and report.html.

All models get the same conversations and prompts. The first model is what the others are compared with: of a trained
model its base. One model is in memory at a time.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from datagen.console import err
from datagen.endpoint_options import Access, ProviderOptions, apply_options, find_access
from datagen.errors import DataError, UsageError
from datagen.record import clean_text
from datagen.spec import Persona, ProviderSettings
from train.base import LoadedModel
from train.bootstrap import DRAWS, Floats, Interval, Ratio, compare, draw_weights, estimate
from train.candidates import Candidate, list_candidates
from train.conversations import Split, find_curated, read_split
from train.evaluation_report import write_report
from train.judging import Match, judge_matches
from train.masks import Encoder
from train.measures import BETTER, Rules, Said, load_rules, measure_replies
from train.recipe import Recipe
from train.replies import Decoding, Prompt, Reply, choose_prompts, generate_replies, measure_losses
from train.train import MANIFEST, read_recipe

EXAMPLES = 12
"""Prompts whose replies the report shows side by side."""
FIGURES: Mapping[str, str] = {"perplexity": "lower", "stopped": "higher", **BETTER}
"""Every measure of a report, in its order → which way is better."""
SCORES: Mapping[str, float] = {"won": 1.0, "tied": 0.5, "lost": 0.0}


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    data: str
    split: str = "test"
    dialogues: int | None = None
    """Conversations that get a generated reply, at most; None: the recipe's `evaluation.dialogues`."""
    decoding: Decoding = field(default_factory=Decoding)
    """`max_new_tokens` 0, `temperature` None: the recipe's."""
    judge: ProviderOptions | None = None
    """`model` and the endpoint of the judge; None: nobody is asked."""
    out: Path | None = None
    """None: `evaluation/` in the first model's folder."""


@dataclass(frozen=True, slots=True)
class Material:
    """What all models are measured on. `room`: tokens of a conversation with its reply."""

    split: Split
    prompts: list[Prompt]
    rules: Rules
    room: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What one model did. `replies`: one for each prompt."""

    label: str
    ratios: dict[str, Ratio]
    replies: list[Reply]
    cut: int
    """Conversations that were cut after a whole exchange."""


def evaluate(places: Sequence[Path], options: EvaluateOptions) -> dict[str, Any]:
    """Measure the models and write the report; gives what report.json holds.

    Raises UsageError, DataError, ProviderError.
    """
    candidates = list_candidates(places)
    out = options.out or places[0] / "evaluation"
    recipe, persona = _find_recipe(places)
    options = _fill(options, recipe)
    judge = _open_judge(options.judge) if options.judge is not None else None
    split = read_split(options.data, options.split, persona)
    curated = find_curated(options.data)
    rules = load_rules(curated.parent if curated else None, persona)
    prompts: list[Prompt] = []
    measured: list[Measured] = []
    for each in candidates:
        each.check()
    for each in candidates:
        err.print(f"{each.label}: {len(split.conversations):,} conversations", markup=False)
        loaded = each.load()
        room = _find_room(loaded, recipe.max_tokens)
        prompts = prompts or _choose(loaded, split, room, options)
        measured.append(_measure(each, loaded, Material(split, prompts, rules, room), options.decoding))
        del loaded  # or two of them would be in memory while the next one loads
    said = [_to_said(prompt, prompt.reference, rules) for prompt in prompts]
    report = _describe(measured, measure_replies(said, rules.settings, ()), split, prompts, options)
    write_report(out, report)
    if judge is not None:
        report["judge"] = _judge(measured, prompts, judge, out, options.decoding.seed)
        write_report(out, report)
    return report


def _find_recipe(places: Sequence[Path]) -> tuple[Recipe, Persona]:
    """Of the first model that was trained here, or merged from one."""
    homes = [home for place in places for home in (place, place.parent, place.parent.parent)]
    for home in homes:
        if (home / MANIFEST).is_file():
            return read_recipe(home)
        if (home / "lineage.json").is_file():
            return _read_lineage(home / "lineage.json")
    hint = "give a model that `damhwa train` or `damhwa merge` made among them"
    raise UsageError(f"nothing beside {places[0]} tells its persona", hint)


def _read_lineage(path: Path) -> tuple[Recipe, Persona]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        return Recipe.model_validate(known["recipe"]), Persona.model_validate(known["persona"])
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise DataError(f"{path} is not what `damhwa merge` wrote: {exc}", "merge again") from exc


def _fill(options: EvaluateOptions, recipe: Recipe) -> EvaluateOptions:
    asked = recipe.evaluation
    given = options.decoding
    temperature = asked.temperature if given.temperature is None else given.temperature
    decoding = replace(given, max_new_tokens=given.max_new_tokens or asked.max_new_tokens, temperature=temperature)
    return replace(options, dialogues=options.dialogues or asked.dialogues, decoding=decoding)


def _find_room(loaded: LoadedModel, max_tokens: int) -> int:
    config: Any = loaded.model.config
    return min(max_tokens, getattr(config, "max_position_embeddings", None) or max_tokens)


def _choose(loaded: LoadedModel, split: Split, room: int, options: EvaluateOptions) -> list[Prompt]:
    """A seeded choice of conversations, each with a prompt that leaves room for a reply."""
    order = np.random.default_rng(options.decoding.seed).permutation(len(split.conversations))
    chosen = [split.conversations[at] for at in sorted(order[: options.dialogues])]
    if prompts := choose_prompts(loaded, chosen, room - options.decoding.max_new_tokens):
        return prompts
    told = f"no prompt of {split.place} leaves room for {options.decoding.max_new_tokens} tokens of {room:,}"
    raise UsageError(told, "lower --max-new-tokens")


def _measure(candidate: Candidate, loaded: LoadedModel, material: Material, decoding: Decoding) -> Measured:
    rules, prompts = material.rules, material.prompts
    encoder = Encoder.of(loaded.tokenizer, material.room, candidate.base.end_of_turn if candidate.base else None)
    rows = list(encoder.encode_all(material.split.conversations))
    losses = measure_losses(loaded, rows)
    if not np.isfinite(losses.tops).all():
        hint = "its weights are broken: train the stage again with a lower learning rate, or leave the model out"
        raise DataError(f"{candidate.label} scores conversations with what is no number (NaN or infinity)", hint)
    end: Any = loaded.tokenizer.convert_tokens_to_ids(encoder.end_of_turn)
    replies = generate_replies(loaded, prompts, decoding, end)
    said = [_to_said(prompt, reply.text, rules) for prompt, reply in zip(prompts, replies, strict=True)]
    stopped = Ratio.of_mean([each.is_stopped for each in replies])
    measures = measure_replies(said, rules.settings, tuple(encoder.markers))
    cut = sum(row is not None and row.is_cut for row in rows)
    return Measured(candidate.label, {"perplexity": losses, "stopped": stopped, **measures}, replies, cut)


def _to_said(prompt: Prompt, text: str, rules: Rules) -> Said:
    return Said(prompt.messages[-1]["content"], text, rules.sheets.get(prompt.conversation.persona))


def _describe(
    measured: Sequence[Measured],
    reference: Mapping[str, Ratio],
    split: Split,
    prompts: Sequence[Prompt],
    options: EvaluateOptions,
) -> dict[str, Any]:
    seed, tokens = options.decoding.seed, measured[0].ratios["perplexity"].bottoms
    draws = {len(split.conversations): draw_weights(len(split.conversations), seed)}
    draws[len(prompts)] = draw_weights(len(prompts), seed)
    shown = sorted(np.random.default_rng(seed).permutation(len(prompts))[:EXAMPLES].tolist())
    return {
        "version": 1,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "models": [each.label for each in measured],
        "data": {
            "place": split.place,
            "split": split.name,
            "fingerprint": split.fingerprint,
            "conversations": len(split.conversations),
            "tokens": int(tokens.sum()),
            "cut": measured[0].cut,
            "left_out": int((tokens == 0).sum()),
            "prompts": len(prompts),
            "prompts_left_out": min(options.dialogues or 0, len(split.conversations)) - len(prompts),
            "is_simulated": split.is_simulated,
        },
        "decoding": asdict(options.decoding),
        "bootstrap": {"draws": DRAWS, "level": 0.95},
        "measures": [_compare(name, measured, reference, draws) for name in FIGURES if name in measured[0].ratios],
        "judge": None,
        "examples": [_show(prompts[at], [each.replies[at] for each in measured]) for at in shown],
    }


def _compare(
    name: str, measured: Sequence[Measured], reference: Mapping[str, Ratio], draws: Mapping[int, Floats]
) -> dict[str, Any]:
    """One measure of all models. No difference of perplexities where the tokens are others: they share no unit."""
    ratios = [each.ratios[name] for each in measured]
    weights = draws[len(ratios[0].tops)]
    is_same = [not each.is_log or np.array_equal(each.bottoms, ratios[0].bottoms) for each in ratios]
    changes = [compare(each, ratios[0], weights) if same else None for each, same in zip(ratios, is_same, strict=True)]
    data = _estimate(name, reference[name], weights) if name in reference else None
    return {
        "name": name,
        "better": FIGURES[name],
        "is_quotient": ratios[0].is_log,
        "values": [_to_json(_estimate(name, each, weights)) for each in ratios],
        "differences": [None, *map(_to_json, changes[1:])],
        "data": _to_json(data),
    }


def _estimate(name: str, ratio: Ratio, weights: Floats) -> Interval | None:
    found = estimate(ratio, weights)
    if found is None or not name.startswith("distinct_"):
        return found
    return replace(found, low=max(found.low, 0.0), high=min(found.high, 1.0))  # the jackknife knows no bounds


def _to_json(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else {name: round(value, 6) for name, value in asdict(interval).items()}


def _show(prompt: Prompt, replies: Sequence[Reply]) -> dict[str, Any]:
    said = [{"text": clean_text(each.text), "is_stopped": each.is_stopped} for each in replies]
    messages = [dict(each) for each in prompt.messages if each["role"] != "system"][-3:]
    return {"id": prompt.conversation.id, "messages": messages, "data": prompt.reference, "replies": said}


def _open_judge(asked: ProviderOptions) -> tuple[ProviderSettings, Access]:
    """Which model is asked, and where. Raises UsageError, before anything is measured, where that is not clear."""
    plain = ProviderSettings(model="gpt-4o", temperature=0, max_completion_tokens=1_000, concurrency=8)
    settings = apply_options(plain, asked)
    return settings, find_access(settings, asked)


def _judge(
    measured: Sequence[Measured],
    prompts: Sequence[Prompt],
    judge: tuple[ProviderSettings, Access],
    out: Path,
    seed: int,
) -> dict[str, Any]:
    """Every model against the first: the mean of its scores, where a tie is half a win."""
    weights = draw_weights(len(prompts), seed)
    found = []
    for each in measured[1:]:
        pairs = zip(prompts, measured[0].replies, each.replies, strict=True)
        matches = [Match(prompt.messages, first.text, other.text) for prompt, first, other in pairs]
        verdicts = judge_matches(matches, *judge, out / "judge.db")
        told = [verdict for verdict in verdicts if verdict is not None]
        is_told = np.array([float(verdict is not None) for verdict in verdicts])
        scores = Ratio(np.array([verdict[0] if verdict else 0.0 for verdict in verdicts]), is_told)
        counts = {name: sum(score == points for score, _ in told) for name, points in SCORES.items()}
        counts |= {"unjudged": len(verdicts) - len(told), "agreed": sum(is_agreed for _, is_agreed in told)}
        found.append({"model": each.label, **counts, "rate": _to_json(estimate(scores, weights))})
    return {"model": judge[0].model, "against": measured[0].label, "results": found}
