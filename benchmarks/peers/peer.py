"""Who is measured beside us: name, what is installed at which version, the adapter that does the work its way."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Peer:
    """`requirements`: the peer first, then what it needs pinned beside it."""

    name: str
    requirements: tuple[str, ...]
    adapter: str
    """Module under `benchmarks.peers.adapters`, run by the peer's own Python."""

    @property
    def version(self) -> str:
        return self.requirements[0].rpartition("==")[2]


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
