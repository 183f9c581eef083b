"""A virtual environment for each peer, made once and kept in the cache folder for as long as its pins are the same."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.peer import Peer

INSTALL_TIMEOUT_S = 1200
_STAMP = "requirements.txt"


@dataclass(frozen=True, slots=True)
class DidNotRun:
    """Why a peer has no figures: its row says so."""

    reason: str


def prepare(peer: Peer, folder: Path) -> Path | DidNotRun:
    """The peer's Python; makes its environment where there is none with the same pins."""
    home = folder / "environments" / peer.name
    python, stamp = home / "bin" / "python", home / _STAMP
    pins = "\n".join(peer.requirements) + "\n"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == pins:
        return python
    print(f"{peer.name}: making its environment", file=sys.stderr, flush=True)
    shutil.rmtree(home, ignore_errors=True)
    home.parent.mkdir(parents=True, exist_ok=True)
    log = folder / "environments" / f"{peer.name}.log"
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *peer.requirements]
    with log.open("w", encoding="utf-8") as file:
        try:
            subprocess.run([sys.executable, "-m", "venv", str(home)], check=True, stdout=file, stderr=file)
            subprocess.run(install, check=True, stdout=file, stderr=file, timeout=INSTALL_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return DidNotRun(f"could not be installed within {INSTALL_TIMEOUT_S} s")
        except subprocess.CalledProcessError:
            return DidNotRun(f"could not be installed: {find_cause(log)}")
    stamp.write_text(pins, encoding="utf-8")
    return python


def find_cause(log: Path, most: int = 160) -> str:
    """The line of a log that tells what went wrong: the last that names an error, else the last one."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    named = [line for line in lines if "error" in line.lower() and not line.startswith("WARNING")]
    cause = (named or lines or ["it said nothing"])[-1]
    return cause if len(cause) <= most else f"{cause[: most - 1]}…"
