"""Encoded rows as batches: padded to the longest, or packed without padding.

A packed row carries no attention mask; the positions begin anew with each dialogue, from which transformers makes a
mask that keeps them blind to each other (`masking_utils.find_packed_sequence_indices`); only where the model keeps no
cache, which `TrainingArguments.use_cache` sees to.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers.trainer_pt_utils import LengthGroupedSampler

from train.masks import IGNORED, Encoded


def pack(rows: Sequence[Encoded], max_tokens: int) -> list[list[Encoded]]:
    """Rows in bins of at most `max_tokens`: first fit over the rows by falling length (Johnson 1973)."""
    bins: list[list[Encoded]] = []
    room: list[int] = []
    for row in sorted(rows, key=lambda each: -len(each.ids)):
        place = next((number for number, left in enumerate(room) if left >= len(row.ids)), len(bins))
        if place == len(bins):
            bins.append([])
            room.append(max_tokens)
        bins[place].append(row)
        room[place] -= len(row.ids)
    return bins


class Rows(Dataset[dict[str, Any]]):
    """Rows for a Trainer: each one dialogue, or the dialogues that are packed into one."""

    def __init__(self, rows: Sequence[Encoded], pack_tokens: int | None = None) -> None:
        self._bins = pack(rows, pack_tokens) if pack_tokens else [[row] for row in rows]
        self._is_packed = pack_tokens is not None

    def __len__(self) -> int:
        return len(self._bins)

    def __getitem__(self, index: int) -> dict[str, Any]:
        rows = self._bins[index]
        item = {
            "input_ids": torch.cat([torch.from_numpy(row.ids).long() for row in rows]),
            "labels": torch.cat([torch.from_numpy(_forget_first(row)) for row in rows]),
        }
        if self._is_packed:
            item["position_ids"] = torch.cat([torch.arange(len(row.ids)) for row in rows])
        return item | {"length": len(item["input_ids"])}


def _forget_first(row: Encoded) -> Any:
    """The labels, where the first token of a packed dialogue must not be predicted from the one before it."""
    labels = row.labels
    labels[0] = IGNORED
    return labels


class _SteadyGroups(LengthGroupedSampler):
    """transformers' order by length, drawn from seed and epoch alone."""

    def __init__(self, theirs: LengthGroupedSampler, seed: int) -> None:
        super().__init__(theirs.batch_size, lengths=theirs.lengths)
        self.seed, self.epoch = seed, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        self.generator = torch.Generator().manual_seed(self.seed + self.epoch)
        order: Iterator[int] = super().__iter__()  # type: ignore[no-untyped-call]
        return order


class Steady:
    """Before a Trainer among the bases: how often it measures changes nothing, and a resumed run meets the same rows.

    transformers draws an order by length, and measures, with the random state that dropout draws from.
    """

    def evaluate(self, *args: Any, **options: Any) -> Any:
        with torch.random.fork_rng():
            return super().evaluate(*args, **options)  # type: ignore[misc]

    def _get_train_sampler(self, *args: Any) -> Any:
        sampler = super()._get_train_sampler(*args)  # type: ignore[misc]
        seed: int = self.args.seed  # type: ignore[attr-defined]
        return _SteadyGroups(sampler, seed) if isinstance(sampler, LengthGroupedSampler) else sampler


@dataclass(frozen=True, slots=True)
class Collator:
    """Stacks rows, padded on the right with `pad_id`; padding is neither attended to nor learned."""

    pad_id: int

    def __call__(self, items: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        if "position_ids" in items[0]:
            [item] = items  # a packed row is a batch of its own: the recipe says so
            return {name: item[name][None] for name in ("input_ids", "labels", "position_ids")}
        pad = torch.nn.utils.rnn.pad_sequence
        ids = pad([item["input_ids"] for item in items], batch_first=True, padding_value=self.pad_id)
        labels = pad([item["labels"] for item in items], batch_first=True, padding_value=IGNORED)
        mask = pad([torch.ones_like(item["input_ids"]) for item in items], batch_first=True, padding_value=0)
        return {"input_ids": ids, "labels": labels, "attention_mask": mask}
