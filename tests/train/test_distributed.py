"""Many processes train what one process trains, and write each file once."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.utils import FullyShardedDataParallelPlugin
from transformers import AutoModelForCausalLM
from transformers.models.llama.modeling_llama import LlamaDecoderLayer

from tests.train.conftest import ROOT, WriteRecipe
from train.checkpoints import hash_file
from train.recipe import load_recipe
from train.stage import ADAPTER_FILE
from train.train import read_manifest, train

TOLERANCE = 2e-6
"""Nats: a sum of 32-bit losses in another order."""


def launch(recipe: Path, out: Path, processes: int = 2) -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", f"--num_processes={processes}"]
    command += ["--num_machines=1", "--mixed_precision=no", "--dynamo_backend=no", f"--main_process_port={port}"]
    command += ["--module", "damhwa", "train", str(recipe), "-o", str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNDEFAULTENCODING": "0", "CUDA_VISIBLE_DEVICES": ""}
    ended = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", timeout=250, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stderr


def read_log(stage: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (stage / "log.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.slow
def test_two_processes_train_what_one_does_with_the_same_rows_in_a_step(
    tmp_path: Path, write_recipe: WriteRecipe
) -> None:
    keys: dict[str, Any] = {"lora": {"r": 4, "alpha": 8, "targets": ["q_proj", "k_proj", "v_proj", "o_proj"]}}
    one, two = tmp_path / "one", tmp_path / "two"
    train(load_recipe(write_recipe({"accumulation": 4}, {"accumulation": 2}, **keys)), one)
    told = launch(write_recipe({"accumulation": 2}, {"accumulation": 1}, **keys), two)
    assert "2 processes: an optimizer step takes 2 times the rows" in told
    assert told.count("one: step 0 of") == 1
    for stage in ("1-one", "2-two"):
        alone, together = read_log(one / stage), read_log(two / stage)
        assert [(row["step"], sorted(row)) for row in together] == [(row["step"], sorted(row)) for row in alone]
        for ours, theirs in zip(together, alone, strict=True):
            for name in {"loss", "held_out_loss"} & ours.keys():
                assert ours[name] == pytest.approx(theirs[name], abs=TOLERANCE)
        assert len(list((two / stage / "tensorboard").iterdir())) == 1
        samples = (two / stage / "samples.jsonl").read_text(encoding="utf-8").splitlines()
        assert len(samples) == sum("held_out_loss" in row for row in together)
    last = read_manifest(two)["stages"][-1]
    assert last["adapter_sha256"] == hash_file(two / "2-two/adapter" / ADAPTER_FILE)


def test_the_fsdp_config_wraps_each_layer_of_the_bases_we_train(tiny_base: Path) -> None:
    config = load_config_from_file(str(ROOT / "specs/accelerate/fsdp.yaml"))
    assert config.distributed_type == "FSDP"
    asked = config.fsdp_config
    assert asked["fsdp_transformer_layer_cls_to_wrap"] == LlamaDecoderLayer.__name__
    plugin = FullyShardedDataParallelPlugin(
        fsdp_version=asked["fsdp_version"],
        sharding_strategy=asked["fsdp_sharding_strategy"],
        auto_wrap_policy=asked["fsdp_auto_wrap_policy"],
        transformer_cls_names_to_wrap=[asked["fsdp_transformer_layer_cls_to_wrap"]],
        state_dict_type=asked["fsdp_state_dict_type"],
        use_orig_params=asked["fsdp_use_orig_params"],
    )
    plugin.set_auto_wrap_policy(AutoModelForCausalLM.from_pretrained(str(tiny_base)))
    assert plugin.use_orig_params
    assert plugin.auto_wrap_policy is not None
    assert plugin.auto_wrap_policy.keywords["transformer_layer_cls"] == {LlamaDecoderLayer}
