"""What an adapter is handed: a file that says where the endpoint and the prompts are and where the rows go."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

MODEL = "damhwa-simulator"
TEMPERATURE = 0.9
MAX_TOKENS = 3000


@dataclass(frozen=True, slots=True)
class Job:
    """`folder`: for caches, the same after a kill. `rpm`: the limit that the endpoint enforces, None without one."""

    url: str
    prompts: str
    output: str
    folder: str
    concurrency: int
    rpm: int | None
    retry_after_s: int

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Prompt:
    """`row`: its number. `exchanges`: how many the dialogue is to have."""

    row: int
    system: str
    user: str
    exchanges: int


def read_job(path: str) -> tuple[Job, list[Prompt]]:
    job = Job(**json.loads(Path(path).read_text(encoding="utf-8")))
    return job, read_prompts(Path(job.prompts))


def read_prompts(path: Path) -> list[Prompt]:
    return [Prompt(**each) for each in json.loads(path.read_text(encoding="utf-8"))]


def write_prompts(path: Path, prompts: Iterable[Prompt]) -> None:
    path.write_text(json.dumps([asdict(each) for each in prompts], ensure_ascii=False), encoding="utf-8")


def write_rows(job: Job, rows: Iterable[tuple[int, str | None]]) -> None:
    """The peer's final output in the one form that is judged."""
    with Path(job.output).open("w", encoding="utf-8") as file:
        for row, text in rows:
            file.write(json.dumps([row, text], ensure_ascii=False) + "\n")


def read_rows(path: Path) -> list[tuple[int, str | None]]:
    """Nothing where the peer did not come so far."""
    if not path.exists():
        return []
    return [(row, text) for row, text in map(json.loads, path.read_text(encoding="utf-8").splitlines())]
