"""Who holds a run, asked without taking it."""

import fcntl
import os
import threading
from pathlib import Path

import pytest

from datagen.errors import UsageError
from datagen.run_folder import find_holder, lock_run


def test_the_holder_of_a_run_is_told_while_it_holds_it_and_never_after(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert find_holder(run) is None
    assert not run.exists()
    with lock_run(run):
        assert find_holder(run) == os.getpid()
        with pytest.raises(UsageError, match=rf"in use by another process \(pid {os.getpid()}\)"), lock_run(run):
            pass
    assert find_holder(run) is None


def test_asking_who_holds_a_run_keeps_nobody_from_taking_it(tmp_path: Path) -> None:
    with lock_run(tmp_path):
        pass
    asking = os.open(tmp_path / ".lock", os.O_RDONLY)
    fcntl.flock(asking, fcntl.LOCK_SH)  # as `find_holder` does, for a moment
    answered = threading.Timer(0.03, os.close, (asking,))
    answered.start()
    with lock_run(tmp_path):
        assert find_holder(tmp_path) == os.getpid()
    answered.join()
