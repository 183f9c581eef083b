"""Are the losses right, and how fast are dialogues tokenised: `python -m benchmarks.training [RUN RUN] [--epochs N]`.

The two curated runs are the stages: runs/gf-persona-data and runs/demo by default. Both sides begin with the same tiny
base and the same adapter. Ours is `damhwa train`; the other is TRL's SFTTrainer on rows that transformers tokenised
and masked by `{% generation %}`, and its second stage goes on with its own first. `pip install -e '.[train,prefs]'`.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset, disable_progress_bars
from peft import LoraConfig, get_peft_model
from ruamel.yaml import YAML
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PrinterCallback, set_seed

from datagen.errors import DamhwaError
from train.base import load_base, load_tokenizer, quieten
from train.conversations import Conversation, read_split
from train.masks import Encoder
from train.recipe import LoadedRecipe, load_recipe
from train.stage import describe_arguments
from train.train import train

RUNS = ("runs/gf-persona-data", "runs/demo")
ROUNDS = 5
MARKED_TEMPLATE = (
    "{% for message in messages %}{{ '[|' + message['role'] + '|]' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '[|endofturn|]' }}{% endgeneration %}{{ '\\n' }}"
    "{% elif message['role'] == 'user' %}{{ message['content'] + '\\n' }}"
    "{% else %}{{ message['content'] + '[|endofturn|]\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '[|assistant|]' }}{% endif %}"
)
"""The tiny base's own template, with what transformers is to mask."""
STAGE = {
    "batch": 2,
    "learning_rate": 3e-3,
    "evaluate_every": 10_000,
    "save_every": 10_000,
    "held_out": 8,
}


@dataclass(frozen=True, slots=True)
class Agreement:
    """`largest`: of |our loss − theirs| over the steps of a stage, in nats per persona token."""

    stage: str
    steps: int
    first: float
    last: float
    largest: float


def write_recipe(folder: Path, runs: Sequence[str], epochs: float) -> LoadedRecipe:
    """Dropout 0: the two trainers draw their random numbers in another order."""
    stages = [
        {"name": "first", "data": runs[0], "accumulation": 8, "schedule": "cosine", "warmup_ratio": 0.1},
        {"name": "second", "data": runs[1], "accumulation": 2, "schedule": "constant"},
    ]
    recipe = {
        "name": "agreement",
        "base": {
            "tiny": {
                "layers": 2,
                "hidden": 64,
                "heads": 4,
                "vocabulary": 2000,
                "steps": 75,
                "batch": 1,
                "tokens": 2048,
            },
            "dtype": "float32",
            "licence": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0", "commercial": True},
        },
        "lora": {"r": 16, "alpha": 16, "dropout": 0.0, "targets": ["q_proj", "k_proj", "v_proj", "o_proj"]},
        "persona": str(Path("specs/personas/exa.yaml").resolve()),
        "max_tokens": 2048,
        "stages": [STAGE | {"epochs": epochs} | each for each in stages],
    }
    path = folder / "recipe.yaml"
    with path.open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(recipe, file)
    return load_recipe(path)


def mark(tokenizer: PreTrainedTokenizerBase, conversation: Conversation) -> tuple[list[int], list[int]]:
    """Ids and mask (1: learned), as transformers makes them from generation blocks."""
    found: Any = tokenizer.apply_chat_template(
        list(conversation.messages), chat_template=MARKED_TEMPLATE, return_dict=True, return_assistant_tokens_mask=True
    )
    return found["input_ids"], found["assistant_masks"]


def read_all(runs: Sequence[str], loaded: LoadedRecipe, *splits: str) -> list[Conversation]:
    return [each for run in runs for split in splits for each in read_split(run, split, loaded.persona).conversations]


def compare_masks(encoder: Encoder, conversations: Sequence[Conversation]) -> str:
    tokens = learned = wrong = 0
    for conversation, row in zip(conversations, encoder.encode_all(conversations), strict=True):
        ids, mask = mark(encoder.tokenizer, conversation)
        assert row is not None
        assert not row.is_cut
        ours = np.zeros(len(ids), bool)  # theirs has the line break after the last turn too
        for start, end in row.spans:
            ours[start:end] = True
        same_ids = row.ids.tolist() == ids[: len(row.ids)]
        wrong += len(ids) if not same_ids else int((ours != np.array(mask, bool)).sum())
        tokens, learned = tokens + len(ids), learned + int(ours.sum())
    return f"{wrong} of {tokens:,} tokens differ ({len(conversations):,} dialogues, {learned:,} tokens learned)"


def time_encoding(encoder: Encoder, conversations: Sequence[Conversation]) -> str:
    """Dialogues a second of CPU, on one core."""
    spent = []
    for _ in range(ROUNDS):
        started = time.process_time()
        tokens = sum(len(row.ids) for row in encoder.encode_all(conversations) if row is not None)
        spent.append(time.process_time() - started)
    speeds = sorted(len(conversations) / each for each in spent)
    characters = sum(len(each["content"]) for row in conversations for each in row.messages[1:]) / len(conversations)
    return (
        f"{statistics.median(speeds):,.0f} dialogues/s of CPU (median of {ROUNDS}, {speeds[0]:,.0f} to "
        f"{speeds[-1]:,.0f}), {tokens / statistics.median(spent):,.0f} tokens/s; {characters:.0f} characters "
        f"a dialogue beside the system prompt, BPE of {len(encoder.tokenizer):,} entries in EXAONE's form"
    )


def train_with_trl(loaded: LoadedRecipe, folder: Path, runs: Sequence[str]) -> Iterator[list[float]]:
    """The losses of each step, stage by stage, of SFTTrainer on the base that lies in `folder`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from trl import SFTConfig, SFTTrainer  # type: ignore[attr-defined]
    base = load_base(folder, loaded.recipe.base)
    assert isinstance(base.model, PreTrainedModel)
    lora = loaded.recipe.lora
    set_seed(loaded.recipe.seed)
    model: Any = get_peft_model(
        base.model,
        LoraConfig(r=lora.r, lora_alpha=lora.alpha, target_modules=list(lora.targets), task_type="CAUSAL_LM"),
    )
    for stage, run in zip(loaded.recipe.stages, runs, strict=True):
        marked = [mark(base.tokenizer, each) for each in read_all([run], loaded, "train")]
        rows = Dataset.from_dict({"input_ids": [ids for ids, _ in marked], "assistant_masks": [m for _, m in marked]})
        arguments = describe_arguments(loaded.recipe, stage, folder / "trl")
        arguments |= {"remove_unused_columns": True, "eval_strategy": "no", "save_strategy": "no", "max_length": None}
        trainer = SFTTrainer(
            model=model, args=SFTConfig(**arguments), train_dataset=rows, processing_class=base.tokenizer
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        model = trainer.model
        yield [row["loss"] for row in trainer.state.log_history if "loss" in row]


def compare_losses(loaded: LoadedRecipe, folder: Path, runs: Sequence[str]) -> list[Agreement]:
    train(loaded, folder)
    found = []
    for number, theirs in enumerate(train_with_trl(loaded, folder, runs), 1):
        [log] = folder.glob(f"{number}-*/log.jsonl")
        rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        ours = [row["loss"] for row in rows if "loss" in row]
        largest = max(abs(one - other) for one, other in zip(ours, theirs, strict=True))
        found.append(Agreement(log.parent.name, len(ours), ours[0], ours[-1], largest))
    return found


def main(runs: Sequence[str], epochs: float) -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    torch.set_num_threads(1)
    quieten()
    disable_progress_bars()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model"
        loaded = write_recipe(Path(temporary), runs, epochs)
        agreements = compare_losses(loaded, folder, runs)
        encoder = Encoder.of(load_tokenizer(str(folder / "base")), 4096)
        everything = read_all(runs, loaded, "train", "validation", "test")
        print("| what | measured | aim |\n|---|---|---|")
        for each in agreements:
            told = f"largest difference {each.largest:.1e}, {each.steps} steps, loss {each.first:.3f} → {each.last:.3f}"
            print(f"| loss of each step against TRL's SFTTrainer, stage {each.stage} | {told} | ≤ 1e-4 |")
        print(f"| mask against generation blocks, all splits | {compare_masks(encoder, everything)} | 0 |")
        print(f"| tokenising with labels and checks | {time_encoding(encoder, everything)} | ≥ 1,500 |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Print the table of training's figures.")
    parser.add_argument("runs", nargs="*", default=RUNS, help="two curated runs (default: %(default)s)")
    parser.add_argument("--epochs", type=float, default=1.0, help="of each stage (default: the whole of it)")
    try:
        asked = parser.parse_args()
        main(asked.runs, asked.epochs)
    except DamhwaError as exc:
        sys.exit(f"{exc}\n{exc.hint or ''}")
