"""One stage: the adapter of the stage before, or a new one, trained on one dataset by transformers' Trainer.

`stage.json` is written last. Until then the same call goes on from the newest whole checkpoint, and ends with the
adapter that an uninterrupted run ends with, to the bit on a CPU.
"""

import hashlib
import json
import math
import shutil
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from accelerate import PartialState
from peft import LoraConfig, PeftModel, get_peft_model, prepare_model_for_kbit_training
from rich.markup import escape
from transformers import EvalPrediction, PrinterCallback, Trainer, TrainerCallback, TrainingArguments, set_seed

from datagen.console import err, format_count
from datagen.errors import DataError
from train.base import LoadedModel, load_adapter
from train.batches import Collator, Rows, Steady
from train.checkpoints import find_newest_whole, hash_file, seal
from train.checks import CHECKPOINTS_KEPT, check_disk, count_trainable
from train.conversations import Split
from train.log import Prompt, StageLog
from train.masks import IGNORED, Encoded, Encoder, render
from train.preferences import PreferenceSplit, encode_preferences, make_preference_trainer
from train.recipe import LoadedRecipe, Recipe, Stage

ADAPTER_FILE = "adapter_model.safetensors"
STAGE_FILE = "stage.json"


@dataclass(frozen=True, slots=True)
class StageData:
    """What a stage is trained and measured on. `left_out`: ids of rows of which not even one exchange fits."""

    train: Split
    held_out: Split
    rows: tuple[Encoded, ...]
    held_out_rows: tuple[Encoded, ...]
    left_out: tuple[str, ...]

    @property
    def cut(self) -> int:
        """Rows that were cut after a whole exchange."""
        return sum(row.is_cut for row in self.rows)

    @property
    def tokens(self) -> int:
        return sum(len(row.ids) for row in self.rows)


@dataclass(frozen=True, slots=True)
class StageResult:
    """What `stage.json` says of a stage that is done.

    Losses are of held-out rows: nats per persona token, or what `dpo` and `kto` minimise.
    """

    name: str
    method: str
    data: str
    fingerprint: str
    held_out_fingerprint: str
    is_simulated: bool
    rows: int
    cut: int
    left_out: int
    tokens: int
    steps: int
    seconds: float
    held_out_loss_before: float | None
    held_out_loss_after: float | None
    adapter_sha256: str
    shown: int = 0
    """Rows with pictures or recordings, of which the words alone were learnt."""


def prepare(stage: Stage, splits: tuple[Split, Split], encoder: Encoder) -> StageData:
    """Encode a stage's rows. Raises DataError for a row that must not be trained on, or where none is left."""
    train, held_out = splits
    encoded = _encode(train, encoder)
    rows = tuple(row for row in encoded if row is not None)
    left_out = tuple(c.id for c, row in zip(train.conversations, encoded, strict=True) if row is None)
    held_out_rows = tuple(row for row in _encode(held_out, encoder, stage.held_out) if row is not None)
    for found, split in ((rows, train), (held_out_rows, held_out)):
        if not found:
            what = f"no row of {split.place} ({split.name}) has an exchange of at most {encoder.max_tokens} tokens"
            raise DataError(what, "raise `max_tokens`")
    data = StageData(train, held_out, rows, held_out_rows, left_out)
    told = f"{stage.name}: {len(rows):,} dialogues, {format_count(data.tokens)} tokens"
    told += f", {data.cut:,} cut to {encoder.max_tokens} tokens, {len(left_out):,} left out as too long"
    tell(f"{told}; {len(held_out_rows):,} held out")
    if train.shown:
        tell(f"{stage.name}: {train.shown:,} rows have pictures or recordings, which this model does not see")
    for name, count in train.strangers.items():
        tell(
            f"{stage.name}: {count:,} rows are of '{name}', whose prompt is not known: they get the recipe's persona's"
        )
    return data


def _encode(split: Split, encoder: Encoder, limit: int | None = None) -> list[Encoded | None]:
    if isinstance(split, PreferenceSplit):
        return list(encode_preferences(split, encoder, limit))
    return list(encoder.encode_all(split.conversations[:limit]))


def read_result(folder: Path) -> StageResult | None:
    """The result of a stage that is done; None: it is not."""
    try:
        return StageResult(**json.loads((folder / STAGE_FILE).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as exc:
        hint = "delete it: the stage goes on from its last checkpoint, or begins anew"
        raise DataError(f"{folder / STAGE_FILE} is not what a stage wrote: {exc}", hint) from exc


def run_stage(loaded: LoadedRecipe, number: int, data: StageData, base: LoadedModel, folder: Path) -> StageResult:
    """Train stage `number` (from 0) in `folder`, beside the folders of the stages before it.

    Raises UsageError and DataError for what `checks` refuses; DataError where the adapter did not change.
    """
    recipe, stage = loaded.recipe, loaded.recipe.stages[number]
    _check_begun(folder, data)
    previous = find_stage(folder.parent, number - 1, recipe.stages[number - 1]) / "adapter" if number else None
    model = _put_adapter(recipe, base, previous)
    held = sum(each.stat().st_size for each in (folder / "checkpoints").rglob("*") if each.is_file())
    check_disk(folder, shutil.disk_usage(folder).free + held, count_trainable(model), recipe.stages)
    before = _hash_adapter(model)
    log = _make_log(loaded, stage, base, folder)
    trainer = _make_trainer(loaded.recipe, stage, replace(base, model=model), data, folder)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(log)
    trainer.add_callback(_Sealing())
    checkpoint, torn = find_newest_whole(folder / "checkpoints")
    for name in torn:
        tell(f"{stage.name}: {name} is torn, and skipped")
    if checkpoint is not None:
        tell(f"{stage.name}: goes on from {checkpoint.name}")
    trainer.args.eval_on_start = checkpoint is None
    began = time.monotonic()
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if not log.rows or log.rows[-1]["step"] != trainer.state.global_step or "held_out_loss" not in log.rows[-1]:
        trainer.evaluate()
    log.close()
    _check_finite(stage, model, log)
    if _hash_adapter(model) == before:
        what = f"stage {stage.name} is over, and its adapter is as it was before it"
        raise DataError(what, "nothing was learned: see learning rate and epochs of the recipe")
    result = _finish(stage, data, trainer, log, time.monotonic() - began, folder)
    trainer.accelerator.wait_for_everyone()
    return result


class _SteadyTrainer(Steady, Trainer):
    pass


class _Sealing(TrainerCallback):
    def on_save(self, args: Any, state: Any, *_: Any, **__: Any) -> None:
        PartialState().wait_for_everyone()  # each process writes its own random state
        if state.is_world_process_zero:
            seal(Path(args.output_dir) / f"checkpoint-{state.global_step}")


def find_stage(folder: Path, number: int, stage: Stage) -> Path:
    """The folder of stage `number` (from 0) of the model that is trained in `folder`."""
    return folder / f"{number + 1}-{stage.name}"


def check_adapter(folder: Path, result: StageResult) -> None:
    """Raise DataError where a done stage's adapter is not there, or not the one that it ended with."""
    path = folder / "adapter" / ADAPTER_FILE
    if not path.is_file() or hash_file(path) != result.adapter_sha256:
        hint = f"bring it back, or delete {folder} and what follows it, and train them again"
        raise DataError(f"{path} is not the adapter that stage {result.name} ended with", hint)


def _check_finite(stage: Stage, model: PeftModel, log: StageLog) -> None:
    """A run whose numbers left the finite ones has learned nothing, though its adapter changed."""
    tensors = (tensor for name, tensor in model.named_parameters() if "lora_" in name)
    held_out = [row["held_out_loss"] for row in log.rows if "held_out_loss" in row]
    if not all(bool(tensor.isfinite().all()) for tensor in tensors) or not all(map(math.isfinite, held_out[-1:])):
        what = f"stage {stage.name} diverged: its adapter or its held-out loss is no number any more"
        raise DataError(what, "lower the learning rate, delete the stage's folder, and train again")


def _check_begun(folder: Path, data: StageData) -> None:
    """Write down what the stage is trained on; where it began before, raise DataError if that is another thing now."""
    asked = {"train": data.train.fingerprint, "rows": len(data.rows)}
    begun = folder / "begun.json"
    if _read_begun(begun) not in (None, asked):
        hint = f"bring the data back, or delete {folder} (and what follows it) to begin the stage anew"
        raise DataError(f"{data.train.place} changed since stage {folder.name} began", hint)
    PartialState().wait_for_everyone()  # none may still be reading
    if PartialState().is_main_process:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(begun, asked)
        columns = {
            "id": [row.id for row in data.rows] + list(data.left_out),
            "split": [data.train.name] * (len(data.rows) + len(data.left_out)),
            "tokens": pa.array([len(row.ids) for row in data.rows] + [None] * len(data.left_out), pa.int32()),
            "is_cut": [row.is_cut for row in data.rows] + [False] * len(data.left_out),
        }
        pq.write_table(pa.table(columns), folder / ".rows.parquet")
        (folder / ".rows.parquet").replace(folder / "rows.parquet")
    PartialState().wait_for_everyone()


def _read_begun(path: Path) -> object:
    """None: the stage did not begin, or was broken off in that moment."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def write_json(path: Path, content: object) -> None:
    """Whole or not at all."""
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
    temporary.replace(path)


def _put_adapter(recipe: Recipe, base: LoadedModel, previous: Path | None) -> PeftModel:
    assert not isinstance(base.model, PeftModel)
    model = base.model
    if recipe.base.quantization:
        # Checkpointing of activations is the Trainer's, where the recipe wants it.
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)  # type: ignore[no-untyped-call]
        for module in model.modules():
            # On a CPU bitsandbytes packs weights when they are measured, and then trains through them wrongly.
            if hasattr(module, "support_avx512bf16_for_cpu"):
                module.support_avx512bf16_for_cpu = False
    if previous is not None:
        return load_adapter(model, previous, is_trainable=True)
    lora = recipe.lora
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        bias="none",
        target_modules=list(lora.targets),
    )
    set_seed(recipe.seed)
    return get_peft_model(model, config)


def _make_trainer(recipe: Recipe, stage: Stage, started: LoadedModel, data: StageData, folder: Path) -> Trainer:
    arguments = describe_arguments(recipe, stage, folder)
    if stage.method != "sft":
        return make_preference_trainer(stage, started, (data.rows, data.held_out_rows), arguments)
    pack_tokens = recipe.max_tokens if stage.packing else None
    trainer = _SteadyTrainer(
        model=started.model,
        args=TrainingArguments(**arguments),
        train_dataset=Rows(data.rows, pack_tokens),
        eval_dataset=Rows(data.held_out_rows),
        data_collator=Collator(int(started.tokenizer.pad_token_id)),
        compute_metrics=_sum_losses,
        preprocess_logits_for_metrics=_take_losses,
    )
    trainer.can_return_loss = True
    return trainer


def describe_arguments(recipe: Recipe, stage: Stage, folder: Path) -> dict[str, Any]:
    """The Trainer's arguments for a stage."""
    is_cuda = torch.cuda.is_available()
    return {
        "output_dir": str(folder / "checkpoints"),
        "num_train_epochs": stage.epochs,
        "per_device_train_batch_size": stage.batch,
        "per_device_eval_batch_size": stage.batch,
        "gradient_accumulation_steps": stage.accumulation,
        "learning_rate": stage.learning_rate,
        "lr_scheduler_type": stage.schedule,
        "warmup_steps": stage.warmup_ratio,  # below 1 it is a share of all steps
        "max_grad_norm": stage.max_grad_norm,
        "activation_checkpointing": recipe.gradient_checkpointing,
        "train_sampling_strategy": "group_by_length" if stage.group_by_length else "random",
        "use_cpu": not is_cuda,
        "use_cache": False,  # with a cache no mask is made for packed rows
        "ddp_find_unused_parameters": False,
        "bf16": is_cuda and recipe.base.dtype == "bfloat16",
        "fp16": is_cuda and recipe.base.dtype == "float16",
        "dataloader_pin_memory": is_cuda,
        "include_num_input_tokens_seen": "non_padding",
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "eval_strategy": "steps",
        "eval_steps": stage.evaluate_every,
        "save_strategy": "steps",
        "save_steps": stage.save_every,
        "save_total_limit": CHECKPOINTS_KEPT,
        "remove_unused_columns": False,
        "report_to": [],
        "disable_tqdm": True,
        "seed": recipe.seed,
        "log_level": "error",
    }


def _take_losses(logits: Any, labels: torch.Tensor) -> torch.Tensor:
    """(batch, 2): the sum of the losses of each row's learned tokens, and their number."""
    logits = logits[0] if isinstance(logits, tuple) else logits
    flat = torch.nn.functional.cross_entropy(
        logits[:, :-1].float().transpose(1, 2), labels[:, 1:], ignore_index=IGNORED, reduction="none"
    )
    return torch.stack([flat.sum(-1), (labels[:, 1:] != IGNORED).sum(-1).float()], dim=-1)


def _sum_losses(prediction: EvalPrediction) -> dict[str, float]:
    """Over tokens, not over rows: a short row counts for less."""
    losses, tokens = torch.as_tensor(prediction.predictions).double().sum(0).tolist()
    return {"held_out_loss": losses / tokens}


def _make_log(loaded: LoadedRecipe, stage: Stage, base: LoadedModel, folder: Path) -> StageLog:
    asked = loaded.recipe.evaluation
    system = {"role": "system", "content": loaded.persona.system_prompt.strip()}
    prompts = [_make_prompt(base, [system, {"role": "user", "content": user}]) for user in asked.prompts]
    parameters = sum(each.numel() for each in base.model.parameters())
    return StageLog(folder, stage.name, base.tokenizer, prompts, asked.max_new_tokens, parameters)


def _make_prompt(base: LoadedModel, messages: list[dict[str, str]]) -> Prompt:
    text = render(base.tokenizer, messages, is_prompt=True)
    ids = base.tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    return Prompt(messages[-1]["content"], ids)


def _hash_adapter(model: PeftModel) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(model.named_parameters()):
        if "lora_" in name:
            digest.update(name.encode())
            digest.update(tensor.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()


def _finish(
    stage: Stage, data: StageData, trainer: Trainer, log: StageLog, seconds: float, folder: Path
) -> StageResult:
    """Write the adapter, whole, and then `stage.json`; the checkpoints are needed no more."""
    held_out = [row["held_out_loss"] for row in log.rows if "held_out_loss" in row]
    temporary = folder / ".adapter"
    trainer.save_model(str(temporary))
    if trainer.is_world_process_zero():
        for name in ("README.md", "training_args.bin"):  # an empty card, and a pickle that nobody reads
            (temporary / name).unlink(missing_ok=True)
        shutil.rmtree(folder / "adapter", ignore_errors=True)
        temporary.replace(folder / "adapter")
    trainer.accelerator.wait_for_everyone()
    result = StageResult(
        name=stage.name,
        method=stage.method,
        data=data.train.place,
        fingerprint=data.train.fingerprint,
        held_out_fingerprint=data.held_out.fingerprint,
        is_simulated=data.train.is_simulated,
        rows=len(data.rows),
        cut=data.cut,
        left_out=len(data.left_out),
        tokens=data.tokens,
        steps=trainer.state.global_step,
        seconds=round(seconds, 1),
        held_out_loss_before=held_out[0] if held_out else None,
        held_out_loss_after=held_out[-1] if held_out else None,
        adapter_sha256=hash_file(folder / "adapter" / ADAPTER_FILE),
        shown=data.train.shown,
    )
    if trainer.is_world_process_zero():
        write_json(folder / STAGE_FILE, asdict(result))
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return result


def tell(text: str) -> None:
    """On stderr, once for all processes."""
    if PartialState().is_main_process:
        err.print(escape(text))
