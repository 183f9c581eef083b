"""Preferences: DPO from what reviewers rewrote, KTO from what was accepted or found wanting, by trl's trainers.

Both start from the adapter of the stage before, and it is their reference too: trl copies it, asks the copy once about
every row, and the copy is thrown away before the first step. Ids come from the encoder of fine-tuning, so that prompts
read as they do there and when the model serves, and every answer ends with its end-of-turn token.
"""

import hashlib
import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from transformers import Trainer

from datagen.errors import DataError, UsageError
from datagen.spec import Persona
from train.base import LoadedModel
from train.conversations import Conversation, Split, fingerprint, read_row
from train.masks import Encoded, Encoder
from train.recipe import Stage

_ANSWERS = {"dpo": ("chosen", "rejected"), "kto": ("completion",)}


@dataclass(frozen=True, slots=True)
class PreferenceSplit(Split):
    """`conversations` end with the answer that was chosen (`dpo`), or with the one that was judged (`kto`)."""

    rejected: tuple[Conversation, ...] = ()
    """Of `dpo`: the same conversations with the answer that was rewritten."""
    are_wanted: tuple[bool, ...] = ()


@dataclass(frozen=True, slots=True)
class Preference(Encoded):
    """`ids`: a prompt, then its answers, whose `spans` are given: chosen and rejected (`dpo`), or the one (`kto`)."""

    is_wanted: bool = True


def read_preferences(stage: Stage, name: str, persona: Persona) -> PreferenceSplit:
    """The split `name` of a folder that `damhwa export --format preferences` wrote, its verdicts mixed.

    Raises UsageError where trl, the folder or the split is missing; DataError for rows that are no preferences.
    """
    if find_spec("trl") is None:
        what = f"stage {stage.name} ({stage.method}) needs trl, which is not installed"
        raise UsageError(what, "pip install 'damhwa[prefs]'")
    rows = sorted(_read_rows(stage, name), key=lambda row: hashlib.sha256(row["id"].encode()).digest())
    found: list[list[Conversation]] = [[], []]
    for number, row in enumerate(rows, 1):
        for place, answer in enumerate(_ANSWERS[stage.method]):
            turns = {"id": row["id"], "messages": [*row["prompt"], *row[answer]]}
            found[place].append(read_row(turns, f"{stage.data} ({stage.method}, {name}), row {number}", {}, persona))
    wanted = tuple(bool(row.get("label", True)) for row in rows)
    if stage.method == "kto" and name == "train" and len(set(wanted)) < 2:
        what = f"every answer in {stage.data} (kto, {name}) is {'wanted' if wanted[0] else 'unwanted'}"
        raise UsageError(what, "kto learns from both: accept some in review, flag others, and export again")
    digest = hashlib.sha256(f"{fingerprint(found[0])} {fingerprint(found[1])} {wanted}".encode()).hexdigest()
    about = Path(stage.data) / "export.json"
    is_simulated = about.is_file() and json.loads(about.read_text(encoding="utf-8"))["simulated"]
    return PreferenceSplit(stage.data, name, tuple(found[0]), digest, is_simulated, tuple(found[1]), wanted)


def _read_rows(stage: Stage, name: str) -> list[dict[str, Any]]:
    path = Path(stage.data) / stage.method / f"{name}.parquet"
    columns = ["id", "prompt", *_ANSWERS[stage.method], *(["label"] if stage.method == "kto" else [])]
    needed = "edited in review" if stage.method == "dpo" else "accepted or flagged in review, or dropped"
    hint = f"`damhwa export RUN --format preferences --system-prompt -o {stage.data}`, of dialogues that were {needed}"
    try:
        rows: list[dict[str, Any]] = pq.read_table(path, columns=columns).to_pylist() if path.is_file() else []
    except (pa.ArrowException, OSError) as exc:
        raise DataError(f"{path} holds no {', '.join(columns)} as Parquet: {exc}", hint) from exc
    if not rows:
        raise UsageError(f"{path} is missing or empty, expected preferences of the split '{name}'", hint)
    return rows


def encode_preferences(split: PreferenceSplit, encoder: Encoder, limit: int | None = None) -> list[Encoded | None]:
    """The rows, or the first `limit`; None where prompt and answers do not fit. Raises what `Encoder.encode` does."""
    answers = zip_longest(*(encoder.encode_all(each[:limit]) for each in (split.conversations, split.rejected) if each))
    return [_join(rows, is_wanted) for rows, is_wanted in zip(answers, split.are_wanted, strict=False)]


def _join(rows: Sequence[Encoded | None], is_wanted: bool) -> Preference | None:
    whole = [row for row in rows if row is not None and not row.is_cut]
    if len(whole) < len(rows):
        return None
    begin = whole[0].spans[-1][0]
    parts = [whole[0].ids[:begin], *(row.ids[begin:] for row in whole)]
    ends = np.cumsum([len(part) for part in parts]).tolist()
    return Preference(whole[0].id, np.concatenate(parts), tuple(pairwise(ends)), is_wanted=is_wanted)


def make_preference_trainer(
    stage: Stage, started: LoadedModel, rows: tuple[Sequence[Encoded], Sequence[Encoded]], arguments: dict[str, Any]
) -> Trainer:
    """trl's trainer over the rows of training and of measuring. The adapter as it is now is the reference."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what they import opens files without an encoding
        trl, datasets = import_module("trl"), import_module("datasets")
        kind, form = (getattr(trl, f"{stage.method.upper()}{what}") for what in ("Trainer", "Config"))
    own: dict[str, Any] = {"beta": stage.beta, "max_length": None, "precompute_ref_log_probs": True}
    if stage.method == "kto":
        own |= _weigh(rows[0]) | {"train_sampling_strategy": "sequential"}
    trainer: Trainer = type("PreferenceTrainer", (_Plain, kind), {})(
        model=started.model,
        args=form(**arguments | own),
        train_dataset=datasets.Dataset.from_list(_list_columns(stage, rows[0])),
        eval_dataset=datasets.Dataset.from_list(_list_columns(stage, rows[1])),
        processing_class=started.tokenizer,
    )
    started.model.delete_adapter("ref")
    return trainer


class _Plain:
    """Of trl's trainers the training alone: ids are taken as given, no card is written, nobody is told of it."""

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        return dataset

    def create_model_card(self, **_: Any) -> None: ...

    def _send_telemetry(self) -> None: ...


def _weigh(rows: Sequence[Encoded]) -> dict[str, float]:
    """The rarer verdict weighs more, so that both count the same (Ethayarajh et al. 2024, arXiv 2402.01306, eq. 8)."""
    wanted = sum(row.is_wanted for row in rows if isinstance(row, Preference))
    odds = (len(rows) - wanted) / wanted if 0 < wanted < len(rows) else 1.0
    return {"desirable_weight": max(odds, 1.0), "undesirable_weight": max(1 / odds, 1.0)}


def _list_columns(stage: Stage, rows: Sequence[Encoded]) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = []
    for row in rows:
        assert isinstance(row, Preference)
        columns = {"prompt_ids": row.ids[: row.spans[0][0]].tolist(), "label": row.is_wanted}
        for name, (begin, end) in zip(_ANSWERS[stage.method], row.spans, strict=True):
            columns[f"{name}_ids"] = row.ids[begin:end].tolist()
        listed.append(columns)
    for number, columns in enumerate(listed if stage.method == "kto" else ()):
        # The KL term is estimated from answers to other prompts: in a batch, each row gets that of the row before.
        batch = listed[number // stage.batch * stage.batch :][: stage.batch]
        columns["KL_completion_ids"] = batch[number % stage.batch - 1]["completion_ids"]
    return listed
