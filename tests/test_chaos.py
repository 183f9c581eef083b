"""Each disturbance of benchmarks/chaos.py, on a smaller scale: nothing stored is lost, and the quota is met exactly."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import chaos
from benchmarks.chaos import DISTURBANCES, Disturbance, compile_shim, disturb


@pytest.fixture(scope="module")
def shim() -> Iterator[Path]:
    if shutil.which("cc") is None:
        pytest.fail("no C compiler: disk and clock cannot be disturbed (on Debian: apt-get install gcc libc6-dev)")
    with compile_shim() as library:
        assert library is not None
        yield library


@pytest.mark.slow
@pytest.mark.parametrize("what", DISTURBANCES, ids=lambda what: what.name)
def test_nothing_that_was_stored_is_lost(
    what: Disturbance, tmp_path: Path, shim: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if what.needs == "root" and os.geteuid() != 0:
        pytest.skip("a small file system can be mounted by root alone")
    monkeypatch.setattr(chaos, "DOWN_S", 5.0)
    outcome = disturb(what, tmp_path, shim)
    assert outcome.is_good, outcome
    assert "Traceback" not in (tmp_path / "told.txt").read_text(encoding="utf-8")
