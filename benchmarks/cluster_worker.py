"""One curation in a process of its own, stage by stage: `python -m benchmarks.cluster_worker ENGINE DATA OUT`.

Prints what each stage took, and how many bytes lie between them, as JSON.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import pyarrow.parquet as pq

from benchmarks.curation_corpus import list_personas
from curation.cluster.engine import open_fleet
from curation.cluster.indexing import fill_index
from curation.cluster.measuring import measure_on
from curation.curate import CurateRequest, conclude, open_work
from curation.engine import ONE_MACHINE, Engine
from curation.examination import examine
from curation.kept_index import open_kept_index

P = ParamSpec("P")
R = TypeVar("R")


class Watch:
    """Wall and CPU seconds of calls, this process and its ended children together."""

    def __init__(self) -> None:
        self.stages: list[dict[str, Any]] = []

    def time(self, name: str, call: Callable[P, R]) -> Callable[P, R]:
        def timed(*args: P.args, **kwargs: P.kwargs) -> R:
            started, spent = time.monotonic(), spend_cpu()
            result = call(*args, **kwargs)
            self.stages.append({"name": name, "wall_s": time.monotonic() - started, "cpu_s": spend_cpu() - spent})
            return result

        return timed


def spend_cpu() -> float:
    usages = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


@contextmanager
def open_watched(name: str, watch: Watch) -> Iterator[Engine]:
    """The engine of this name; a fleet's stages are added to those of the watch when it closes."""
    if name == "native":
        yield Engine(watch.time("measure", ONE_MACHINE.measure), watch.time("index", ONE_MACHINE.index))
        return
    assert name in ("daft", "ray")
    started = time.monotonic()
    with open_fleet("daft" if name == "daft" else "ray", None) as fleet:
        watch.stages.append({"name": "start", "wall_s": time.monotonic() - started, "cpu_s": 0.0})
        yield Engine(
            watch.time("measure", partial(measure_on, fleet)),
            watch.time("index", partial(open_kept_index, fill=partial(fill_index, fleet))),
        )
        watch.stages += [asdict(stage) for stage in fleet.stages]


def measure_bytes(data: Path, out: Path) -> dict[str, int]:
    """Of the source, the measured files, their folded text, and the arrays of the index by name."""
    cache = out / ".curation"
    measured = list((cache / "measured").glob("*.parquet"))
    sizes = {
        "source": sum(path.stat().st_size for path in data.rglob("*.parquet")),
        "measured": sum(path.stat().st_size for path in measured),
        "folded": sum(map(count_folded, measured)),
    }
    for path in (cache / "index").glob("segment-*/*.npy"):
        name = f"index {path.stem.partition('_')[0]}"
        sizes[name] = sizes.get(name, 0) + path.stat().st_size
    return sizes


def count_folded(path: Path) -> int:
    with pq.ParquetFile(path) as file:
        groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
    columns = [group.column(at) for group in groups for at in range(group.num_columns)]
    return sum(each.total_compressed_size for each in columns if each.path_in_schema.startswith("folded"))


def main(engine_name: str, data: Path, out: Path) -> None:
    watch = Watch()
    work = open_work(CurateRequest(data, out))
    work = replace(work, source=replace(work.source, personas=list_personas(), only_persona=""))
    with open_watched(engine_name, watch) as engine:
        examination = watch.time("examine", examine)(work, engine=engine)
    watch.time("write", conclude)(examination)
    print(json.dumps({"stages": watch.stages, "bytes": measure_bytes(data, out)}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
