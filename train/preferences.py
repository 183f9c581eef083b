"""Preferences: DPO from what reviewers rewrote, KTO from what was accepted or found wanting, by trl's trainers.

Both start from the adapter of the stage before, and it is their reference too: trl copies it, asks the copy once about
every row, and the copy is thrown away before the first step. Ids come from the encoder of fine-tuning: prompts read as
they do there and when the model serves, and every answer ends with its end-of-turn token.
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
from train.batches import Steady
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

    def list_columns(self, method: str) -> dict[str, Any]:
        """What trl's trainer of that method takes."""
        parts = zip(("prompt", *_ANSWERS[method]), ((0, self.spans[0][0]), *self.spans), strict=True)
        ids = {f"{name}_ids": self.ids[begin:end].tolist() for name, (begin, end) in parts}
        return ids if method == "dpo" else {**ids, "label": self.is_wanted}


def read_preferences(stage: Stage, name: str, persona: Persona) -> PreferenceSplit:
    """The split `name` of a folder that `damhwa export --format preferences` wrote, its verdicts mixed.

    Raises UsageError where trl, the folder or the split is missing; DataError for rows that are no preferences.
    """
    if find_spec("trl") is None:
        what = f"stage {stage.name} ({stage.method}) needs trl, which is not installed"
        raise UsageError(what, "pip install 'damhwa[prefs]'")
    rows = sorted(_read_rows(stage, name), key=lambda row: hashlib.sha256(row["id"].encode()).digest())
    where = f"{stage.data} ({stage.method}, {name})"
    found: list[tuple[Conversation, ...]] = [()] * 2
    for place, answer in enumerate(_ANSWERS[stage.method]):
        turns = [{"id": row["id"], "messages": [*row["prompt"], *row[answer]]} for row in rows]
        found[place] = tuple(read_row(row, f"{where}, row {at}", {}, persona) for at, row in enumerate(turns, 1))
    wanted = tuple(bool(row.get("label", True)) for row in rows)
    if stage.method == "kto" and name == "train" and len(set(wanted)) < 2:
        hint = "kto learns from both: accept some in review, flag others, and export again"
        raise UsageError(f"every answer in {where} is {'wanted' if wanted[0] else 'unwanted'}", hint)
    digest = hashlib.sha256(f"{fingerprint(found[0])} {fingerprint(found[1])} {wanted}".encode()).hexdigest()
    about = Path(stage.data) / "export.json"
    is_simulated = about.is_file() and json.loads(about.read_text(encoding="utf-8"))["simulated"]
    given = {"rejected": found[1], "are_wanted": wanted}
    return PreferenceSplit(stage.data, name, found[0], digest, is_simulated, **given)  # type: ignore[arg-type]


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
        kind, form = (getattr(import_module("trl"), stage.method.upper() + what) for what in ("Trainer", "Config"))
        tables = [_make_table(stage, each) for each in rows]
    own: dict[str, Any] = {"beta": stage.beta, "max_length": None, "precompute_ref_log_probs": True}
    if stage.method == "kto":
        # The rarer verdict weighs more, so that both count the same (Ethayarajh et al. 2024, arXiv 2402.01306, eq. 8).
        wanted, unwanted = (max(tables[0]["label"].count(verdict), 1) for verdict in (True, False))
        own |= {"desirable_weight": max(unwanted / wanted, 1.0), "undesirable_weight": max(wanted / unwanted, 1.0)}
        own |= {"train_sampling_strategy": "sequential"}
    trainer: Trainer = type("PreferenceTrainer", (_Plain, Steady, kind), {})(
        model=started.model,
        args=form(**arguments | own),
        train_dataset=tables[0],
        eval_dataset=tables[1],
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


def _make_table(stage: Stage, rows: Sequence[Encoded]) -> Any:
    from datasets import Dataset

    listed = [row.list_columns(stage.method) for row in rows if isinstance(row, Preference)]
    for begin in range(0, len(listed) if stage.method == "kto" else 0, stage.batch):
        batch = listed[begin : begin + stage.batch]
        for place, columns in enumerate(batch):  # the KL term is estimated from answers to other prompts of a batch
            columns["KL_completion_ids"] = batch[place - 1]["completion_ids"]
    return Dataset.from_list(listed)
