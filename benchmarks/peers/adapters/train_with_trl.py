"""TRL's `SFTTrainer` on conversations with `assistant_only_loss`, LoRA by `peft_config`, stage after stage.

What it is asked for is what our recipe asks for: the same base, rows, LoRA, batches, schedule and seed. It masks by the
generation blocks of the chat template, as its documentation says.
"""

import json
import sys
from pathlib import Path
from typing import Any


def main(path: str) -> None:
    import torch
    from datasets import Dataset, disable_progress_bars
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed
    from trl import SFTConfig, SFTTrainer  # type: ignore[attr-defined]

    job: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    disable_progress_bars()
    tokenizer = AutoTokenizer.from_pretrained(job["base"])
    tokenizer.chat_template = job["template"]
    model: Any = AutoModelForCausalLM.from_pretrained(job["base"], dtype=torch.float32)
    adapter: Any = LoraConfig(**job["lora"], task_type="CAUSAL_LM")
    set_seed(job["seed"])
    losses = []
    for number, stage in enumerate(job["stages"]):
        rows = Dataset.from_list(json.loads(Path(stage["rows"]).read_text(encoding="utf-8")))
        config = SFTConfig(**stage["arguments"], assistant_only_loss=True, max_length=job["max_length"])
        trainer = SFTTrainer(
            model=model,
            args=config,
            train_dataset=rows,
            processing_class=tokenizer,
            peft_config=None if number else adapter,
        )
        trainer.train()
        trainer.save_model()
        model = trainer.model
        losses.append([row["loss"] for row in trainer.state.log_history if "loss" in row])
    Path(job["output"]).write_text(json.dumps(losses), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
