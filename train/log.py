"""What a stage tells while it runs: figures as JSON lines and for TensorBoard, samples, a plot, progress on stderr."""

import json
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from rich.markup import escape
from torch.distributed.fsdp import FullyShardedDataParallel
from torch.utils.tensorboard import SummaryWriter
from transformers import PreTrainedTokenizerBase, TrainerCallback, TrainerState

from datagen.console import err, format_count

FLOPS_PER_PARAMETER = 4
"""For each token that LoRA trains on: 2 forwards, 2 back through the frozen weights, whose own gradients fall away."""
PEAK_BF16_FLOPS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12, "4090": 165e12}
"""Dense, a second; from NVIDIA's data sheets. The H100 is the SXM one."""
LINE_EVERY_S = 5.0
SMOOTHED = 10
_REWARDS = {"chosen": "wanted", "rejected": "unwanted", "margins": "margin", "accuracies": "accuracy"}
FIGURES = {
    "loss": "loss",
    "grad_norm": "grad_norm",
    "learning_rate": "learning_rate",
    "eval_loss": "held_out_loss",  # the mean over rows, which is what preferences have
    "eval_held_out_loss": "held_out_loss",  # over tokens: where both are there, the later one counts
    **{f"rewards/{theirs}": f"reward_{own}" for theirs, own in _REWARDS.items()},
    **{f"eval_rewards/{theirs}": f"held_out_reward_{own}" for theirs, own in _REWARDS.items()},
}
"""What is logged, by the names of transformers and trl, and ours. A reward: β × how much likelier an answer became."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A fixed prompt whose reply is drawn at every measurement: greedily, so that only the weights change it."""

    user: str
    ids: torch.Tensor
    """int64 (1, tokens)."""


@dataclass(slots=True)
class StageLog(TrainerCallback):
    """Writes `log.jsonl`, `samples.jsonl`, `tensorboard/` and `losses.png` of a stage.

    After a kill it goes on behind the step that the stage resumes from; what was told of later ones is told again.
    Of many processes, all draw the samples, in which they may each have a part, and the first one writes.
    """

    folder: Path
    name: str
    tokenizer: PreTrainedTokenizerBase
    prompts: Sequence[Prompt]
    max_new_tokens: int
    parameters: int
    """Of the base, for the MFU."""
    rows: list[dict[str, Any]] = field(default_factory=list)
    _writer: Any = None
    _began: float = 0.0
    _seconds: float = 0.0
    _tokens: int = 0
    _told: float = 0.0

    def on_train_begin(self, args: Any, state: TrainerState, *_: Any, **__: Any) -> None:
        # A checkpoint brings the intervals of its own day.
        state.save_steps, state.eval_steps = args.save_steps, args.eval_steps
        if not state.is_world_process_zero:
            return
        self.rows = keep_until(self.folder / "log.jsonl", state.global_step)
        keep_until(self.folder / "samples.jsonl", state.global_step)
        self._tokens = state.num_input_tokens_seen
        self._writer = SummaryWriter(str(self.folder / "tensorboard"), purge_step=state.global_step + 1)

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self._began = time.perf_counter()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self._seconds += time.perf_counter() - self._began

    def on_log(  # type: ignore[override]
        self, _: Any, state: TrainerState, *__: Any, logs: dict[str, float] | None = None, **___: Any
    ) -> None:
        figures = {own: float(value) for name, own in FIGURES.items() if (value := (logs or {}).get(name)) is not None}
        if not figures:
            return
        if "loss" in figures:
            figures |= self._measure_speed(state)
        self._write(state, figures)
        if state.is_world_process_zero and ("held_out_loss" in figures or time.monotonic() - self._told > LINE_EVERY_S):
            self._tell(state, figures)

    def on_evaluate(  # type: ignore[override]
        self, _: Any, state: TrainerState, *__: Any, model: Any = None, **___: Any
    ) -> None:
        for prompt in self.prompts:
            text = self._draw(model, prompt)
            if not state.is_world_process_zero:
                continue
            _append(self.folder / "samples.jsonl", {"step": state.global_step, "user": prompt.user, "reply": text})
            if self._writer is not None:
                self._writer.add_text(prompt.user, text, state.global_step)
        if self.rows and state.is_world_process_zero:
            plot_losses(self.folder / "losses.png", self.rows, self.name)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def _measure_speed(self, state: TrainerState) -> dict[str, float]:
        tokens, self._tokens = state.num_input_tokens_seen - self._tokens, state.num_input_tokens_seen
        seconds, self._seconds = self._seconds, 0.0
        if not seconds or tokens <= 0:
            return {}
        speed = tokens / seconds
        peak = _find_peak()
        processes = PartialState().num_processes
        used = {"mfu": FLOPS_PER_PARAMETER * self.parameters * speed / (peak * processes)} if peak else {}
        return {"tokens_per_s": speed, **used}

    def _write(self, state: TrainerState, figures: dict[str, float]) -> None:
        step = state.global_step
        row = {"stage": self.name, "step": step, "epoch": round(state.epoch or 0.0, 4), **figures}
        self.rows.append(row)
        if not state.is_world_process_zero:
            return
        _append(self.folder / "log.jsonl", row)
        for name, value in figures.items():
            if self._writer is not None:
                self._writer.add_scalar(name, value, step)

    def _tell(self, state: TrainerState, figures: dict[str, float]) -> None:
        self._told = time.monotonic()
        parts = [f"{self.name}: step {state.global_step:,} of {state.max_steps:,}"]
        parts += [
            f"{name.replace('_', ' ')} {figures[name]:.3f}" for name in ("loss", "held_out_loss") if name in figures
        ]
        if "tokens_per_s" in figures:
            parts.append(f"{format_count(round(figures['tokens_per_s']))} tokens/s")
        if "mfu" in figures:
            parts.append(f"MFU {figures['mfu']:.0%}")
        err.print(escape(" · ".join(parts)))

    @torch.no_grad()
    def _draw(self, model: Any, prompt: Prompt) -> str:
        was_training = model.training
        model.eval()
        ids = prompt.ids.to(model.device)
        is_split = isinstance(model, FullyShardedDataParallel)
        with FullyShardedDataParallel.summon_full_params(model, writeback=False) if is_split else nullcontext():
            drawn = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=self.max_new_tokens,
                do_sample=False,
                pad_token_id=self.tokenizer.pad_token_id,
            )
        model.train(was_training)
        return str(self.tokenizer.decode(drawn[0, ids.shape[1] :], skip_special_tokens=True)).strip()


def plot_losses(path: Path, rows: Sequence[dict[str, Any]], title: str) -> None:
    """Losses by step as PNG: of each step, and of the held-out rows."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.5), dpi=120)
    points = {name: [(row["step"], row[name]) for row in rows if name in row] for name in ("loss", "held_out_loss")}
    if losses := points["loss"]:
        steps, values = zip(*losses, strict=True)
        axes.plot(steps, values, color="tab:blue", alpha=0.3, linewidth=1, label="training, each step")
        axes.plot(steps, _smooth(values), color="tab:blue", linewidth=1.6, label=f"mean of {SMOOTHED} steps")
    if held_out := points["held_out_loss"]:
        axes.plot(*zip(*held_out, strict=True), "o-", color="tab:orange", markersize=4, label="held-out rows")
    unit = "preference loss" if any("reward_margin" in row for row in rows) else "loss (nats per persona token)"
    axes.set(title=title, xlabel="optimizer step", ylabel=unit)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)


def _smooth(values: Sequence[float]) -> list[float]:
    """The mean of the last SMOOTHED values at each."""
    return [sum(part := values[max(0, end - SMOOTHED) : end]) / len(part) for end in range(1, len(values) + 1)]


def _find_peak() -> float | None:
    if not torch.cuda.is_available():
        return None
    device = torch.cuda.get_device_name()
    return next((flops for name, flops in PEAK_BF16_FLOPS.items() if name in device), None)


def _append(path: Path, row: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")


def keep_until(path: Path, step: int) -> list[dict[str, Any]]:
    """The lines of steps up to `step`; those of later ones, and a torn last one, leave the file."""
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n") if path.exists() else ():
        try:
            row = json.loads(line)
            is_later = row["step"] > step or not step
        except (ValueError, TypeError, KeyError):
            break
        if is_later:
            break
        rows.append(row)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return rows
