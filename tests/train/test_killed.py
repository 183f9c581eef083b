"""`kill -9` at any moment: the same command goes on, and ends with the same adapter, bit for bit."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.train.conftest import ROOT, WriteRecipe
from train.checkpoints import hash_file
from train.recipe import load_recipe
from train.stage import ADAPTER_FILE, STAGE_FILE
from train.train import train

MOMENTS = (
    "manifest.json",
    "1-one/checkpoints/checkpoint-2",
    "1-one/checkpoints/checkpoint-4/whole.json",
    "1-one/.adapter",
    "1-one/stage.json",
    "2-two/checkpoints/checkpoint-2/whole.json",
    "2-two/adapter",
)
"""The process is killed as soon as these are seen, one a call."""


def start(recipe: Path, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "damhwa", "train", str(recipe), "-o", str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, encoding="utf-8")


def kill_at(process: subprocess.Popen[str], path: Path) -> bool:
    """Whether the process was killed; False: it was done before the path was there."""
    while not path.exists():
        if process.poll() is not None:
            return False
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return True


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_training_goes_on_and_ends_the_same(tmp_path: Path, write_recipe: WriteRecipe) -> None:
    recipe, folder, whole = write_recipe(), tmp_path / "killed", tmp_path / "whole"
    train(load_recipe(recipe), whole)
    killed = 0
    for moment in MOMENTS:
        with start(recipe, folder) as process:
            killed += kill_at(process, folder / moment)
    assert killed >= 5, "too few of the moments came to pass to show anything"
    with start(recipe, folder) as process:
        _, told = process.communicate(timeout=200)
    assert process.returncode == 0, told
    assert "one: done before" in told
    for stage in ("1-one", "2-two"):
        assert hash_file(folder / stage / "adapter" / ADAPTER_FILE) == hash_file(
            whole / stage / "adapter" / ADAPTER_FILE
        )
        assert (folder / stage / STAGE_FILE).exists()
