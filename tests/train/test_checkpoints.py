"""A checkpoint is whole or torn, and the newest whole one is gone on from."""

from pathlib import Path

import pytest

from train.checkpoints import SEAL, find_newest_whole, is_whole, seal


def write_checkpoint(folder: Path, step: int) -> Path:
    checkpoint = folder / f"checkpoint-{step}"
    (checkpoint / "deeper").mkdir(parents=True)
    (checkpoint / "adapter_model.safetensors").write_bytes(b"weights" * step)
    (checkpoint / "deeper/optimizer.pt").write_bytes(b"moments" * step)
    return checkpoint


def test_the_newest_whole_one_is_found_and_torn_ones_are_named(tmp_path: Path) -> None:
    assert find_newest_whole(tmp_path / "checkpoints") == (None, [])
    for step in (50, 100, 1000):
        seal(write_checkpoint(tmp_path, step))
    assert find_newest_whole(tmp_path) == (tmp_path / "checkpoint-1000", [])
    (tmp_path / "checkpoint-1000/deeper/optimizer.pt").unlink()
    write_checkpoint(tmp_path, 1050)
    assert find_newest_whole(tmp_path) == (tmp_path / "checkpoint-100", ["checkpoint-1050", "checkpoint-1000"])


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "deeper/optimizer.pt", SEAL])
@pytest.mark.parametrize("how", ["cut", "flipped", "gone"])
def test_every_byte_counts(tmp_path: Path, name: str, how: str) -> None:
    checkpoint = write_checkpoint(tmp_path, 3)
    seal(checkpoint)
    assert is_whole(checkpoint)
    path = checkpoint / name
    content = path.read_bytes()
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(content[:-1] if how == "cut" else bytes([content[0] ^ 1]) + content[1:])
    assert not is_whole(checkpoint)
