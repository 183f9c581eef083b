"""Batches: padding changes nothing, and packed dialogues are blind to each other."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from train.batches import Collator, Rows, pack
from train.masks import IGNORED, Encoded

PAD = 0
LENGTHS = (23, 7, 41, 12, 30)


@pytest.fixture(scope="module")
def model(tiny_base: Path) -> PreTrainedModel:
    """Without a cache, as the Trainer sets it: with one, transformers makes no mask of positions."""
    loaded: PreTrainedModel = AutoModelForCausalLM.from_pretrained(str(tiny_base), dtype=torch.float32)
    loaded.config.use_cache = False
    loaded.train(False)
    return loaded


def make_rows(seed: int = 0) -> list[Encoded]:
    """Dialogues of two exchanges each, of random tokens."""
    random = np.random.default_rng(seed)
    rows = []
    for number, length in enumerate(LENGTHS):
        spans = ((length // 3, length // 2), (length - 2, length))
        rows.append(Encoded(str(number), random.integers(8, 900, length, dtype=np.int32), spans))
    return rows


@torch.no_grad()
def run_alone(model: PreTrainedModel, row: Encoded) -> torch.Tensor:
    return model(input_ids=torch.from_numpy(row.ids).long()[None]).logits[0]  # type: ignore[no-any-return]


@torch.no_grad()
def sum_losses(model: PreTrainedModel, batch: dict[str, torch.Tensor]) -> tuple[float, int]:
    count = int((batch["labels"][:, 1:] != IGNORED).sum())
    return float(model(**batch).loss) * count, count


def test_rows_are_packed_once_each_and_never_over_the_limit() -> None:
    bins = pack(make_rows(), 50)
    assert sorted(row.id for each in bins for row in each) == list("01234")
    assert max(sum(len(row.ids) for row in each) for each in bins) <= 50
    assert len(bins) == 3  # 113 tokens


def test_packed_dialogues_are_blind_to_each_other(model: PreTrainedModel) -> None:
    rows = Rows(make_rows(), pack_tokens=128)
    assert len(rows) == 1
    batch = Collator(PAD)([rows[0]])
    with torch.no_grad():
        packed = model(**batch).logits[0]
    alone = torch.cat([run_alone(model, row) for row in sorted(make_rows(), key=lambda each: -len(each.ids))])
    assert torch.allclose(packed, alone, atol=1e-5)


def test_a_packed_row_costs_what_its_dialogues_cost_one_by_one(model: PreTrainedModel) -> None:
    collate = Collator(PAD)
    packed = sum_losses(model, collate([Rows(make_rows(), pack_tokens=128)[0]]))
    single = [sum_losses(model, collate([item])) for item in (Rows(make_rows())[n] for n in range(len(LENGTHS)))]
    assert packed[1] == sum(count for _, count in single)
    assert packed[0] == pytest.approx(sum(loss for loss, _ in single), abs=1e-4)


def test_the_first_token_of_a_packed_dialogue_is_not_predicted_from_the_one_before_it() -> None:
    rows = [Encoded(str(n), np.full(6, 9, np.int32), ((0, 6),)) for n in range(2)]
    labels = Rows(rows, pack_tokens=16)[0]["labels"]
    assert labels.tolist() == [IGNORED, 9, 9, 9, 9, 9] * 2


def test_padding_is_neither_attended_to_nor_learned(model: PreTrainedModel) -> None:
    rows = Rows(make_rows())
    batch = Collator(PAD)([rows[n] for n in range(len(LENGTHS))])
    assert batch["input_ids"].shape == (len(LENGTHS), max(LENGTHS))
    with torch.no_grad():
        logits = model(**batch).logits
    for number, row in enumerate(make_rows()):
        size = len(row.ids)
        assert torch.allclose(logits[number, :size], run_alone(model, row), atol=1e-5)
        assert (batch["labels"][number, size:] == IGNORED).all()
        assert batch["attention_mask"][number].sum() == size
    other = batch | {"input_ids": batch["input_ids"].where(batch["attention_mask"] == 1, torch.tensor(5))}
    assert sum_losses(model, other) == sum_losses(model, batch)
    single = [sum_losses(model, Collator(PAD)([rows[n]])) for n in range(len(LENGTHS))]
    assert sum_losses(model, batch)[0] == pytest.approx(sum(loss for loss, _ in single), abs=1e-4)
