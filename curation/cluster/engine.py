"""`curate --engine daft|ray`: measuring and the index of duplicates on all cores of this machine, or of a Ray cluster.

Daft makes the plans and hands out the tasks, natively or on Ray. All workers see the same files under the same paths.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from curation.duplicates.index import DuplicateIndex
from curation.duplicates.settings import DuplicateSettings
from curation.engine import Engine
from curation.kept_index import open_kept_index
from curation.measure import MeasuredFile
from datagen.errors import UsageError

if TYPE_CHECKING:  # daft takes a second to import
    from curation.cluster.fleet import Fleet

EngineName = Literal["daft", "ray"]
QUIET = {
    "DAFT_ANALYTICS_ENABLED": "0",
    "DAFT_PROGRESS_BAR": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""Neither Daft nor Ray tells anybody that it is used, and progress is shown by us."""


_RAY_TOKEN = Path.home() / ".ray" / "auth_token"


@contextmanager
def open_engine(
    name: EngineName, address: str | None, tell: Callable[[str, int, int], None] = lambda *_: None
) -> Iterator[Engine]:
    """The engine of this name; what was started for it is stopped when the block ends.

    `address`: of a running Ray cluster; None: one is started on this machine. `tell`: see `Fleet`. Raises UsageError
    where the extra is not installed, or nothing answers at the address.
    """
    with open_fleet(name, address, tell) as fleet:
        from curation.cluster.measuring import measure_on

        yield Engine(partial(measure_on, fleet), partial(_open_index, fleet))


@contextmanager
def open_fleet(
    name: EngineName, address: str | None, tell: Callable[[str, int, int], None] = lambda *_: None
) -> "Iterator[Fleet]":
    """The workers of an engine, as `open_engine` has them."""
    for package in ("daft", "ray")[: 2 if name == "ray" else 1]:
        if find_spec(package) is None:
            raise UsageError(f"--engine {name} needs {package}", "pip install 'damhwa[cluster]'")
    os.environ.update(QUIET)
    import daft

    from curation.cluster.fleet import Fleet

    if name == "daft":
        daft.set_runner_native()
        yield Fleet(count_cores(), is_cluster=False, tell=tell)
        return
    if address is None:  # for machines of one: Ray then listens on loopback alone
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    elif _RAY_TOKEN.exists():  # a cluster asks for it wherever there is one; who joins must say that it has it
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    from curation.cluster.ray_cluster import join_cluster

    with join_cluster(address, count_cores()) as cores:
        daft.set_runner_ray(noop_if_initialized=True)
        yield Fleet(cores, is_cluster=True, tell=tell)


def count_cores() -> int:
    """Those that this process may use: a container or `taskset` may give it fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _open_index(
    fleet: "Fleet", folder: Path, settings: DuplicateSettings, files: Sequence[MeasuredFile]
) -> DuplicateIndex:
    from curation.cluster.indexing import fill_index

    return open_kept_index(folder, settings, files, partial(fill_index, fleet))
