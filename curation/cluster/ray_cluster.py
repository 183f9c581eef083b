"""A Ray cluster: a running one that is joined, or one of this machine alone that is started and stopped."""

import logging
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ray

from datagen.errors import UsageError

CONNECT_S = 5
ANSWER_S = 30
"""Within which a process of its own has joined the cluster, its start included; Ray itself tries for two minutes, in
code that cannot be interrupted."""
_TRY = "import sys, ray; ray.init(sys.argv[1], log_to_driver=False); ray.shutdown()"
_STORE_BYTES = 200_000_000
"""Of a cluster on this machine: tasks and results take some hundred bytes each."""
_LEAST_STORE_BYTES = 78_643_200
"""Ray takes no less."""
_SHARED_MEMORY = Path("/dev/shm")


@contextmanager
def join_cluster(address: str | None, own_cores: int) -> Iterator[int]:
    """Give the number of cores; of a cluster that is started here, `own_cores`.

    Raises UsageError where no cluster answers at `address`, `host:port`.
    """
    logging.getLogger("ray").setLevel(logging.ERROR)
    if address is None:
        _start(own_cores)
    else:
        _find(address)
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    try:
        yield int(ray.cluster_resources().get("CPU", 1))  # type: ignore[no-untyped-call]
    finally:
        ray.shutdown()


def _start(cores: int) -> None:
    """On loopback, without a dashboard."""
    free = shutil.disk_usage(_SHARED_MEMORY).free if _SHARED_MEMORY.is_dir() else 0
    store = max(_LEAST_STORE_BYTES, min(_STORE_BYTES, free // 2))
    ray.init(
        "local",
        num_cpus=cores,
        object_store_memory=store,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )


def _find(address: str) -> None:
    hint = "give HOST:PORT of the head node (its `ray start --head` tells it), on a machine that has joined the cluster"
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in address:
        raise UsageError(f"--address {address} is no HOST:PORT", hint)
    try:
        socket.create_connection((host, int(port)), CONNECT_S).close()
        tried = subprocess.run([sys.executable, "-c", _TRY, address], capture_output=True, timeout=ANSWER_S)
    except (OSError, OverflowError) as exc:
        raise UsageError(f"--address {address}: no Ray cluster answers there: {exc}", hint) from exc
    except subprocess.TimeoutExpired as exc:
        what = f"--address {address}: no Ray cluster answers there within {ANSWER_S} s"
        raise UsageError(what, hint) from exc
    if tried.returncode:
        *_, reason = tried.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise UsageError(f"--address {address}: the cluster cannot be joined: {reason}", hint)
