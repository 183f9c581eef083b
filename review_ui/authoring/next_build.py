"""What the next build of a spec will do, told before it is started: which topics lack dialogues, or why it will refuse.

Only the spec and what curation last said are looked at: dialogues that reviewers flagged since are made again too.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from datagen.endpoint_options import ProviderOptions, apply_options
from datagen.errors import DataError, UsageError
from datagen.ledger import Ledger
from datagen.run_folder import check_request
from datagen.spec import LoadedSpec
from datagen.spec_file import load_spec
from datagen.status import read_status
from review_ui.authoring.open_specs import OpenSpec

Remedy = Literal["about", "offline", "online"]


@dataclass(frozen=True, slots=True)
class Lack:
    """A topic that has fewer dialogues than its quota. `held`: of those it has, waiting for a person's word."""

    name: str
    quota: int
    has: int
    held: int

    @property
    def count(self) -> int:
        return self.quota - self.has - self.held


@dataclass(frozen=True, slots=True)
class NextBuild:
    """`refusal`: what the build will say instead of going on in this run; None: it will go on.

    `remedy`: the run would go on if the service asked the simulator (`offline`) or a real model (`online`).
    """

    lacks: tuple[Lack, ...]
    refusal: str | None
    remedy: Remedy = "about"

    @property
    def count(self) -> int:
        """Dialogues to be made."""
        return sum(lack.count for lack in self.lacks)


def plan_build(spec: OpenSpec, is_offline: bool) -> NextBuild:
    """What a build of the spec as it is saved will do. Raises SpecError where it does not pass the check."""
    loaded = load_spec(spec.path)
    refusal = _ask(spec.run, loaded, is_offline)
    remedy: Remedy = "about"
    if refusal is not None and _ask(spec.run, loaded, not is_offline) is None:
        remedy = "online" if is_offline else "offline"
    have = _count(spec.run)
    every = (Lack(topic.name, topic.quota, *have.get(topic.name, (0, 0))) for topic in loaded.spec.topics)
    return NextBuild(tuple(lack for lack in every if lack.count > 0), refusal, remedy)


def _count(run: Path) -> dict[str, tuple[int, int]]:
    """Topic → accepted and held dialogues; before the first curation valid ones."""
    try:
        topics = read_status(run)["topics"]
    except (UsageError, DataError):  # no run yet, or one just being made
        return {}
    counts = {}
    for topic in topics:
        curated = topic["curated"]
        counts[topic["name"]] = (
            (topic["accepted"], 0) if curated is None else (curated.get("accepted", 0), curated.get("waiting", 0))
        )
    return counts


def _ask(run: Path, loaded: LoadedSpec, is_offline: bool) -> str | None:
    provider = apply_options(loaded.spec.provider, ProviderOptions(offline=is_offline))
    loaded = loaded.model_copy(update={"spec": loaded.spec.model_copy(update={"provider": provider})})
    try:
        ledger = Ledger.open_to_read(run / "ledger.db")
    except (UsageError, DataError):
        return None
    try:
        check_request(run, ledger, loaded, is_curated=True)
    except UsageError as error:
        return error.message
    finally:
        ledger.close()
    return None
