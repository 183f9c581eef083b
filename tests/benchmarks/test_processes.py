"""Measured commands end by themselves, at their limit or when they are told to, with all that they started."""

import importlib.util
import os
import sys
import time
from pathlib import Path

import pytest

from benchmarks.peers import duplicates, generation, training
from benchmarks.peers.environments import DidNotRun, find_cause, prepare
from benchmarks.peers.peer import Peer
from benchmarks.peers.processes import run


def call(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def write_pid_and_wait(path: Path) -> list[str]:
    """A parent that waits for a child, whose number is in the file."""
    child = f"import os, pathlib, time; pathlib.Path({str(path)!r}).write_text(str(os.getpid())); time.sleep(60)"
    return call(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])")


def is_gone(pid: int) -> bool:
    """Ended, or killed and not yet awaited by whoever has adopted it; a kill takes a moment to arrive."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def test_seconds_memory_and_exit_code_are_those_of_the_command(tmp_path: Path) -> None:
    code = "import time; x = bytearray(80 * 2**20); t = time.process_time()\nwhile time.process_time() < t + 0.5: pass"
    usage = run(call(f"{code}\nraise SystemExit(3)"), tmp_path / "log", 30)
    assert usage.code == 3
    assert usage.wall_s >= usage.cpu_s >= 0.5
    assert usage.peak_mb > 80
    assert not usage.is_late


def test_what_a_child_burns_counts_though_nobody_awaits_it(tmp_path: Path) -> None:
    child = "import time\nwhile time.process_time() < 1: pass\ntime.sleep(1)"
    start = f"subprocess.Popen([sys.executable, '-c', {child!r}])"
    code = f"import os, subprocess, sys, time; {start}; time.sleep(4); os._exit(0)"
    assert run(call(code), tmp_path / "log", 30).cpu_s >= 0.9


def test_at_its_limit_a_command_is_killed_with_its_children(tmp_path: Path) -> None:
    usage = run(write_pid_and_wait(tmp_path / "pid"), tmp_path / "log", 1.5)
    assert (usage.is_late, usage.is_killed) == (True, False)
    assert is_gone(int((tmp_path / "pid").read_text(encoding="ascii")))


def test_it_is_killed_once_it_is_told_to(tmp_path: Path) -> None:
    started = tmp_path / "pid"
    usage = run(
        write_pid_and_wait(started),
        tmp_path / "log",
        30,
        is_to_die=lambda: bool(started.exists() and started.read_text(encoding="ascii")),
    )
    assert (usage.is_late, usage.is_killed, usage.code) == (False, True, -9)
    assert is_gone(int(started.read_text(encoding="ascii")))


def test_what_a_command_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    left = "import time; time.sleep(60)"
    code = f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {left!r}]); print(p.pid, flush=True)"
    usage = run(call(code), tmp_path / "log", 30)
    assert usage.code == 0
    assert is_gone(int((tmp_path / "log").read_text(encoding="ascii")))


def test_switches_are_added_to_the_environment(tmp_path: Path) -> None:
    run(
        call("import os; print(os.environ['DO_NOT_TRACK'], 'PATH' in os.environ)"),
        tmp_path / "log",
        30,
        {"DO_NOT_TRACK": "1"},
    )
    assert (tmp_path / "log").read_text(encoding="ascii").split() == ["1", str("PATH" in os.environ)]


def test_an_environment_with_the_same_pins_is_used_again(tmp_path: Path) -> None:
    peer = Peer("other", ("other==1.0", "beside==2.0"), "adapter")
    home = tmp_path / "environments" / "other"
    home.mkdir(parents=True)
    (home / "requirements.txt").write_text("other==1.0\nbeside==2.0\n", encoding="utf-8")
    assert prepare(peer, tmp_path) == home / "bin" / "python"
    assert peer.version == "1.0"


@pytest.mark.slow
def test_what_cannot_be_installed_is_told_and_nothing_is_left_that_looks_installed(tmp_path: Path) -> None:
    peer = Peer("nobody", (str(tmp_path / "there-is-no-such-folder"),), "adapter")
    found = prepare(peer, tmp_path)
    assert isinstance(found, DidNotRun)
    assert "could not be installed" in found.reason
    assert "there-is-no-such-folder" in found.reason
    assert not (tmp_path / "environments" / "nobody" / "requirements.txt").exists()


def test_the_cause_is_the_last_line_that_names_an_error(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("Traceback\nValueError: it broke\nclosing\n", encoding="utf-8")
    assert find_cause(log) == "ValueError: it broke"
    log.write_text("", encoding="utf-8")
    assert find_cause(log) == "it said nothing"
    log.write_text("error " + "x" * 500, encoding="utf-8")
    assert len(find_cause(log)) == 160


def test_every_peer_has_a_lock_that_names_it_first_and_an_adapter() -> None:
    peers = (*generation.PEERS, *duplicates.PEERS, *training.PEERS)
    assert len(peers) == 9
    for peer in peers:
        assert peer.version[0].isdigit()
        assert all("==" in line for line in peer.requirements)
        assert importlib.util.find_spec(f"benchmarks.peers.adapters.{peer.adapter}") is not None
