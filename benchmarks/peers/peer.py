"""Who is measured beside us: name, what is installed at which version, the adapter that does the work its way."""

from dataclasses import dataclass
from pathlib import Path

LOCKS = Path(__file__).parent / "requirements"
"""NAME.txt: all that is installed beside a peer, as `pip freeze` told it when the pins were chosen."""


@dataclass(frozen=True, slots=True)
class Peer:
    """`requirements`: the peer first, then all that it needs, each at one version."""

    name: str
    requirements: tuple[str, ...]
    adapter: str
    """Module under `benchmarks.peers.adapters`, run by the peer's own Python."""

    @property
    def version(self) -> str:
        return self.requirements[0].rpartition("==")[2]


def read_peer(name: str, distribution: str, adapter: str) -> Peer:
    """A peer with the pins of its lock file."""
    lines = (LOCKS / f"{name}.txt").read_text(encoding="utf-8").split()
    return Peer(name, tuple(sorted(lines, key=lambda line: (not line.startswith(f"{distribution}=="), line))), adapter)


OURS = "damhwa"
"""Our own row in every table."""

SWITCHES = {
    "TELEMETRY_ENABLED": "false",  # curator
    "NEMO_TELEMETRY_ENABLED": "false",  # data-designer
    "HF_HUB_DISABLE_TELEMETRY": "1",  # datasets, distilabel, model2vec
    "DAFT_ANALYTICS_ENABLED": "0",
    "DO_NOT_TRACK": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # curator's prices: those in the package instead of a download
    "TOKENIZERS_PARALLELISM": "false",
}
"""Documented switches by which the peers tell nobody that they ran."""
