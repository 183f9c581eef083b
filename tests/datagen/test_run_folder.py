"""Who holds a run, asked without taking it."""

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
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.is_set():
            find_holder(tmp_path)

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        for _ in range(200):
            with lock_run(tmp_path):
                pass
    finally:
        is_over.set()
        asker.join()
