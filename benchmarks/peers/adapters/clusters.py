"""How an adapter hands back what it found: the cluster of each row, as numbers in a file."""

from pathlib import Path
from typing import Any

import numpy as np


def save_components(left: Any, right: Any, rows: int, target: Path) -> None:
    """Pairs are edges; what hangs together is one cluster."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(left), np.bool_), (left, right)), shape=(rows, rows))
    np.save(target, connected_components(graph, directed=False)[1])
